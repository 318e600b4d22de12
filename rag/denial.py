"""How a model says that the passages hold no answer: by the agreed word, or in its own words. Knows no documents."""

import re

from rag.text import flatten, sentence_spans
from rag.untrusted import NO_ANSWER

# A reply that begins like this says that there is none, whatever explanation follows.
_BEGINS = re.compile(rf"[\W_]{{0,10}}{NO_ANSWER}\b", re.IGNORECASE)
_LATER = re.compile(rf"\s{{0,20}}[\"'*_`(\[]{{0,10}}\b{NO_ANSWER}\b[\"'*_`)\].]{{0,10}}")
_CITED = re.compile(r"[\[【]\s*\d")
# At most so many sentences are a reply of the kind "The passages do not say that."
_SENTENCES = 2
# "The documents need not be handed in" is an answer: what is denied is that the documents say something.
_DENIES = re.compile(
    r"\b(?:passages?|documents?|sources?|excerpts?|texts?|context)\b[^.]{0,40}"
    r"(?:\b(?:do|does|did) not|\b(?:do|does|did)n['’]t|\bcannot|\bnever) (?:\w+ )?"
    r"(?:contain|mention|state|say|specify|provide|include|give|tell|answer|discuss|address|cover|indicate)\b"
    r"|\b(?:no|not enough) (?:\w+ )?(?:information|answer|mention)\b[^.]{0,60}"
    r"\b(?:in|from|by) (?:the|these|those|any)(?: \w+)? (?:passages?|documents?|sources?|excerpts?|texts?|context)\b"
    r"|(?:\bnot|n['’]t) (?:\w+ )?(?:mentioned|stated|given|found|specified|contained|provided|available|covered) "
    r"(?:in|by) (?:the|these|those|any)(?: \w+)? (?:passages?|documents?|sources?|excerpts?|texts?|context)\b"
    r"|\b(?:szövegrész|dokumentum|forrás|részlet)(?:ek|ok)?(?:b[ae]n|b[óő]l)?\b[^.]{0,40}"
    r"\b(?:nem (?:tartalmaz\w*|szerepel\w*|található\w*|említ\w*|derül\w* ki|ad\w* választ|közöl\w*|tér\w* ki|szól\w*)"
    r"|nincs(?:enek)?\b[^.]{0,40}\b(?:információ|adat|válasz|utalás|szó)\w*)"
    r"|\bnem (?:tartalmaz\w*|szerepel\w*|található\w*|derül\w* ki|említ\w*)\b[^.]{0,60}"
    r"\b(?:szövegrész|dokumentum|forrás|részlet)(?:ek|ok)?(?:b[ae]n|b[óő]l)\b"
    r"|\bnincs(?:enek)? (?:\w+ ){0,3}(?:információ|adat|válasz|utalás|szó)\w*[^.]{0,60}"
    r"\b(?:szövegrész|dokumentum|forrás|részlet)(?:ek|ok)?(?:b[ae]n|b[óő]l)\b"
    r"|(?:발췌문|문서|본문|자료|출처|지문)(?:들)?(?:에는|에서는|에서|에|은|는|만으로는|의)\s[^.]{0,60}"
    r"(?:(?<!필요가 )(?<!필요는 )없(?:습니다|다|음|어)|찾을 수 없|알 수 없|나와 있지|나오지|다루지"
    r"|(?:언급|포함|명시|설명|제공|기재)(?:되어 있지|돼 있지|되지|하고 있지|하지))",
    re.IGNORECASE,
)


def denies(sentence: str) -> bool:
    """Whether a sentence says that the documents do not say something."""
    return bool(_DENIES.search(sentence))


def says_the_word(text: str) -> bool:
    """Whether a reply begins with the agreed word for no answer, however it is dressed up."""
    return bool(_BEGINS.match(text))


def declines(text: str) -> bool:
    """Whether a model's reply says that the passages hold no answer: by the agreed word, or in a sentence or two."""
    if says_the_word(text):
        return True
    reply = flatten(_LATER.sub("", text))
    if not reply:
        return bool(text.strip())
    spans = sentence_spans(reply)
    # What is cited is an answer: "The documents do not include a contract [2]."
    return len(spans) <= _SENTENCES and not _CITED.search(reply) and denies(reply[slice(*spans[0])])


def without_the_word(text: str) -> str:
    """An answer without the agreed word for none, which has no place behind an answer."""
    return _LATER.sub("", text)
