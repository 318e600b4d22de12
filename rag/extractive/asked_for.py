"""What a question asks for, a date, a length of time, a price, a reason, and whether a sentence has such a thing.

By words of English, Hungarian and Korean. Knows nothing of passages or of what the question is about.
"""

import re
from dataclasses import dataclass

from rag.text import fold

_MONTHS = (
    "january|february|march|april|june|july|august|september|october|november|december"
    "|januar|februar|marcius|aprilis|majus|junius|julius|augusztus|szeptember|oktober|november|december"
)
_NUMBER_WORDS = (
    "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|hundred|thousand|million|billion|dozen|once|twice"
    "|egy|ket|ketto|harom|negy|ot|hat|het|nyolc|kilenc|tiz|husz|szaz|ezer"
)
_DIGIT = re.compile(r"\d")
# Each with what a question says (folded text), and what a sentence that answers it contains.
_KINDS = (
    (  # a point in time
        re.compile(
            r"\b(?:when|(?:what|which) (?:year|date|month|day|century|decade)|deadline|mikor\w*|meddig|mettol"
            r"|hatarido\w*|melyik (?:ev|nap|honap)\w*)\b|언제|기한|날짜|연도|몇 년|며칠"
        ),
        re.compile(
            r"\b(?:1\d|20)\d\d\b|\d{3,4}\s?년|\d\s?월|\b\d{1,2}[./]\s?\d{1,2}\b|\d(?:st|nd|rd|th) century|\d\s?세기"
            rf"|\b(?:within|belul)\b|이내|\b(?:{_MONTHS})|\bmay \d|\d may\b"
        ),
    ),
    (  # a length of time
        re.compile(
            r"\b(?:how long|how much time|duration|mennyi ideig|mennyi ido\w*|meddig tart|milyen hosszu|idotartam\w*"
            r"|hany (?:het|nap|ora|honap|ev|perc)\w*|how many (?:seconds|minutes|hours|days|weeks|months|years))\b"
            r"|얼마 동안|얼마나 (?:걸|오래)|기간|몇 (?:주|일|시간|개월|달|년|분)|며칠"
        ),
        re.compile(
            rf"(?:\d|\b(?:one|{_NUMBER_WORDS}))"
            r"[\s-]?(?:seconds?|minutes?|hours?|days?|weeks?|months?|years?|masodperc|perc|ora|nap|munkanap|het|honap|ev)\w*\b"
            r"|\d\s?(?:초|분|시간|일|주|개월|년)"
        ),
    ),
    (  # a size or a distance
        re.compile(
            r"\b(?:how (?:wide|tall|far|high|deep|thick)|diameter|distance|height|aperture|altitude"
            r"|milyen (?:messze|magas|vastag\w*)|atmero\w*|tavolsag\w*|magassag\w*|vastagsag\w*)\b"
            r"|지름|직경|구경|거리|높이|두께|얼마나 (?:멀|높)"
        ),
        re.compile(
            r"\d\s?(?:(?:[kcmµμn]?m|au|k?pc|ly|light[ -]years?|miles?|feet|(?:kilo|centi|milli)?met(?:er|re)s?"
            r"|fenyev\w*)(?![a-z/])|미터|광년|킬로미터)"
        ),
    ),
    (  # a mass
        re.compile(r"\b(?:how (?:heavy|massive)|mass|weigh\w*|milyen nehez|tomeg\w*|suly\w*)\b|질량|무게|얼마나 무거"),
        re.compile(r"\d\s?(?:(?:k?g|t|tonn\w*|tons?|pounds?)(?![a-z])|톤|킬로그램)"),
    ),
    (  # a temperature
        re.compile(
            r"\b(?:how (?:hot|cold)|temperature|milyen (?:meleg|hideg)|homerseklet\w*)\b|온도|기온|얼마나 (?:뜨거|차가)"
        ),
        re.compile(r"\d\s?(?:k(?![a-z])|°|degrees?|fok\w*|도)"),
    ),
    (  # another measured quantity
        re.compile(
            r"\b(?:how (?:large|big|fast|bright)|mekkora|milyen (?:nagy|gyors))\b|크기|속도|얼마나 (?:크|큰|빠)"
        ),
        re.compile(
            r"\d\s?(?:(?:[kcmµμn]?m|k?g|t|tonnes?|[gm]b|au|k?pc|ly|k|km/s|light[ -]years?|miles?|feet|per ?cent)"
            r"(?![a-z])|[%°]|미터|톤|광년|도|킬로)"
        ),
    ),
    (  # money
        re.compile(
            r"\b(?:how much (?:money|does|do|did|is|are|was)|costs?|price|fee|salary|wages?|paid|pay"
            r"|mennyibe|dij\w*|ber\w*|fizet\w*)\b|비용|요금|가격|급여|수당|임금|얼마를 받"
        ),
        re.compile(
            r"[€$£₩]\s?\d|\d\s?(?:(?:ft|forint\w*|eur|euro\w*|usd|dollar\w*|won)(?![a-z])|원|유로|달러)|\(ft\): \d"
        ),
    ),
    (  # a reason
        re.compile(
            r"\b(?:why|what (?:caused|(?:was|is) the (?:cause|reason))|miert|mi (?:volt )?az oka\w*|mi okoz\w*)\b"
            r"|왜|이유|원인"
        ),
        re.compile(
            r"\b(?:because|since (?!\d)|due to|owing to|reasons?|caused?|causes|so that|in order to|as a result|led to"
            r"|mert|mivel|ugyanis|miatt|ok(?:a|bol|ozta)|azert|kovetkezteben|erdekeben|hiszen)\b"
            r"|때문|원인|이유|위해|위하여|바람에|인해"
        ),
    ),
)
_NUMBER = re.compile(
    r"\b(?:when|(?:what|which) (?:year|date|time|value|number|percentage)|deadline|frequenc\w*"
    r"|how (?:many|much|long|far|old|big|large|high|tall|wide|deep|thick|fast|often|heavy|hot|cold)"
    r"|mikor\w*|meddig|mettol|mennyi\w*|hany\w*|hatarido\w*|mekkora|ertek\w*"
    r"|milyen (?:hosszu|magas|messze|nagy|gyors|vastag\w*))\b"
    r"|언제|몇|얼마|며칠|기한|날짜|연도|값은",
)
# How many there are of something may be said in words.
_COUNT = re.compile(r"\b(?:how many|how often|hany\w*)\b|몇")
_COUNTED = re.compile(rf"\b(?:one|{_NUMBER_WORDS})\b|(?:^|\s)(?:한|두|세|네|다섯|여섯|일곱|여덟|아홉|열) ")

