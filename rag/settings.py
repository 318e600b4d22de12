"""Settings from the environment and `domain.toml`, read in one place and checked when read."""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from rag.errors import ConfigurationError

ROOT = Path(__file__).resolve().parent.parent
LANGUAGES = ("en", "hu", "ko")
"""Languages of the interface and of answers."""
KINDS = ("files", "arxiv", "ntrs", "web", "wikipedia")
"""Kinds of sources; all but the first are fetched."""
LOG_FORMATS = ("plain", "json")
LOG_LEVELS = ("debug", "info", "warning", "error")
_VARIABLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
_CONTACT_CHARACTERS = 200
PARTS = ("page", "api", "metrics")
"""What of the program can be open to anyone."""
NAMED = {"KEY": "keys", "LOGIN": "logins"}
"""Settings of which there are many, by the beginning of their variables' names."""
_NAMED_VARIABLE = re.compile(r"LACERTA_(KEY|LOGIN)_([A-Z0-9_]{1,40})")
# A process takes a whole embedder and its vectors into memory.
_MOST_PROCESSES = 64


class Secret:
    """A string that never shows itself in a log or a repr; `reveal()` gives it to the client that needs it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "Secret('***')" if self._value else "Secret('')"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of a process; each field `name` is read from the variable `LACERTA_NAME`.

    `keys` and `logins` are those of the variables `LACERTA_KEY_NAME` and `LACERTA_LOGIN_NAME`, by name in lower case.
    """

    var: Path = ROOT / "var"
    corpora: Path = ROOT / "corpora"
    prompts: Path = ROOT / "prompts"
    host: str = "127.0.0.1"
    port: int = 7860
    processes: int = 1
    allowed_hosts: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    user_header: str = ""
    cors_origins: tuple[str, ...] = ()
    requests_minute: int = 0
    requests_day: int = 0
    tokens_day: int = 0
    request_seconds: float = 300.0
    concurrent_answers: int = 32
    concurrent_searches: int = 64
    cached_answers: int = 1000
    chroma: str = ""
    chroma_token: Secret = field(default_factory=lambda: Secret(""))
    models: tuple[str, ...] = ("extractive",)
    embedder: str = "balanced"
    reranker: str = ""
    openai_base_url: str = ""
    openai_api_key: Secret = field(default_factory=lambda: Secret(""))
    model_timeout: float = 60.0
    context_tokens: int = 0
    gpu_layers: int = -1
    answer_tokens: int = 512
    question_characters: int = 2000
    threads: int = 0
    contact: str = ""
    visit_uploads: bool = True
    visit_files: int = 10
    visit_file_bytes: int = 20_000_000
    visit_pages: int = 500
    visit_bytes: int = 2_000_000_000
    visit_hours: float = 24.0
    feedback: bool = True
    feedback_texts: bool = True
    keep_questions: bool = False
    log: str = "plain"
    log_level: str = "warning"
    log_questions: bool = False
    stop_seconds: float = 10.0
    keys: Mapping[str, Secret] = field(default_factory=dict)
    logins: Mapping[str, Secret] = field(default_factory=dict)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Settings from `LACERTA_*` variables; without an argument also from the file `.env` beside `app.py`.

        Raises ConfigurationError for an unknown variable or a value that does not fit.
        """
        if environment is None:
            environment = _environment()
        names = {item.name: item for item in fields(cls) if item.name not in NAMED.values()}
        values: dict[str, Any] = {kind: {} for kind in NAMED.values()}
        for variable, text in environment.items():
            if not variable.startswith("LACERTA_") or not text.strip():
                continue
            named = _NAMED_VARIABLE.fullmatch(variable)
            if named:
                values[NAMED[named[1]]][named[2].lower()] = Secret(text.strip())
                continue
            name = variable.removeprefix("LACERTA_").lower()
            if name not in names:
                known = ", ".join(f"LACERTA_{known.upper()}" for known in names)
                raise ConfigurationError(f"{variable} is not a setting. Known settings: {known}.")
            values[name] = _convert(variable, names[name].type, text.strip())
        settings = cls(**values)
        if not 1 <= settings.port <= 65535:
            raise ConfigurationError(f"LACERTA_PORT should be between 1 and 65535, is now {settings.port}.")
        positive = ("model_timeout", "answer_tokens", "question_characters", "request_seconds")
        for name in (*positive, "concurrent_answers", "concurrent_searches"):
            if getattr(settings, name) <= 0:
                raise ConfigurationError(f"LACERTA_{name.upper()} should be above 0, is now {getattr(settings, name)}.")
        for name in ("visit_files", "visit_file_bytes", "visit_pages", "visit_bytes", "visit_hours"):
            if getattr(settings, name) <= 0:
                raise ConfigurationError(
                    f"LACERTA_{name.upper()} should be above 0, is now {getattr(settings, name)}; without any such"
                    " documents: LACERTA_VISIT_UPLOADS=false."
                )
        for name in ("requests_minute", "requests_day", "tokens_day", "cached_answers"):
            if getattr(settings, name) < 0:
                raise ConfigurationError(
                    f"LACERTA_{name.upper()} should be 0 or more, is now {getattr(settings, name)}."
                )
        if not 1 <= settings.processes <= _MOST_PROCESSES:
            raise ConfigurationError(
                f"LACERTA_PROCESSES should be between 1 and {_MOST_PROCESSES}, is now {settings.processes}."
            )
        unknown = [part for part in settings.open if part not in PARTS]
        if unknown:
            raise ConfigurationError(f"LACERTA_OPEN should be some of {', '.join(PARTS)}, holds {unknown[0]!r}.")
        for proxy in settings.trusted_proxies:
            try:
                ip_network(proxy)
            except ValueError:
                raise ConfigurationError(
                    f"LACERTA_TRUSTED_PROXIES should hold addresses or networks such as 10.0.0.0/8, holds {proxy!r}."
                ) from None
        if settings.user_header and not settings.trusted_proxies:
            raise ConfigurationError(
                "LACERTA_USER_HEADER needs LACERTA_TRUSTED_PROXIES: without it anyone could send that header."
            )
        if settings.chroma and not re.fullmatch(r"https?://[^\s/@]+(/\S*)?", settings.chroma):
            raise ConfigurationError(
                f"LACERTA_CHROMA should be an address such as http://127.0.0.1:8000, is now {settings.chroma!r}."
            )
        if settings.context_tokens and settings.context_tokens <= settings.answer_tokens:
            raise ConfigurationError(
                f"LACERTA_CONTEXT_TOKENS should be 0 or above LACERTA_ANSWER_TOKENS ({settings.answer_tokens}), is now"
                f" {settings.context_tokens}."
            )
        for name, choices in (("log", LOG_FORMATS), ("log_level", LOG_LEVELS)):
            if getattr(settings, name) not in choices:
                raise ConfigurationError(
                    f"LACERTA_{name.upper()} should be one of {', '.join(choices)}, is now {getattr(settings, name)!r}."
                )
        if not 0 <= settings.stop_seconds <= 3600:
            raise ConfigurationError(
                f"LACERTA_STOP_SECONDS should be between 0 and 3600, is now {settings.stop_seconds}."
            )
        contact = settings.contact
        if not contact.isascii() or not contact.isprintable() or len(contact) > _CONTACT_CHARACTERS:
            raise ConfigurationError(
                f"LACERTA_CONTACT should be a mail address or URL of at most {_CONTACT_CHARACTERS} ASCII characters, is"
                f" now {contact!r}."
            )
        return settings


def _environment() -> dict[str, str]:
    """The variables of the file `.env` beside `app.py`, and before them those of the process."""
    from dotenv import dotenv_values

    file = ROOT / ".env"
    try:
        stored = {key: value or "" for key, value in dotenv_values(file).items()}
    except (OSError, UnicodeDecodeError) as error:
        # Made by another user, a file of secrets is readable by that one alone.
        raise ConfigurationError(f"Can't read {file}: {error}. Let whoever runs the program read it.") from error
    return {**stored, **os.environ}


def _convert(variable: str, kind: Any, text: str) -> Any:
    if kind is Path:
        return Path(text).expanduser().resolve()
    if kind is Secret:
        return Secret(text)
    if kind is str:
        return text
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise ConfigurationError(f"{variable} should be true or false, is now {text!r}.")
        return text.lower() == "true"
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            raise ConfigurationError(f"{variable} should be a number, is now {text!r}.") from None
    return tuple(part.strip() for part in text.split(",") if part.strip())


@dataclass(frozen=True, slots=True)
class Source:
    """One `[[sources]]` table: where a domain's documents come from.

    `include` and `exclude` are glob patterns of the kind `files`. `options` are all keys of another kind as TOML gives
    them; whoever fetches from there checks them.
    """

    kind: str = "files"
    include: tuple[str, ...] = ("**/*",)
    exclude: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PublishSettings:
    """The `[publish]` table: a new version is published only if at least the share `min_recall` of the domain's own
    questions find their document; 0 asks none. With `files`, whoever sees the domain may open its documents' files.
    """

    min_recall: float = 0.0
    files: bool = False


@dataclass(frozen=True, slots=True)
class RetrievalSettings:
    """The `[retrieval]` table: `passages` reach the answer, `glossary_weight` is what its terms are worth beside words.

    Below a confidence of `refuse_below` a question is refused, below `hedge_below` the answer says that it may not fit.
    """

    passages: int = 6
    glossary_weight: float = 0.5
    refuse_below: float = 0.2
    hedge_below: float = 0.5


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain as its `domain.toml` describes it. Texts are by interface language, all of `LANGUAGES`.

    `passwords` open the files whose source matches the glob pattern that is their key. With `small_talk`, greetings and
    thanks are returned. A `private` domain is there only for the keys and logins that name it.
    """

    name: str
    folder: Path
    languages: tuple[str, ...]
    title: Mapping[str, str]
    description: Mapping[str, str]
    examples: Mapping[str, tuple[str, ...]]
    notice: Mapping[str, str] = field(default_factory=dict)
    contact: Mapping[str, str] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[Source, ...] = (Source(),)
    retrieval: RetrievalSettings = RetrievalSettings()
    publish: PublishSettings = PublishSettings()
    small_talk: bool = False
    private: bool = False
    passwords: Mapping[str, Secret] = field(default_factory=dict)

    @property
    def source_folder(self) -> Path:
        return self.folder / "sources"


