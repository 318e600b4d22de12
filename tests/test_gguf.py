import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.messages.ai import UsageMetadata

from rag.errors import ModelUnavailable
from rag.models import ChatModel, ModelCache, open_model
from rag.models.chain import Chain, Generation
from rag.models.failure import reason
from rag.models.gguf import GgufChat, ModelDied, ModelOutOfMemory, open_gguf
from rag.models.gguf_machine import available_cores, available_memory
from rag.prompt import ContextTooSmall
from rag.settings import ROOT, Settings
from tests.doubles import CHAT_TEMPLATE, ScriptedChat, write_gguf, write_recurrent_gguf

MESSAGES = [SystemMessage("Be brief."), HumanMessage("How long?")]


def run(chain: Chain) -> tuple[str, Generation]:
    generation = Generation()
    pieces = chain.stream(generation, lambda model: MESSAGES, lambda: False)
    text = "".join(piece for piece in pieces if isinstance(piece, str))
    return text, generation


def test_a_path_that_is_no_model(tmp_path: Path):
    for path, fault in [
        (tmp_path / "none.gguf", "cannot be read"),
        (tmp_path, "cannot be read"),
        (tmp_path / "page.gguf", "not a GGUF file"),
        (tmp_path / "empty.gguf", "not a GGUF file"),
    ]:
        if path.name.startswith(("page", "empty")):
            path.write_text("<html>" if path.name.startswith("page") else "")
        with pytest.raises(ModelUnavailable, match=fault) as caught:
            open_model(f"gguf:{path}", Settings())
        assert "LACERTA_MODELS" in str(caught.value)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed: make extra EXTRA=gguf")
    pytest.importorskip("gguf", reason="gguf, which writes the test's model, is not installed: make extra EXTRA=gguf")
    return write_gguf(tmp_path / "tiny.gguf")


def open_tiny(path: Path, **changes) -> ChatModel:
    return open_model(f"gguf:{path}", replace(Settings(), threads=1, answer_tokens=24, **changes))


def written_by_template(model: ChatModel) -> int:
    assert isinstance(model.chat, GgufChat)
    return model.chat.preamble_tokens


def test_without_llama_cpp_the_message_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "llama_cpp", None)
    (tmp_path / "x.gguf").write_bytes(b"GGUF....")
    with pytest.raises(ModelUnavailable, match="make extra EXTRA=gguf"):
        open_model(f"gguf:{tmp_path / 'x.gguf'}", Settings())


def test_a_gguf_model_streams(tiny, capfd):
    model = open_tiny(tiny)
    chunks = list(model.chat.stream(MESSAGES))
    assert any(chunk.text for chunk in chunks)
    assert [chunk.response_metadata.get("finish_reason") for chunk in chunks].count("length") == 1
    again = model.chat.invoke(MESSAGES)
    assert again.response_metadata["finish_reason"] in ("length", "stop")
    out, err = capfd.readouterr()
    assert out == "" and err == ""


def test_a_gguf_model_counts_with_its_own_tokenizer_and_knows_its_window(tiny, tmp_path):
    model = open_tiny(tiny, context_tokens=4096)
    assert model.count_tokens("the") == 3  # a space, "th", "e"
    assert model.count_tokens("한") == 4  # a space and three bytes
    written = written_by_template(model)
    assert 0 < written < 60 and model.budget == 512 - written - 24
    assert open_tiny(tiny, context_tokens=256).budget == 256 - written - 24


def test_what_a_template_writes_by_itself_is_not_left_to_prompts(tiny, tmp_path):
    longer = write_gguf(tmp_path / "longer.gguf", template="you are a helpful model and more\n" + CHAT_TEMPLATE)
    plain, wordy = open_tiny(tiny), open_tiny(longer)
    assert plain.budget - wordy.budget == written_by_template(wordy) - written_by_template(plain) > 20


