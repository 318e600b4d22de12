"""Runs made by hand for tests of the report: one of everything that can go wrong, and texts that want to break out."""

from dataclasses import replace
from typing import Any

from evaluation.outcome import CitedPlace, Outcome, Ranked, Run, Said, SaidSentence, ShownPassage
from evaluation.questions import GoldQuestion, GoldSource

HOSTILE = (
    '</script><script>document.title="broken"</script><img src=x onerror=document.title="broken">'
    ' "><svg onload=document.title="broken"> [link](javascript:alert(1)) ![p](http://example.invalid/p.png)'
    " <a href='http://example.invalid/'>x</a> @somebody #1 http://example.invalid/auto | cell ``` `code` {{ 7 * 7 }}"
    " \u202eturned\u202c \u2028line\u2029 \x00null\x00 \u200bhidden $\\frac$ 한국어 árvíztűrő " + "w" * 3000
)
PASSAGE = "White storks leave for Africa in August.\n\nThey come back in March, and nest on chimneys."


def said(text: str = "White storks leave in August. [1]", answered: bool = True, **fields: Any) -> Said:
    """An answer out of `PASSAGE`, or a refusal."""
    quote = "White storks leave for Africa in August."
    whole = Said(
        text=text,
        answered=answered,
        language="en",
        model="extractive" if answered else "",
        sentences=(SaidSentence(text, (1,), True),) if answered else (),
        citations=(CitedPlace(1, "stork.md", 2, quote),) if answered else (),
        passages=(ShownPassage("stork.md", "Storks", 2, 3, "en", 1.5, PASSAGE),),
        seconds={"retrieval": 0.004, "total": 0.02},
    )
    return replace(whole, **fields)


def outcome(name: str = "stork", found: tuple[Ranked, ...] = (Ranked("stork.md", 2, 3),), **fields: Any) -> Outcome:
    """A question in English about page 2 of `stork.md` that went well."""
    question = GoldQuestion(
        id=name,
        text=f"When do white storks leave? ({name})",
        language="en",
        set="birds",
        answers=("August",),
        sources=(GoldSource("stork.md", 2),),
        document_languages=("en",),
    )
    rankings = {"lexical": found[::-1], "dense": found, "fused": found}
    return replace(Outcome(question, rankings, 0.9, said()), **fields)


def unanswerable(name: str, confidence: float = 0.1, **fields: Any) -> Outcome:
    question = GoldQuestion(name, "Wer schrieb Carmen?", "en", "birds", answerable=False)
    nothing = said("I found no answer to this.", False)
    return replace(Outcome(question, {"fused": (Ranked("owl.md", 1, 1),)}, confidence, nothing), **fields)


def korean(name: str = "korean") -> Outcome:
    usual = outcome(name)
    question = replace(usual.question, text="황새는 언제 떠나나요?", language="ko", answers=("8월",))
    return replace(usual, question=question)


def hostile(name: str = "hostile") -> Outcome:
    """Everything that comes from outside tries to break out."""
    usual = outcome(name)
    question = replace(usual.question, text=HOSTILE, answers=(HOSTILE,), id=f"{name} {HOSTILE[:60]}")
    place = f"javascript:alert(1)//{HOSTILE[:200]}"
    passage = ShownPassage(place, HOSTILE, 1, 1, '"><script>', 1.0, HOSTILE)
    answer = said(HOSTILE, language='en" onclick="x', model=HOSTILE, notices=(HOSTILE,), passages=(passage,))
    answer = replace(answer, citations=(CitedPlace(1, place, 1, HOSTILE),))
    ranked = (Ranked(place, 1, 1),)
    return replace(
        usual, question=question, rankings={"fused": ranked, "dense": ranked, "lexical": ranked}, said=answer
    )


def run(*outcomes: Outcome, name: str = "birds", **fields: Any) -> Run:
    whole = Run(
        set=name,
        outcomes=outcomes,
        settings={"refuse_below": 0.2, "models": ["extractive"], "embedder": "balanced", "passages": 6},
        revision="0123456789ab",
        index_version="20260101T000000000000Z",
        machine={"system": "Linux", "processor": "made up", "cores": 2},
        time="2026-01-01T00:00:00+00:00",
        seconds=1.0,
    )
    return replace(whole, **fields)


def many() -> Run:
    """One of every kind of fault, the other languages, and what went well."""
    elsewhere, other_page = (Ranked("owl.md", 1, 1),), (Ranked("stork.md", 7, 7),)
    unsupported = said(sentences=(SaidSentence("Storks eat stones.", (1,), False),))
    foreign = said("A fehér gólyák augusztusban indulnak el Afrikába, és márciusban térnek vissza. [1]")
    return run(
        outcome("good"),
        outcome("failed", said=None, failure="model"),
        unanswerable("wrongly answered", 0.8, said=said()),
        unanswerable("refused"),
        outcome("not found", elsewhere),
        outcome("wrongly refused", said=said("I found no answer to this.", False), confidence=0.1),
        outcome("wrong page", other_page),
        outcome("not answered", said=said("Owls are awake at night.", citations=(CitedPlace(1, "owl.md", 1, "Owls"),))),
        outcome("unsupported", said=unsupported),
        outcome("wrong language", said=foreign),
        korean(),
        hostile(),
    )