def domain_names(settings: Settings) -> list[str]:
    """Names of the domains under `settings.corpora`, sorted. Raises ConfigurationError if there is no such folder."""
    if not settings.corpora.is_dir():
        raise ConfigurationError(f"There is no corpora folder {settings.corpora}: create it or set LACERTA_CORPORA.")
    return sorted(path.parent.name for path in settings.corpora.glob("*/domain.toml"))


def load_domain(settings: Settings, name: str, environment: Mapping[str, str] | None = None) -> Domain:
    """The domain `name`. Raises ConfigurationError naming the file and the key that is wrong.

    Passwords that are written as `$NAME` are taken from `environment`; without it from the process's and `.env`.
    """
    names = domain_names(settings)
    if name not in names:
        known = ", ".join(names) or "none"
        raise ConfigurationError(f"There is no domain {name!r} under {settings.corpora}. Domains there: {known}.")
    path = settings.corpora / name / "domain.toml"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}") from error
    return _domain(name, path, table, environment)


def _domain(name: str, path: Path, table: dict[str, Any], environment: Mapping[str, str] | None) -> Domain:
    known = {item.name for item in fields(Domain)} - {"name", "folder"}
    _refuse_unknown(path, "", table, known)
    values: dict[str, Any] = {"languages": tuple(_typed(path, "languages", table.get("languages"), list))}
    for key in ("title", "description", "examples", "notice", "contact"):
        texts = _typed(path, key, table.get(key, {}), dict)
        _refuse_unknown(path, key, texts, set(LANGUAGES))
        required = key in ("title", "description", "examples") or texts
        missing = [language for language in LANGUAGES if required and not texts.get(language)]
        if missing:
            raise ConfigurationError(f"{path}: [{key}] lacks {', '.join(missing)}.")
        kind = list if key == "examples" else str
        checked = {language: _typed(path, f"{key}.{language}", text, kind) for language, text in texts.items()}
        values[key] = {language: tuple(text) if kind is list else text for language, text in checked.items()}
    values["titles"] = dict(_typed(path, "titles", table.get("titles", {}), dict))
    values["sources"] = tuple(_source(path, source) for source in _typed(path, "sources", table.get("sources"), list))
    retrieval = _typed(path, "retrieval", table.get("retrieval", {}), dict)
    _refuse_unknown(path, "retrieval", retrieval, {item.name for item in fields(RetrievalSettings)})
    for key, value in retrieval.items():
        _typed(path, f"retrieval.{key}", value, (int, float))
    if retrieval.get("passages", 1) < 1:
        raise ConfigurationError(f"{path}: retrieval.passages should be at least 1, is now {retrieval['passages']}.")
    values["retrieval"] = RetrievalSettings(**retrieval)
    publish = _typed(path, "publish", table.get("publish", {}), dict)
    _refuse_unknown(path, "publish", publish, {item.name for item in fields(PublishSettings)})
    least = _typed(path, "publish.min_recall", publish.get("min_recall", 0.0), (int, float))
    if not 0 <= least <= 1:
        raise ConfigurationError(f"{path}: publish.min_recall should be between 0 and 1, is now {least}.")
    files = publish.get("files", False)
    if not isinstance(files, bool):
        raise ConfigurationError(f"{path}: publish.files should be true or false, is now {files!r}.")
    values["publish"] = PublishSettings(float(least), files)
    for key in ("small_talk", "private"):
        values[key] = table.get(key, False)
        if not isinstance(values[key], bool):
            raise ConfigurationError(f"{path}: {key} should be true or false, is now {values[key]!r}.")
    passwords = _typed(path, "passwords", table.get("passwords", {}), dict)
    values["passwords"] = _passwords(path, passwords, environment) if passwords else {}
    return Domain(name=name, folder=path.parent, **values)