# What is measured, said before it is named: no word of the topic.
_MEASURE = re.compile(
    r"\bhow (?:long|far|old|big|large|high|tall|wide|deep|thick|fast|often|heavy|hot|cold|massive|bright)\b"
    r"|\bmilyen (?:hosszú|nagy|messze|magas|nehéz|gyors|vastag|meleg|hideg)\w*|\bmennyi (?:ideig|idő\w*)"
    r"|얼마나 (?:오래|많이|자주|크|큰|멀|무거|높|빠)\w*|얼마 동안",
    re.IGNORECASE,
)
_EXPLANATION = re.compile(
    r"\b(?:why|how (?:do|does|did|can|could|should|is|are|was|were|to)|purpose|explain|describe|miert|hogyan|hogy lehet"
    r"|mit jelent|mi a cel\w*)\b|왜|어떻게|목적|설명|이유"
)


@dataclass(frozen=True, slots=True)
class AskedFor:
    """What a question asks for: a number at all, one that may stand in words, a number of certain kinds.

    `explanation` is whether it asks for what no table says: why or how.
    """

    number: bool
    count: bool
    explanation: bool
    answers: tuple[re.Pattern[str], ...]

    @classmethod
    def by(cls, question: str) -> "AskedFor":
        """Reads a question in any of the languages."""
        folded = fold(question)
        return cls(
            bool(_NUMBER.search(folded)),
            bool(_COUNT.search(folded)),
            bool(_EXPLANATION.search(folded)),
            tuple(answers for asks, answers in _KINDS if asks.search(folded)),
        )

    def number_in(self, text: str) -> bool:
        """Whether a number is asked for and a text has one."""
        if not self.number:
            return False
        return bool(_DIGIT.search(text)) or (self.count and bool(_COUNTED.search(fold(text))))

    def kind_in(self, text: str) -> bool:
        """Whether a text has a thing of a kind that is asked for."""
        folded = fold(text) if self.answers else ""
        return any(answers.search(folded) for answers in self.answers)


def without_measure(question: str) -> str:
    """A question without the words that say what of its topic is to be measured: "how long", "milyen magas"."""
    return _MEASURE.sub(" ", question)
