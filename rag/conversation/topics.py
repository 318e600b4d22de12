"""What a question is about: its words by what they carry of a topic, and its phrases. Knows nothing of other questions.

Only words of closed classes are known by list (rag/conversation/topics.toml); whatever is left carries the topic.
"""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rag.analysis import content_terms, topic_of
from rag.text import fold

WORDS = {
    language: {kind: frozenset(fold(words).split()) for kind, words in kinds.items()}
    for language, kinds in tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")).items()
}
"""The known words, folded, by language and kind."""

_TOKEN = re.compile(r"[^\W_]+(?:(?:[-–'’]|(?<=\d)[.,](?=\d))[^\W_]+)*\+?|[,;:?!.()–—]")
_HANGUL = re.compile("[가-힣]")
_RELATIVE = re.compile(r"a(?:mi|ki|mely|hol|hov|hon|meddig|mennyi|hany)")
_COMPARATIVE = re.compile(r"(?!tobb)\w{3,}bb(?:ak|at|ik|an)?")
# The words of a question that are also written in capitals: "IT" is no pronoun.
_ABBREVIATIONS = frozenset(("IT", "US", "WHO"))


@dataclass(frozen=True, slots=True)
class Word:
    """A word as typed and folded. `clause` counts the clauses from 0.

    `topic` is the word as it carries a topic, without its particle; empty where it carries none. `side` is the same for
    a word that only asks for a side of something: `heavy`, `mass`.
    """

    text: str
    folded: str
    topic: str
    side: str
    clause: int

    @property
    def numbered(self) -> bool:
        """Whether it holds a digit."""
        return any(map(str.isdigit, self.text))

    @property
    def name(self) -> bool:
        """Whether it is written as a name or a number."""
        return self.text[:1].isupper() or self.numbered


def words_in(text: str, language: str) -> list[Word]:
    """The words of a text in `en`, `hu` or `ko`."""
    words: list[Word] = []
    clause = 0
    for match in _TOKEN.finditer(text):
        written = match[0]
        if not written[0].isalnum():
            clause += 1
            continue
        folded = fold(written.replace("’", "'"))
        if words and opens_clause(folded, language):
            clause += 1
        hangul = _HANGUL.search(written)
        topic, side = _korean(written, folded) if hangul else _latin(written, folded, language)
        words.append(Word(written, folded, topic, side, clause))
    return words


def opens_clause(folded: str, language: str) -> bool:
    """Whether a word within a question begins another clause."""
    kinds = WORDS[language]
    if language == "hu":
        return folded in kinds["openers"] or correlates(folded)
    return folded in kinds.get("conjunctions", ())


def correlates(folded: str) -> bool:
    """Whether a Hungarian word opens the clause that a pronoun before it announces: `ahhoz, hogy`."""
    return folded in WORDS["hu"]["correlates"] or bool(_RELATIVE.match(folded))


def _latin(written: str, folded: str, language: str) -> tuple[str, str]:
    if any(map(str.isdigit, written)) or (language == "en" and written in _ABBREVIATIONS):
        return written, ""
    kinds = WORDS["hu" if language == "hu" else "en"]
    if folded in kinds["generic"]:
        return "", "" if folded in kinds["weak"] else written
    if any(folded in kinds[kind] for kind in kinds if kind not in ("outside", "circumstances", "things")):
        return "", ""
    if language == "hu" and _COMPARATIVE.fullmatch(folded):
        return "", ""
    return (written if topic_of(written, language) else ""), ""


PARTICLES = re.compile(
    r"(?<=[가-힣\w])(?:에서는요|에서도요|에게서는|에서는|에서도|에게는|에게도|이라면|이라도|으로는|으로도|부터는|까지는|에는요|에도요|까지요|부터요"
    r"|에서요|은요|는요|도요|이요|로도|로는|라면|에는|에도|에선|에서|에게|한테|으로|부터|까지|처럼|보다|마다|이랑|에요|하고|은|는|이|가|을|를|의|에"
    r"|도|만|로|와|과|랑|엔|요)$"
)
COPULA = re.compile(r"(?<!적)(?:인가요?|이에요|예요|입니까|인지|이죠|이란|란)$")
ASKS = re.compile(
    r"^(?:무엇|뭐|뭘|뭔|무슨|누구|누가|언제|어디|어떻게|어떤|어느|어땠|왜|얼마|얼만|몇|며칠|어때|어떨|어째서|무얼|어떠)"
)
POINTING = re.compile(
    r"^(?:그것|그거|그건|그게|그걸|그곳|그쪽|거기|거긴|그때|그땐|그분|그들|그중|그날|그해|그만큼|이것|이거|이건|이게|이걸|이곳|여기|저것|저거|저건"
    r"|당시|둘다|둘|나머지|마찬가지|걔|이들|그녀)(?:[은는이가을를의에도로와과랑만요엔들]|에는|에선|에서|보다|까지|부터|예요|이에요|인가요|입니까|죠|이죠|야)*$"
)
# A stem, what conjugates it, an ending.
_PREDICATE = re.compile(
    "^(" + "|".join(sorted(WORDS["ko"]["predicates"], key=len, reverse=True)) + ")"
    "[하했한할합해되됐된될됩돼시셨신실으었았였겠지졌진질어아여습려있없않고을]*"
    "(?:나요|가요|까요?|니까|[어아에예해려돼커져와워여]?요|죠|지요|는지|은지|세요|다|줘|니|냐|나|어|아|해|려|도|야|고|서|면|을|할|될|한|인|은|는)?$"
)