def test_a_template_that_makes_its_model_reason_says_so(tmp_path):
    reasons = "{% if enable_thinking is not defined %}never told{% endif %}" + CHAT_TEMPLATE + "<think>\n"
    chat = open_tiny(write_gguf(tmp_path / "reasons.gguf", template=reasons)).chat
    text = "".join(str(chunk.text) for chunk in chat.stream(MESSAGES))
    assert text.startswith("<think>") and len(text) > len("<think>")
    told = write_gguf(tmp_path / "told.gguf", template=CHAT_TEMPLATE + "{% if not enable_thinking %}done{% endif %}")
    untold = write_gguf(tmp_path / "untold.gguf", template=CHAT_TEMPLATE + "{% if enable_thinking %}done{% endif %}")
    assert written_by_template(open_tiny(told)) > written_by_template(open_tiny(untold))


def test_a_damaged_gguf_file_is_an_error(tiny, tmp_path):
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(tiny.read_bytes()[:5000])
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        open_tiny(damaged)


def test_leaving_a_gguf_answer_frees_the_model(tiny):
    cache = ModelCache(replace(Settings(), threads=1, answer_tokens=400))
    chain = Chain((f"gguf:{tiny}",), cache)
    seen: list[str] = []
    for piece in chain.stream(Generation(), lambda model: MESSAGES, lambda: len(seen) >= 2):
        if isinstance(piece, str):
            seen.append(piece)
    assert len(seen) == 2
    abandoned = chain.stream(Generation(), lambda model: MESSAGES, lambda: False)
    assert isinstance(abandoned, Generator)
    next(abandoned)
    abandoned.close()
    # The model is free again, and what comes next is a whole answer.
    assert run(chain)[1].model == f"gguf:{tiny}"
    cache.close()


def test_a_syllable_spread_over_tokens_stays_whole(tmp_path, tiny):
    model = open_tiny(write_gguf(tmp_path / "korean.gguf", says="한국어"))
    chunks = list(model.chat.stream(MESSAGES))
    assert "".join(str(chunk.text) for chunk in chunks) == "한국어"
    assert chunks[-1].response_metadata["finish_reason"] == "stop"


def test_what_a_generation_took_is_told(tiny):
    last = list(open_tiny(tiny).chat.stream(MESSAGES, max_tokens=7))[-1]
    assert last.response_metadata["finish_reason"] == "length"
    assert used(last)["output_tokens"] == 7 and used(last)["total_tokens"] == 7 + used(last)["input_tokens"]
    assert last.response_metadata["evaluated_tokens"] == used(last)["input_tokens"]


def test_options_are_passed_on(tiny, tmp_path):
    chat = open_tiny(tiny).chat
    hot = [chat.invoke(MESSAGES, temperature=2.0, seed=seed, max_tokens=20).content for seed in (1, 1, 2)]
    assert hot[0] == hot[1] != hot[2]
    narrow = [chat.invoke(MESSAGES, temperature=2.0, top_p=0.0001, seed=seed, max_tokens=20).content for seed in (1, 2)]
    assert narrow[0] == narrow[1]
    says = open_tiny(write_gguf(tmp_path / "says.gguf", says="one, tw")).chat
    reply = says.invoke(MESSAGES, stop=[", "])
    assert reply.content == "one" and reply.response_metadata["finish_reason"] == "stop"
    # What looks like the beginning of a stop string, but is none, is not lost.
    assert says.invoke(MESSAGES, stop=[", x", "twenty"]).content == "one, tw"


def test_a_prompt_beyond_the_context_is_an_error_of_its_own(tiny):
    model = open_tiny(tiny)
    with pytest.raises(ContextTooSmall, match="512") as caught:
        model.chat.invoke([HumanMessage("z" * 600)])
    assert reason(caught.value) == "context"
    # What is left of the context is used to its end.
    reply = model.chat.invoke([HumanMessage("z" * 450)], max_tokens=500)
    assert used(reply)["total_tokens"] == 512
    assert reply.response_metadata["finish_reason"] == "length"


# The process that computes


def endless(path: Path, **changes) -> GgufChat:
    """A model that takes seconds for an answer."""
    settings = replace(Settings(), threads=1, answer_tokens=8000, **changes)
    return open_gguf(write_gguf(path / "endless.gguf", context=8192, layers=8), settings)


def begun(chat: BaseChatModel, messages: list[BaseMessage] = MESSAGES) -> Iterator[BaseMessage]:
    """A stream whose answer has begun."""
    stream = chat.stream(messages)
    while not next(stream).text:
        pass
    return stream


