"""Each model of the settings: whether what it needs is here. Servers are asked only where that is wanted."""

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from rag.errors import ConfigurationError
from rag.models import EXTRACTIVE, model_names, public_name
from rag.models.catalogue import entry_named, find, fits, load, machine_memory, models_folder
from rag.settings import Settings
from web.doctor.finding import BROKEN, FINE, NOTE, Finding

OPENAI = "https://api.openai.com/v1"
_MAGIC = b"GGUF"
_SECONDS = 5.0
_GGUF = "make extra EXTRA=gguf"


def models(settings: Settings, ask_servers: bool) -> Iterator[Finding]:
    """`LACERTA_MODELS` in its order, then the embedder and the reranker."""
    try:
        names = model_names(settings)
    except ConfigurationError as error:
        yield Finding("models", "LACERTA_MODELS", BROKEN, str(error), "make model, which lists what can be fetched")
        return
    for name in names:
        kind, _, rest = name.partition(":")
        if kind == "gguf":
            yield _gguf(rest, settings, "chat")
        elif kind == "openai":
            yield _openai(rest, settings, ask_servers)
        elif kind == "langchain":
            yield _langchain(rest)
        else:
            yield Finding("models", EXTRACTIVE, FINE, "comes with the program")
    yield _embedder(settings, ask_servers)
    if settings.reranker:
        yield _reranker(settings.reranker)


def _gguf(text: str, settings: Settings, purpose: str) -> Finding:
    """A name of the catalogue, or a path. A fetched file had its SHA-256 checked before it got its name."""
    command = f"make model{'' if purpose == 'chat' else '-embed'} NAME={text}"
    name = public_name(f"gguf:{text}")
    entry = next((entry for entry in load() if entry.name == text), None)
    if entry is not None:
        path = find(text, settings)
        if path is None:
            return Finding("models", name, BROKEN, f"not in {models_folder(settings)}, or not whole", command)
        if not fits(entry_named(text, purpose), machine_memory()):
            said = f"meant for {entry.memory} GB of memory, this machine has {machine_memory() / 1e9:.1f} GB"
            return Finding("models", name, NOTE, said, "make model, which names one that fits")
        known = "its SHA-256 was checked when it was fetched"
    else:
        path = Path(text).expanduser()
        try:
            with path.open("rb") as file:
                begins = file.read(len(_MAGIC))
        except OSError as error:
            said = f"{path} cannot be read ({error.strerror})"
            return Finding("models", name, BROKEN, said, "name a file that is there, or fetch one: make model")
        if begins != _MAGIC:
            return Finding("models", name, BROKEN, f"{path} is not a GGUF file", "name another file, or: make model")
        known = "its SHA-256 is not known"
    if find_spec("llama_cpp") is None:
        return Finding("models", name, BROKEN, "its file is here, what runs it is not", _GGUF)
    return Finding("models", name, FINE, f"{path.stat().st_size / 1e9:.2f} GB; {known}")


def _openai(model: str, settings: Settings, ask_servers: bool) -> Finding:
    name = f"openai:{model}"
    address = (settings.openai_base_url or OPENAI).rstrip("/")
    if address == OPENAI and not settings.openai_api_key:
        mend = "set LACERTA_OPENAI_API_KEY, or LACERTA_OPENAI_BASE_URL for a server of your own"
        return Finding("models", name, BROKEN, f"{address} needs a key", mend)
    key = "a key is set" if settings.openai_api_key else "no key is set"
    if not ask_servers:
        return Finding("models", name, FINE, f"at {address}; {key}; not asked (--network asks it)")
    import httpx

    headers = {"Authorization": f"Bearer {settings.openai_api_key.reveal() or 'none'}"}
    try:
        # As the program itself does, no redirect is followed: it would carry the key elsewhere.
        response = httpx.get(f"{address}/models", headers=headers, timeout=_SECONDS, follow_redirects=False)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        mend = "check LACERTA_OPENAI_BASE_URL, and that the server runs"
        return Finding("models", name, BROKEN, f"{address} cannot be reached ({type(error).__name__})", mend)
    if response.status_code in (401, 403):
        mend = "set LACERTA_OPENAI_API_KEY to a valid one"
        return Finding("models", name, BROKEN, f"{address} refuses the key", mend)
    if response.status_code != 200:
        mend = "check LACERTA_OPENAI_BASE_URL, which ends in /v1 for most servers"
        return Finding("models", name, BROKEN, f"{address}/models answered {response.status_code}", mend)
    try:
        served = [str(item["id"]) for item in response.json()["data"]]
    except (ValueError, KeyError, TypeError):
        return Finding("models", name, NOTE, f"{address} answers, but lists no models")
    if model not in served:
        mend = f"name one of these in LACERTA_MODELS: {', '.join(sorted(served)[:5])}"
        return Finding("models", name, BROKEN, f"{address} does not list it", mend if served else "load it there")
    return Finding("models", name, FINE, f"{address} answers and lists it")


def _langchain(rest: str) -> Finding:
    provider = rest.partition(":")[0]
    package = f"langchain-{provider.split('_')[0]}"
    if find_spec(package.replace("-", "_")) is None:
        mend = f"make extra EXTRA={package}, or another package that LangChain has for it"
        return Finding("models", f"langchain:{rest}", BROKEN, f"{package} is not installed", mend)
    return Finding("models", f"langchain:{rest}", NOTE, f"{package} is installed; its key is not looked at")


def _embedder(settings: Settings, ask_servers: bool) -> Finding:
    label, (kind, _, rest) = "embedder", settings.embedder.partition(":")
    if not rest:
        return Finding("models", label, FINE, f"{settings.embedder}, which comes with the program")
    if kind == "gguf":
        found = _gguf(rest, settings, "embed")
    elif kind == "openai":
        found = _openai(rest, settings, ask_servers)
    elif find_spec("sentence_transformers") is None or find_spec("torch") is None:
        found = Finding("models", label, BROKEN, "torch is not installed", "make extra EXTRA=models")
    else:
        found = Finding("models", label, FINE, _hub(rest))
    return Finding("models", label, found.state, f"{settings.embedder}: {found.text}", found.mend)


def _reranker(name: str) -> Finding:
    kind, _, rest = name.partition(":")
    if kind == "onnx":
        here = (Path(rest).expanduser() / "model.onnx").is_file()
        mend = "" if here else "name a folder with model.onnx and tokenizer.json in LACERTA_RERANKER"
        text = "its files are here" if here else f"there is no model.onnx in {rest}"
        return Finding("models", "reranker", FINE if here else BROKEN, f"{name}: {text}", mend)
    if find_spec("sentence_transformers") is None or find_spec("torch") is None:
        return Finding("models", "reranker", BROKEN, f"{name}: torch is not installed", "make extra EXTRA=models")
    return Finding("models", "reranker", FINE, f"{name}: {_hub(rest)}")


def _hub(model: str) -> str:
    return "a folder" if Path(model).expanduser().is_dir() else f"from {hub_cache(model) or 'the hub at its first use'}"


def hub_cache(model: str) -> Path | None:
    """Where huggingface_hub keeps a model, if it was fetched before."""
    home = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()
    folder = Path(os.environ.get("HF_HUB_CACHE") or home / "hub") / f"models--{model.replace('/', '--')}"
    return folder if folder.is_dir() else None