def _korean(written: str, folded: str) -> tuple[str, str]:
    kinds = WORDS["ko"]
    if folded in kinds["openers"] | kinds["determiners"] or ASKS.match(folded) or POINTING.match(folded):
        return "", ""
    bare = COPULA.sub("", written) or written
    stem = PARTICLES.sub("", bare) if bare == written else bare
    if {stem, written, PARTICLES.sub("", stem)} & kinds["generic"]:
        return "", _side(stem)
    predicate = _PREDICATE.match(folded)
    if predicate:
        return "", _side(predicate[1])
    return (stem if topic_of(written, "ko") else ""), ""


def _side(stem: str) -> str:
    return stem if len(stem) > 1 and stem not in WORDS["ko"]["weak"] else ""


@dataclass(frozen=True, slots=True)
class Phrase:
    """Neighbouring words of a question with one topic, as typed but for a particle or a hyphened ending at the end.

    `rank` is 0 for a name, 1 for a noun that is marked as one, 2 for any other word, 3 for a mere side of something.
    `marker` is the preposition, ending or particle that it came with, `when` says whether it is a time or a season,
    `terms` are its search terms.
    """

    text: str
    rank: int
    marker: str
    when: bool
    terms: frozenset[str]

    @property
    def bare_number(self) -> bool:
        """Whether it is a number or an ordinal and nothing else."""
        return bool(_NUMBER.fullmatch(self.text))


_NUMBER = re.compile(r"\d+(?:호|차|번|번째|\.|st|nd|rd|th)?")
_LONGEST_PHRASE = 4
_WHEN = re.compile(
    r"(?:january|february|march|april|may|june|july|august|september|october|november|december|(?:januar|februar|marcius"
    r"|aprilis|majus|junius|julius|augusztus|szeptember|oktober|november|december)\w{0,4}|봄|여름|가을|겨울|[봄여름가을겨울]+학기"
    r"|1?\d월|(?:1[89]|20)\d\d년?)"
)
_HUNGARIAN_MARKER = re.compile(
    r"[-–]?(b[ae]n|[nr][ae]l|t[oe]l|b[oe]l|r[oe]l|h[oe]z|[nr][ae]k?|b[ae]|[oe]?n|[oea]?t|ig|[vk][ae]l)$"
)
_KOREAN_MARKER = re.compile(r"(에서|에|으로|로|은|는|이|가|을|를|의|와|과|도|보다)(?:는|도|은)?요?$")
_KOREAN_IDLE = re.compile(r"^[가-힣]*(?:[한된던]|[졌었았였했됐났갔왔봤샀썼컸켰렸랐겼셨]나)$")
_SUBJECTS = frozenset("은는이가도")
_ENGLISH_DETERMINERS = frozenset("the a an my our your which what many of on in at for".split())
_HUNGARIAN_DETERMINERS = frozenset("a az egy hany melyik milyen mely".split())
_ATTACHED = re.compile(r"(?<=[A-Z0-9+])[-–][a-záéíóöőúüű]{1,4}$|['’]s$")
_CAPITAL_INSIDE = re.compile(r"[A-Z]{2}|[a-z][A-Z]|\d")


def phrases(text: str, language: str) -> list[Phrase]:
    """The phrases of a question in `en`, `hu` or `ko`, in order."""
    words = words_in(text, language)
    groups: list[list[int]] = []
    for place, word in enumerate(words):
        if not (word.topic or word.side):
            continue
        if (
            groups
            and groups[-1][-1] == place - 1
            and len(groups[-1]) < _LONGEST_PHRASE
            and _joins(words, place, language)
        ):
            groups[-1].append(place)
        else:
            groups.append([place])
    return [_phrase(words, group, language) for group in groups]


def _joins(words: Sequence[Word], place: int, language: str) -> bool:
    before, word = words[place - 1], words[place]
    if before.clause != word.clause or not before.topic or not word.topic:
        return False
    if language == "ko" and before.topic != before.text:
        # Something with a particle ends a phrase.
        return False
    if _when(before, language) or _when(word, language):
        return False
    return word.numbered or _is_name(words, place - 1) == _is_name(words, place)


def _is_name(words: Sequence[Word], place: int) -> bool:
    word = words[place]
    # The first word of a sentence has a capital anyway.
    return bool(_CAPITAL_INSIDE.search(word.text)) or (word.text[:1].isupper() and place > 0)


def _when(word: Word, language: str) -> bool:
    shown = fold(word.topic or word.side)
    return bool({word.folded, shown} & WORDS[language]["circumstances"]) or bool(_WHEN.fullmatch(shown))


def _phrase(words: Sequence[Word], group: Sequence[int], language: str) -> Phrase:
    first, last = words[group[0]], words[group[-1]]
    before = words[group[0] - 1].folded if group[0] else ""
    if language == "ko":
        text = " ".join(words[place].topic or words[place].side for place in group)
        match = _KOREAN_MARKER.search(last.folded)
        marker = match[1] if match else ""
        marked = bool(marker)
        marker = "는" if marker in _SUBJECTS else marker
    else:
        text = " ".join(_ATTACHED.sub("", words[place].text) for place in group)
        marked = before in (_HUNGARIAN_DETERMINERS if language == "hu" else _ENGLISH_DETERMINERS)
        if language == "hu":
            match = _HUNGARIAN_MARKER.search(last.folded)
            marker = match[1] if match else ""
        else:
            if before in ("the", "a", "an") and group[0] > 1:
                before = words[group[0] - 2].folded
            marker = before if before in WORDS["en"]["prepositions"] | {"of"} else ""
    name = any(_is_name(words, place) for place in group)
    # A Korean verb, or a counter, is no topic by itself.
    idle = language == "ko" and not marked and bool(_KOREAN_IDLE.search(text))
    rank = 3 if not first.topic or idle else 0 if name else 1 if marked and len(text) > 1 else 2
    return Phrase(text, rank, marker, _when(first, language), frozenset(content_terms(text, language)))
