"""Prompts never take more tokens than a model has, whatever goes into them, by the model's own count."""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk, BaseMessage

from rag.models import estimate_tokens, open_model
from rag.prompt import ContextTooSmall, Past, Prompt, build_condense, build_messages, firmer
from rag.prompt.templates import load_prompts
from rag.settings import LANGUAGES, ROOT, Settings
from rag.types import Chunk, Hit, Term, Turn
from tests.doubles import write_gguf

PROMPTS = load_prompts(ROOT / "prompts")
ROLES = {"system": "system", "human": "user", "ai": "assistant"}
Count = Callable[[str], int]


@pytest.fixture(scope="module")
def byte_pairs() -> Count:
    """A byte-pair tokenizer as current models have one, trained on the prompts: its tokens reach over several words'
    parts, and those of a text are not the sum of its parts'.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=800, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator((path.read_text("utf-8") for path in (ROOT / "prompts").rglob("*.md")), trainer)
    return lambda text: len(tokenizer.encode(text).ids)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory):
    """A real GGUF model with the tokenizer that costs most, nearly a token a byte."""
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed: make extra EXTRA=gguf")
    pytest.importorskip("gguf", reason="gguf, which writes the test's model, is not installed: make extra EXTRA=gguf")
    path = write_gguf(tmp_path_factory.mktemp("models") / "tiny.gguf", context=8192)
    settings = replace(Settings(), threads=1, answer_tokens=16, context_tokens=8192)
    model = open_model(f"gguf:{path}", settings)
    yield model
    model.chat.close()  # type: ignore[attr-defined]


def rendered(messages: Sequence[BaseMessage]) -> str:
    """The messages in the chat template of the tiny model."""
    turns = [f"<{ROLES[message.type]}>{message.text}</{ROLES[message.type]}>" for message in messages]
    return "".join(turns) + "<assistant>"


def make_hit(
    number: int, text: str, title: str = "Guide", headings: tuple[str, ...] = ("Rules",), language="en"
) -> Hit:
    return Hit(Chunk(f"c{number}", "d", title, "guide.pdf", language, 2, 3, 0, len(text), headings, text), 1.0)


def build(count: Count, budget: int, language: str = "en", **parts) -> Prompt:
    given: dict[str, Any] = {
        "title": "Guide",
        "question": "How long?",
        "hits": [make_hit(1, "Six weeks. " * 40)],
        "terms": (),
    }
    given |= {"history": (), "past": None} | parts
    return build_messages(
        PROMPTS[language],
        given["title"],
        given["question"],
        given["hits"],
        given["terms"],
        given["history"],
        count,
        budget,
        given["past"],
    )


HUGE = "word " * 200_000
EXTREMES: dict[str, dict] = {
    "question": {"question": "why " * 300},
    "passages": {"hits": [make_hit(number, HUGE) for number in range(1, 9)]},
    "one long word": {"hits": [make_hit(1, "x" * 300_000)]},
    "Korean passages": {
        "hits": [make_hit(number, "우주 망원경의 주경은 " * 2000, language="ko") for number in range(5)]
    },
    "titles": {"title": "Title " * 5000, "hits": [make_hit(1, "text " * 500, title="A long title " * 5000)]},
    "headings": {"hits": [make_hit(1, "text " * 500, headings=("Heading " * 5000,) * 300)]},
    "terms": {
        "terms": [Term({"en": (f"term {n} " * 9,), "ko": (f"용어 {n} " * 9,)}) for n in range(500)],
        "language": "ko",
    },
    "huge terms": {"terms": [Term({"en": (HUGE,), "ko": (f"용어 {n}",)}) for n in range(50)], "language": "ko"},
    "turns": {"history": [Turn(role, f"turn {n} " * 20) for n in range(500) for role in ("user", "assistant")]},
    "a giant turn": {"history": [Turn("user", HUGE), Turn("assistant", HUGE)]},
    "control tokens": {"hits": [make_hit(1, "</passage><|im_end|>[INST]" * 5000)], "question": "<s>" * 200},
    "everything": {
        "title": "Title " * 500,
        "question": "why " * 100,
        "hits": [make_hit(n, HUGE, title=HUGE, headings=(HUGE,) * 20) for n in range(9)],
        "terms": [Term({"en": (f"term {n}",), "ko": (f"용어 {n}",)}) for n in range(500)],
        "history": [Turn(role, HUGE) for _ in range(20) for role in ("user", "assistant")],
    },
}


@pytest.mark.parametrize("name", EXTREMES)
def test_every_part_at_its_limit_stays_within_the_estimate(name):
    for budget in (0, 100, 700, 1100, 2000, 3500, 8000):
        check(estimate_tokens, budget, **EXTREMES[name])


@pytest.mark.parametrize("name", EXTREMES)
def test_every_part_at_its_limit_stays_within_a_gguf_model(name, tiny):
    for budget in (1500, 3000, tiny.budget):
        check(tiny.count_tokens, budget, **EXTREMES[name])


def check(count: Count, budget: int, **parts) -> Prompt | None:
    try:
        prompt = build(count, budget, **parts)
    except ContextTooSmall:
        return None
    messages = firmer(prompt, PROMPTS[parts.get("language", "en")])
    assert count(rendered(messages)) + 1 <= budget
    return prompt


def test_a_model_s_own_count_is_within_its_budget(tiny):
    prompt = build(tiny.count_tokens, tiny.budget, **EXTREMES["everything"])
    assert prompt.passages
    chunks: list[AIMessageChunk] = list(tiny.chat.stream(prompt.messages))
    usage = [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata][-1]
    assert tiny.budget * 0.8 < usage["input_tokens"] <= tiny.budget


def test_a_second_question_has_only_what_is_new_evaluated(tiny):
    def computed(messages: Sequence[BaseMessage]) -> tuple[str, int, int]:
        """The reply, the tokens of the prompt and those of them that were evaluated."""
        chunks: list[AIMessageChunk] = list(tiny.chat.stream(list(messages)))
        reply = "".join(str(chunk.text) for chunk in chunks)
        usage = [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata][-1]
        return reply, usage["input_tokens"], chunks[-1].response_metadata["evaluated_tokens"]

    first = build(tiny.count_tokens, tiny.budget, hits=[make_hit(n, f"passage {n} " * 60) for n in range(1, 4)])
    reply, size, evaluated = computed(first.messages)
    assert evaluated > size * 0.9
    past = Past(tuple(first.messages), first.passages, reply)
    history = [Turn("user", "How long?"), Turn("assistant", reply)]
    whole = build_condense(PROMPTS["en"], "Guide", "In winter?", history, tiny.count_tokens, tiny.budget, past)
    _, size, evaluated = computed(whole)
    assert evaluated < tiny.count_tokens(str(whole[-1].text)) + 200 < size / 3
    second = build(tiny.count_tokens, tiny.budget, hits=[*first.passages[:2], make_hit(9, "new " * 50)], past=past)
    _, size, evaluated = computed(second.messages)
    assert evaluated < tiny.count_tokens(str(second.messages[-1].text)) + 200 < size / 3


def test_a_question_comes_before_everything():
    question = "Why " * 300 + "so?"
    prompt = build(estimate_tokens, 1500, question=question, hits=[make_hit(1, HUGE)], history=[Turn("user", HUGE)])
    assert question in prompt.messages[-1].text
    with pytest.raises(ContextTooSmall, match="LACERTA_CONTEXT_TOKENS"):
        build(estimate_tokens, 800, question=question)


def test_without_room_for_a_useful_passage_no_model_is_asked():
    bare = build(estimate_tokens, 5000, hits=())
    needed = sum(estimate_tokens(str(message.text)) for message in bare.messages) + 150
    with pytest.raises(ContextTooSmall):
        build(estimate_tokens, needed)
    cut = build(estimate_tokens, needed + 150)
    assert cut.passages and "…\n</passage>" in cut.messages[-1].text


def test_the_first_passage_comes_before_terms_and_terms_before_more_passages():
    terms = [Term({"en": (f"term number {n}",), "ko": (f"용어 {n}번",)}) for n in range(10)]
    hits = [make_hit(n, f"passage {n} " * 60) for n in range(1, 6)]
    history = [Turn("user", "How long? " * 5), Turn("assistant", "Six weeks. " * 5)]
    seen: list[tuple[int, int, int]] = []
    for budget in range(600, 4000, 20):
        try:
            prompt = build(estimate_tokens, budget, "ko", terms=terms, hits=hits, history=history)
        except ContextTooSmall:
            assert not seen
            continue
        text = prompt.messages[-1].text
        listed = text.count("용어 ")
        # The terms take an eighth of what the first passage leaves, at most.
        assert listed == 0 or "passage 1 " * 59 in text
        seen.append((len(prompt.passages), listed, len(prompt.messages)))
    assert seen[0] == (1, 0, 2) and seen[-1] == (5, 10, 4)
    assert any(passages < 5 and listed == 10 for passages, listed, _ in seen)
    for passages in zip([passages for passages, _, _ in seen], [passages for passages, _, _ in seen[1:]], strict=False):
        # More room never means less, but for a passage that more terms may cost.
        assert passages[1] >= passages[0] - 1


def test_titles_and_headings_cost_no_more_than_a_line():
    hits = [make_hit(1, "The text. " * 20, title="T" * 100_000, headings=("H" * 100_000,) * 50)]
    text = build(estimate_tokens, 2000, hits=hits).messages[-1].text
    assert "The text. " * 19 in text and len(text) < 700


def test_a_giant_turn_is_cut_and_does_not_cost_the_turns_around_it():
    history = [Turn("user", "First?"), Turn("assistant", HUGE), Turn("user", "Second?"), Turn("assistant", "Yes.")]
    texts = [message.text for message in build(estimate_tokens, 4000, history=history).messages]
    assert texts[1] == "First?" and texts[2].endswith("word…") and len(texts[2]) <= 2000
    assert texts[3:5] == ["Second?", "Yes."]


def test_a_past_that_nearly_fills_the_budget(byte_pairs):
    hits = [make_hit(n, f"passage {n} " * 60) for n in range(1, 4)]
    first = build(byte_pairs, 5000, hits=hits)
    past = Past(tuple(first.messages), first.passages, "It lasts six weeks [1].")
    history = [Turn("user", "How long?"), Turn("assistant", "It lasts six weeks [1].")]
    new = [make_hit(9, "another passage " * 40)]
    kept = made_anew = 0
    for budget in range(600, 4000, 20):
        try:
            prompt = build(byte_pairs, budget, hits=new, history=history, past=past)
        except ContextTooSmall:
            continue
        assert byte_pairs(rendered(firmer(prompt, PROMPTS["en"]))) <= budget
        kept += prompt.messages[: len(first.messages)] == first.messages
        made_anew += 'passage number="1"' in prompt.messages[-1].text
        assert prompt.passages[-1].chunk.id == "c9"
    assert kept > 20 and made_anew > 20


# Property: whatever comes, a prompt is within its budget and well formed, or there is none for a good reason.

WORDS = (
    "the mirror is made of beryllium a szakmai gyakorlat időtartama 주경은 육각형 조각으로 이루어져 있습니다 [1] [2,3]"
    " </passage> <|im_end|> 6.5 2021-12-25 km/s Δv \n \n\n\n \f $question $$ {x} “quote” „idézet” <b> 🚀 x" + "y" * 400
).split(" ")


def any_text(chance: random.Random, most: int) -> str:
    length = int(most ** chance.random())
    return " ".join(chance.choices(WORDS, k=max(length // 6, 1)))[:length]


def any_parts(chance: random.Random) -> dict:
    hits = [
        make_hit(
            number,
            any_text(chance, 20_000) or "x",
            any_text(chance, 2000),
            tuple(any_text(chance, 1000) for _ in range(chance.randrange(6))),
            chance.choice([*LANGUAGES, "other"]),
        )
        for number in range(chance.randrange(9))
    ]
    terms = [
        Term({language: (any_text(chance, 300),) for language in LANGUAGES if chance.random() < 0.8})
        for _ in range(chance.randrange(30))
    ]
    history = [
        Turn(chance.choice(["user", "assistant", "user", "assistant", "system"]), any_text(chance, 8000))
        for _ in range(chance.randrange(40))
    ]
    return {
        "title": any_text(chance, 1000),
        "question": any_text(chance, 1500).strip() or "x",
        "hits": hits,
        "terms": terms,
        "history": history,
        "language": chance.choice(LANGUAGES),
    }


def well_formed(prompt: Prompt, parts: dict) -> None:
    types = [message.type for message in prompt.messages]
    assert types == ["system", *["human", "ai"] * ((len(types) - 2) // 2), "human"]
    assert all(message.text.strip() for message in prompt.messages)
    text = "\n".join(str(message.text) for message in prompt.messages if message.type != "ai")
    numbers = [int(number) for number in re.findall(r'^<passage number="(\d+)" ', text, re.M)]
    assert sorted(numbers) == list(range(1, len(prompt.passages) + 1))
    assert len(re.findall(r"</?passage", text)) == 2 * len(numbers)
    last = PROMPTS[parts["language"]].question.render(passages="", terminology="", question="?").splitlines()[-1]
    assert prompt.messages[-1].text.endswith(last)


def any_case(chance: random.Random, count: Count, budget: int) -> str:
    parts = any_parts(chance)
    prompt = None
    try:
        prompt = build(count, budget, **parts)
        outcome = "anew"
        if prompt.passages and chance.random() < 0.5:
            past = Past(tuple(prompt.messages), prompt.passages, any_text(chance, 1500).strip() or "x")
            more = any_parts(chance) | {"language": parts["language"], "title": parts["title"], "past": past}
            more["hits"] = [replace(hit, chunk=replace(hit.chunk, id=f"n{hit.chunk.id}")) for hit in more["hits"]]
            more["hits"] = chance.sample([*more["hits"], *prompt.passages], len(more["hits"]))
            again = build(count, budget, **more)
            outcome = "continued" if len(again.messages) > len(prompt.messages) else outcome
            prompt, parts = again, more
    except ContextTooSmall:
        outcome = "too small"
        # A passage of a few hundred characters, the question and the instructions do not fit, then.
        if prompt is None:
            small = [replace(hit, chunk=replace(hit.chunk, text=hit.chunk.text[:300])) for hit in parts["hits"][:1]]
            needed = build(count, 100_000, **parts | {"hits": small, "history": (), "terms": ()})
            assert count(rendered(needed.messages)) + 250 > budget
    if prompt is not None:
        well_formed(prompt, parts)
        assert count(rendered(firmer(prompt, PROMPTS[parts["language"]]))) + 1 <= budget
    prompts = PROMPTS[parts["language"]]
    try:
        messages = build_condense(prompts, "Guide", parts["question"], parts["history"], count, budget)
        assert count(rendered(messages)) <= budget
    except ContextTooSmall:
        # It asks for less than an answer does: the question and two short instructions.
        bare = prompts.system.render(domain=parts["title"], no_answer="") + prompts.condense.render(question="")
        assert count(bare) + count(parts["question"]) + 250 > budget
    return outcome


def test_any_prompt_is_within_an_estimated_budget():
    chance = random.Random(20)
    outcomes = [any_case(chance, estimate_tokens, int(300 * 40 ** chance.random())) for _ in range(80)]
    assert all(outcomes.count(kind) > 3 for kind in ("anew", "continued", "too small"))


def test_any_prompt_is_within_the_budget_of_a_byte_pair_tokenizer(byte_pairs):
    chance = random.Random(21)
    outcomes = [any_case(chance, byte_pairs, int(300 * 40 ** chance.random())) for _ in range(80)]
    assert all(outcomes.count(kind) > 3 for kind in ("anew", "continued", "too small"))


def test_any_prompt_is_within_the_budget_of_a_gguf_model(tiny):
    chance = random.Random(22)
    outcomes = [any_case(chance, tiny.count_tokens, int(900 * 9 ** chance.random())) for _ in range(60)]
    assert all(outcomes.count(kind) > 3 for kind in ("anew", "continued", "too small"))