def _source(path: Path, table: Any) -> Source:
    table = dict(_typed(path, "sources", table, dict))
    kind = table.pop("kind", "files")
    if kind not in KINDS:
        raise ConfigurationError(f"{path}: sources.kind should be one of {', '.join(KINDS)}, is now {kind!r}.")
    if kind != "files":
        return Source(kind, include=(), options=table)
    _refuse_unknown(path, "sources", table, {"include", "exclude"})
    include = _typed(path, "sources.include", table.get("include", list(Source().include)), list)
    exclude = _typed(path, "sources.exclude", table.get("exclude", []), list)
    for pattern in (*include, *exclude):
        _typed(path, "each pattern of sources.include and sources.exclude", pattern, str)
    return Source(include=tuple(include), exclude=tuple(exclude))


def _passwords(path: Path, table: Mapping[str, Any], environment: Mapping[str, str] | None) -> dict[str, Secret]:
    environment = _environment() if environment is None else environment
    passwords = {}
    for pattern, value in table.items():
        if not isinstance(value, str) or not value:
            # The value itself may be the secret.
            raise ConfigurationError(f'{path}: the password of "{pattern}" should be a string that is not empty.')
        named = _VARIABLE.fullmatch(value)
        if named and named[1].startswith("LACERTA_"):
            raise ConfigurationError(
                f'{path}: the password of "{pattern}" is {value}, but names that begin with LACERTA_ are those of'
                " settings: choose another name."
            )
        if named and not environment.get(named[1]):
            raise ConfigurationError(
                f'{path}: the password of "{pattern}" is in the variable {named[1]}, which is not set: put'
                f" {named[1]}=... into .env or the environment."
            )
        passwords[pattern] = Secret(environment[named[1]] if named else value)
    return passwords


def _typed(path: Path, key: str, value: Any, kind: Any) -> Any:
    if value is None:
        raise ConfigurationError(f"{path}: the key {key!r} is missing.")
    if isinstance(value, bool) or not isinstance(value, kind):
        names = " or ".join(item.__name__ for item in kind) if isinstance(kind, tuple) else kind.__name__
        raise ConfigurationError(f"{path}: {key} should be a {names}, is now {value!r}.")
    return value


def _refuse_unknown(path: Path, section: str, table: Mapping[str, Any], known: set[str]) -> None:
    for key in table:
        if key not in known:
            where = f"[{section}] has" if section else "has"
            raise ConfigurationError(f"{path} {where} the unknown key {key!r}. Known keys: {', '.join(sorted(known))}.")