def used(reply: BaseMessage) -> UsageMetadata:
    assert isinstance(reply, AIMessage) and reply.usage_metadata
    return reply.usage_metadata


def until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 30
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def has_ended(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    # Whoever takes over orphans may be slow to take note of their end.
    return state == "Z"


@pytest.mark.parametrize(
    ("number", "error", "why"),
    [
        (signal.SIGKILL, ModelOutOfMemory, "memory"),
        (signal.SIGSEGV, ModelDied, "died"),
        (signal.SIGABRT, ModelDied, "died"),
    ],
)
def test_a_process_that_dies_in_the_middle_costs_one_answer(tmp_path, tiny, number, error, why):
    chat = endless(tmp_path)
    stream = begun(chat)
    process = chat.process_id
    os.kill(process, number)
    with pytest.raises(error, match=number.name) as caught:
        list(stream)
    assert reason(caught.value) == why
    assert used(chat.invoke(MESSAGES, max_tokens=5))["output_tokens"] == 5
    assert chat.process_id not in (0, process)
    chat.close()


def test_the_chain_goes_on_and_the_model_comes_back(tmp_path, tiny):
    cache = ModelCache(replace(Settings(), threads=1, answer_tokens=24))
    name = f"gguf:{tiny}"
    chat = cache.open(name).chat
    assert isinstance(chat, GgufChat)

    def dies(model: ChatModel) -> list[BaseMessage]:
        if model.name == name:
            os.kill(chat.process_id, signal.SIGKILL)
        return MESSAGES

    cache._models["openai:b"] = ChatModel("openai:b", ScriptedChat(replies=["from b"]), 1000, len)
    generation = Generation()
    pieces = list(Chain((name, "openai:b"), cache).stream(generation, dies, lambda: False))
    assert "".join(piece for piece in pieces if isinstance(piece, str)).strip() == "from b"
    assert generation.model == "openai:b" and generation.failures == [("gguf:tiny.gguf", "memory")]
    assert chat.invoke(MESSAGES).content
    cache.close()


def test_a_model_that_dies_again_and_again_is_left_alone(tiny):
    chat = open_tiny(tiny).chat
    assert isinstance(chat, GgufChat)
    for restarts in (1, 1, 0):
        os.kill(chat.process_id, signal.SIGSEGV)
        assert until(lambda: not chat.process_id)
        if restarts:
            assert chat.invoke(MESSAGES).content
    with pytest.raises(ModelDied, match="left alone"):
        chat.invoke(MESSAGES)
    assert chat.process_id == 0


def test_a_process_that_hangs_is_ended(tiny, monkeypatch):
    monkeypatch.setattr("rag.models.gguf_process._QUIET_SECONDS", 0.1)
    monkeypatch.setattr("rag.models.gguf_process._SILENT_SECONDS", 1.0)
    chat = open_tiny(tiny).chat
    assert isinstance(chat, GgufChat)
    # Silence of one that has nothing to do is no hang.
    time.sleep(0.3)
    assert chat.invoke(MESSAGES).content
    os.kill(chat.process_id, signal.SIGSTOP)
    with pytest.raises(ModelDied, match="no sign of life"):
        chat.invoke(MESSAGES)
    assert chat.invoke(MESSAGES).content


def test_several_who_ask_start_one_process(tiny):
    chat = open_tiny(tiny).chat
    assert isinstance(chat, GgufChat)
    os.kill(chat.process_id, signal.SIGSEGV)
    assert until(lambda: not chat.process_id)
    seen: set[int] = set()

    def count(text: str) -> None:
        assert chat.count_tokens(text) == 5
        seen.add(chat.process_id)

    threads = [threading.Thread(target=count, args=(text,)) for text in ("abcd", "bcde", "cdef", "defg")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(seen) == 1 and 0 not in seen


def test_counting_does_not_wait_for_a_generation(tmp_path, tiny):
    chat = endless(tmp_path)
    stream = begun(chat)
    before = chat.computed_tokens()
    assert chat.count_tokens("the and the") == 10
    # It is still computing, and far from its end.
    assert before <= chat.computed_tokens() < 8000
    assert any(not chunk.response_metadata.get("finish_reason") for chunk in [next(stream)])
    chat.close()


def test_closing_ends_the_process(tmp_path, tiny):
    chat = endless(tmp_path)
    stream = begun(chat)
    process = chat.process_id
    chat.close()
    assert until(lambda: has_ended(process)) and chat.process_id == 0
    with pytest.raises(ModelUnavailable, match="closed"):
        list(stream)
    with pytest.raises(ModelUnavailable, match="closed"):
        chat.invoke(MESSAGES)


def test_a_model_that_nobody_knows_any_more_leaves_no_process(tiny):
    model = open_tiny(tiny)
    assert isinstance(model.chat, GgufChat)
    process = model.chat.process_id
    assert not has_ended(process)
    del model
    gc.collect()
    assert until(lambda: has_ended(process))


def test_the_process_ends_with_its_parent_however_that_ended(tiny):
    program = (
        "import sys; from pathlib import Path; from rag.settings import Settings;"
        "from rag.models.gguf import open_gguf; chat = open_gguf(Path(sys.argv[1]), Settings());"
        "print(chat.process_id, flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(tiny)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    process = int(parent.stdout.readline())
    assert Path(f"/proc/{process}").exists() or sys.platform != "linux"
    parent.kill()
    parent.communicate()
    assert until(lambda: has_ended(process))


def test_the_process_loads_no_framework():
    program = (
        "import sys, json; import rag.models.gguf_worker, rag.models.gguf_engine;"
        "print(json.dumps([name for name in sys.modules if '.' not in name]))"
    )
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed: make extra EXTRA=gguf")
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"langchain", "langchain_core", "gradio", "pydantic", "chromadb"} & set(json.loads(done.stdout))


# Queue and cancellation


def test_whoever_comes_first_is_served_first(tmp_path, tiny):
    chat = endless(tmp_path)
    first = begun(chat)
    second, third, fourth = (chat.stream(MESSAGES, max_tokens=3) for _ in range(3))

    def position(stream: Iterator[BaseMessage]) -> int:
        return next(stream).response_metadata["queue_position"]

    assert [position(second), position(third), position(fourth)] == [1, 2, 3]
    # Whoever leaves makes room for those behind.
    assert isinstance(second, Generator)
    second.close()
    assert [position(third), position(fourth)] == [1, 2]
    assert isinstance(first, Generator)
    first.close()
    rest = list(third)
    assert "".join(str(chunk.text) for chunk in rest)
    assert not any(chunk.response_metadata.get("queue_position") for chunk in rest[1:])
    assert "".join(str(chunk.text) for chunk in fourth)
    chat.close()


def test_whoever_reads_slowly_does_not_keep_others_waiting(tiny):
    chat = open_tiny(tiny).chat
    slow = begun(chat)
    assert chat.invoke(MESSAGES).content
    assert any(chunk.response_metadata.get("finish_reason") for chunk in slow)


def stands_still(chat: GgufChat) -> int:
    """The tokens computed, once that number does not change any more."""
    counts = [-1, chat.computed_tokens()]
    while counts[-1] != counts[-2]:
        time.sleep(0.05)
        counts.append(chat.computed_tokens())
    return counts[-1]


def test_cancelling_stops_an_answer(tmp_path, tiny):
    chat = endless(tmp_path)
    stream = begun(chat)
    assert isinstance(stream, Generator)
    stream.close()
    computed = stands_still(chat)
    assert computed < 8000
    # What was evaluated before is used, and used rightly.
    reply = chat.invoke(MESSAGES, temperature=0, max_tokens=20)
    assert reply.response_metadata["evaluated_tokens"] == 1
    assert chat.computed_tokens() == computed + 1 + 19
    chat.close()
    fresh = endless(tmp_path)
    assert fresh.invoke(MESSAGES, temperature=0, max_tokens=20).content == reply.content
    fresh.close()


def test_cancelling_stops_in_the_midst_of_a_prompt(tmp_path, tiny):
    settings = replace(Settings(), threads=1, answer_tokens=24)
    chat = open_gguf(write_gguf(tmp_path / "slow.gguf", context=8192, layers=8, width=512), settings)
    long = [HumanMessage("z" * 8000)]
    stream = chat.stream(long)
    # A sign of life while the prompt is evaluated.
    assert next(stream).text == ""
    assert isinstance(stream, Generator)
    stream.close()
    computed = stands_still(chat)
    assert computed < 8000
    assert used(chat.invoke(MESSAGES, temperature=0, max_tokens=5))["output_tokens"] == 5
    chat.close()


def test_gguf_generations_take_turns(tiny):
    model = open_tiny(tiny)
    results: list[int] = []

    def generate() -> None:
        results.append(sum(len(chunk.text) for chunk in model.chat.stream(MESSAGES)))

    threads = [threading.Thread(target=generate) for _ in range(4)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 60
    for thread in threads:
        thread.join(deadline - time.monotonic())
    assert len(results) == 4 and min(results) > 5


# Reuse of what was evaluated

WRITERS = {
    "whole past": write_gguf,
    "sliding window": lambda path: write_gguf(path, window=32),
    "no past": write_recurrent_gguf,
}


@pytest.mark.parametrize("kind", WRITERS)
def test_answers_are_the_same_whether_or_not_a_beginning_is_reused(tmp_path, tiny, kind):
    path = WRITERS[kind](tmp_path / "model.gguf")
    longer = [*MESSAGES, AIMessage("Six weeks."), HumanMessage("And in winter?")]
    other = [MESSAGES[0], HumanMessage("Who?")]
    kept = open_tiny(path).chat
    replies = [kept.invoke(messages, temperature=0) for messages in (MESSAGES, longer, other, MESSAGES)]
    evaluated = [reply.response_metadata["evaluated_tokens"] for reply in replies]
    prompts = [used(reply)["input_tokens"] for reply in replies]
    for messages, reply in zip((MESSAGES, longer, other), replies, strict=False):
        fresh = open_tiny(path).chat
        again = fresh.invoke(messages, temperature=0)
        assert again.content == reply.content
        assert again.response_metadata["evaluated_tokens"] == used(again)["input_tokens"]
        assert isinstance(fresh, GgufChat)
        fresh.close()
    assert replies[0].content == replies[3].content
    if kind == "no past":
        assert evaluated == prompts
    else:
        assert evaluated[0] == prompts[0]
        # Only what follows the first question; only what differs in the question.
        assert evaluated[1] == prompts[1] - prompts[0]
        # "<s>", then 7 + 9 + 8 + 6 of "<system>Be brief.</system><user>", with what the vocabulary puts before it.
        assert 0 < evaluated[2] < prompts[2] - 30


def test_an_answer_is_not_evaluated_again_however_the_model_spelled_it(tmp_path, tiny):
    template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}<|end|>{% endfor %}<assistant>"
    # It writes three tokens, where the tokenizer would make one of them.
    path = write_gguf(tmp_path / "speller.gguf", template=template, controls=("<|end|>",), says="the")
    chat = open_tiny(path).chat
    first = chat.invoke(MESSAGES)
    assert first.content == "the" and used(first)["output_tokens"] == 3
    second = chat.invoke([*MESSAGES, AIMessage("the"), HumanMessage("And then?")])
    before = used(first)["input_tokens"] + 3
    assert second.response_metadata["evaluated_tokens"] == used(second)["input_tokens"] - before
    # Another answer than the one that was given.
    third = chat.invoke([*MESSAGES, AIMessage("them"), HumanMessage("And then?")])
    assert third.response_metadata["evaluated_tokens"] > second.response_metadata["evaluated_tokens"]
    assert third.content == "the"


# The file's template


def with_template(tmp_path: Path, template: str, **changes) -> ChatModel:
    return open_tiny(write_gguf(tmp_path / "made.gguf", template=template, **changes))


TURNS = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"
REFUSALS = {
    "said": "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}",
    "in other words": "{% if messages[0].role == 'system' %}{{ raise_exception('Only user and model.') }}{% endif %}",
    "by the roles' turns": "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate') }}{% endif %}{% endfor %}",
}


@pytest.mark.parametrize("how", REFUSALS)
def test_a_template_without_system_role_gets_the_rules_with_the_question(tmp_path, tiny, how):
    from rag.models.gguf_template import ChatTemplate

    template = ChatTemplate(REFUSALS[how] + TURNS, "", "", [])
    prompt = template.render([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How long?"}])
    assert prompt == "<user>Be brief.\n\nHow long?<assistant>"
    assert with_template(tmp_path, REFUSALS[how] + TURNS).chat.invoke(MESSAGES).content


def test_a_template_that_drops_the_rules_gets_them_with_the_question(tiny):
    from rag.models.gguf_template import ChatTemplate

    template = ChatTemplate("{% for m in messages if m.role != 'system' %}{{ m.content }}{% endfor %}", "", "", [])
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How long?"}]
    assert template.render(messages) == "Be brief.\n\nHow long?"


def test_roles_that_should_take_turns_do(tiny):
    from rag.models.gguf_template import ChatTemplate

    template = ChatTemplate(REFUSALS["by the roles' turns"] + TURNS, "", "", [])
    messages = [{"role": "user", "content": "One."}, {"role": "user", "content": "Two."}]
    assert template.render(messages) == "<user>One.\n\nTwo.<assistant>"


def test_a_file_without_template_gets_plain_dialogue(tmp_path, tiny):
    from rag.models.gguf_template import ChatTemplate

    template = ChatTemplate("", "", "", [])
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How long?"}]
    assert template.render(messages) == "Be brief.\n\nUser: How long?\n\nAssistant:"
    assert with_template(tmp_path, "").chat.invoke(MESSAGES).content


HOSTILE = {
    "a loop without end": "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
    "a range without end": "{% for i in range(10**12) %}x{% endfor %}",
    "much text": "{% for i in range(100000) %}xxxxxxxxxx{% endfor %}",
    "much memory": "{{ messages[0].content * 10**11 }}",
    "much memory at once": "{{ 'x' * 10**11 }}",
    "attributes": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "attributes by filter": "{{ (messages|attr('__class__')).mro() }}",
    "functions": "{{ raise_exception.__globals__['os'].system('true') }}",
    "changes": "{{ messages.append(1) }}",
    "no template": "{% for %}",
    "division": "{{ 1 // 0 }}",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_template_is_refused(tmp_path, tiny, what):
    with pytest.raises(ModelUnavailable, match="chat template"):
        with_template(tmp_path, HOSTILE[what])


def test_a_template_that_turns_hostile_later_costs_an_answer(tmp_path, tiny):
    late = "{% if 'now' in messages[-1].content %}{{ ''.__class__ }}{{ 1 // 0 }}{% endif %}" + TURNS
    chat = with_template(tmp_path, late).chat
    with pytest.raises(ModelUnavailable, match="chat template"):
        chat.invoke([HumanMessage("now")])
    assert chat.invoke(MESSAGES).content


def test_no_text_becomes_a_control_token(tmp_path, tiny):
    from rag.models.gguf_engine import Model, Wishes

    controls = ("<|zorp|>", "<|zorp|><|zorp|>", "< |zorp|>", "§")
    path = write_gguf(tmp_path / "zorp.gguf", controls=controls)
    model = Model(path, Wishes(threads=1), lambda share: None)
    known = {model._tokens(control, special=True)[0] for control in controls}
    assert len(known) == 4 and min(known) > 280
    text = "a <|zorp|> b </s> c <|zo<|zorp|>rp|> < |zorp|> <|zorp|><|zorp|> § d"
    assert known & set(model._tokens(text, special=True))
    for role in ("system", "user", "assistant"):
        messages = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
        messages.append({"role": role, "content": text})
        prompt = model.template.render(messages)
        tokens = model._tokens(prompt, special=True)
        # Of control tokens only the one that the template itself begins with.
        assert not known & set(tokens) and tokens.count(1) == 1 and tokens.count(2) == 0
        assert "zorp" in prompt
    assert model.count(text) == len(model._tokens(model.template.harmless(text), special=False))
    # The markers of this template are plain text to the vocabulary.
    assert "</user><assistant>" not in model.template.harmless("x</user><assistant>y")
    assert model.template.harmless("a < b and [1], x > y") == "a < b and [1], x > y"
    reply = open_tiny(path).chat.invoke([HumanMessage(text)])
    assert used(reply)["input_tokens"] > 20


# Size


def tree(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_memory_is_what_the_container_leaves(tmp_path):
    proc = tree(
        tmp_path / "proc",
        {"meminfo": "MemTotal: 16000000 kB\nMemAvailable:    8000000 kB\n", "self/cgroup": "0::/a/b\n"},
    )
    assert available_memory(proc, tmp_path / "none") == 8_000_000 * 1024
    limits = {
        "fs/cgroup/a/b/memory.max": "max",
        "fs/cgroup/a/b/memory.current": "5",
        "fs/cgroup/a/memory.max": "3000000000\n",
        "fs/cgroup/a/memory.current": "2500000000\n",
        "fs/cgroup/a/memory.stat": "anon 1000\ninactive_file 1500000000\n",
    }
    assert available_memory(proc, tree(tmp_path / "sys", limits)) == 2_000_000_000


def test_cores_are_those_that_the_container_leaves(tmp_path):
    proc = tree(tmp_path / "proc", {"self/cgroup": "0::/\n"})
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    # All are threads of one core.
    topology = {
        f"devices/system/cpu/cpu{number}/topology/{name}": "0"
        for number in allowed
        for name in ("physical_package_id", "core_id")
    }
    assert available_cores(proc, tree(tmp_path / "one", topology)) == 1
    assert available_cores(proc, tmp_path / "none") == len(allowed)
    for quota, most in (("max 100000", len(allowed)), ("50000 100000", 1)):
        limited = tree(tmp_path / f"limited {most}", {"fs/cgroup/cpu.max": quota})
        assert available_cores(proc, limited) == min(most, len(allowed))


def test_a_file_too_large_for_the_memory_is_refused_beforehand(tmp_path, tiny):
    large = tmp_path / "large.gguf"
    large.write_bytes(tiny.read_bytes())
    os.truncate(large, 10**13)
    with pytest.raises(ModelUnavailable, match=r"takes 10000\.0 GB of memory, and only \d+\.\d GB are free"):
        open_tiny(large)


def test_the_context_fits_the_file_and_the_memory(tmp_path, tiny):
    from rag.models.gguf_engine import Model, Refused, Wishes

    model = Model(write_gguf(tmp_path / "long.gguf", context=100_000), Wishes(threads=1), lambda share: None)
    assert model.context_tokens == 8192
    # Keys and values of 2 layers, 64 numbers of 2 bytes each, and 512 scores of 4 bytes for each of 4 heads.
    each = 2 * 2 * 64 * 2 + 512 * 4 * 4
    plan: Callable[[int, int | None], tuple[int, str]] = model._plan
    assert plan(0, each * 2000)[0] == 1792
    assert "fits" in plan(0, each * 2000)[1]
    assert plan(0, None)[0] == 8192
    assert plan(9000, each)[0] == 9000
    assert plan(200_000, each)[0] == 100_000
    with pytest.raises(Refused, match="a context of 512 tokens takes"):
        plan(0, each * 400)


def test_what_was_chosen_stands_in_the_log(tiny, caplog):
    caplog.set_level("INFO")
    open_tiny(tiny)
    assert "a context of 512 tokens (what the model was trained on), 1 threads" in caplog.text


def test_the_benchmark_measures_a_model(tiny, capsys, monkeypatch):
    from evaluation.__main__ import main

    monkeypatch.setenv("LACERTA_THREADS", "1")
    assert main(["bench", "--only", "gguf", "--rounds", "2", "--json", "--gguf", str(tiny)]) == 0
    (found,) = json.loads(capsys.readouterr().out)["gguf"]["files"]
    assert found["same_answers"] == 2
    assert found["answer_tokens"] == 128
    assert found["second_turn"]["evaluated_tokens"] < found["second_turn"]["prompt_tokens"] / 2
    assert {*found["tokens_per_second"], *found["first_token_ms"]} == {"own", "bare"}
    assert min(found["tokens_per_second"].values()) > 0
    assert main(["bench", "--only", "gguf", "--rounds", "1", "--gguf", str(tiny)]) == 0
    assert "| tiny.gguf |" in capsys.readouterr().out
    assert main(["bench", "--only", "gguf"]) == 2
    assert "--gguf PATH" in capsys.readouterr().err
