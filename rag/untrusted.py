"""Text that others wrote, made fit for a prompt. Knows nothing of templates or of authors; see `plain` for answers.

What a tokenizer could read as a control token, and what a model could read as the end of a passage, is changed into
something that looks alike to a person. Tokenizers that fold compatibility characters, and models that read entities,
are reckoned with: `＜/s＞` and `&lt;/s&gt;` are treated as `</s>` is.
"""

import re
import unicodedata

from rag.text import normalise

NO_ANSWER = "NO_ANSWER"
"""What a model replies when the passages do not answer the question; no untrusted text in a prompt holds it."""

# A less-than sign as tokenizers and models read it.
_LESS = r"(?:[<＜﹤]|&(?:amp;)*(?:lt|\#0*60|\#x0*3c);?|%3c|\\u003c|\\x3c)"
# <passage>, </s>, <|im_start|>, <<SYS>>, <!--, <start_of_turn>, List<int>; but not "x < y", "<5 mg", "a<b", "<=".
_TAG = re.compile(
    rf"{_LESS}(?=\s{{0,20}}[/／!?|｜│∣ǀ¦▁{{%@#[\\]|{_LESS}|[_]|[^\W\d][^<>]{{0,200}}(?:[>＞﹥]|&(?:amp;)*gt|&\#62|%3e))"
    rf"|(?<![\w)\]]){_LESS}(?=[^\W\d])",
    re.IGNORECASE,
)
# Anything that could stand for the beginning of our own marker.
_OPENING = re.compile(
    rf"(?P<less>{_LESS}|[‹〈⟨❮❬˂ᐸ⟪«≪《「＜])(?P<slash>\s{{0,20}}\\?[/／∕⁄⧸]+)?(?=(?P<word>.{{7,60}}))",
    re.IGNORECASE | re.DOTALL,
)
_MARKER = "passage"
_LOOKS_LIKE = str.maketrans("аеорѕԍցɡαερꜱᴀᴇɢᴘ", "aeopsgggaepsaegp")
_CONTROL_WORD = re.compile(
    r"[\[［]([/／]?\s{0,3}(?:INST|SYS|SYSTEM|USER|ASSISTANT|HUMAN|TOOL|BOT|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS"
    r"|TOOL_CONTENT|MODEL_SETTINGS|THINK|ARGS|CALL_ID|[GS]?MASK|CLS|SEP|PAD|UNK|[BE]O[SDPT]|SO[SP]|IMG|IMG_BREAK|IMG_END"
    r"|(?:BEGIN_)?AUDIO|TRANSCRIBE|REF|PREFIX|SUFFIX|MIDDLE|@BOS@|multimodal|(?:control|unused|reserved)_?\d{1,5})\s{0,3})"
    r"[\]］]",
    re.IGNORECASE,
)
# An accent on a sign is nothing but a way to spell the sign otherwise.
_ACCENTED = re.compile(r"(?<=[<>\[\]|/&;#＜＞［］｜／])[\u0300-\u036f]+")
# [|user|] of EXAONE, and ]~b] with its kind.
_BARRED = re.compile(r"[\[［](?=[|｜])|(?<=[|｜])[\]］]")
_TILDES = re.compile(r"(?<=[\]\[］［])~|(?<=e)~(?=[\[［])")
# Headings that instruction-tuned models without tokens of their own take for turns.
_TURN = re.compile(
    r"^[ \t]*#{2,}[ \t]*(?=(?:instructions?|response|input|system|user|assistant|human)[ \t]*:)", re.I | re.M
)
_THE_WORD = re.compile(r"no[_＿]\s?answer", re.IGNORECASE)
# As `rag.cite` reads citations: [12], [1, 3], [^2], 【3】, [Passage 99].
_REFERENCE = re.compile(
    r"[\[【［]\s{0,9}((?:(?:passages?|sources?|szövegrész(?:ek)?|forrás|발췌문|출처)\s{0,9})?[#^]?"
    r"\d{1,3}(?:\s{0,9}[-–,;]\s{0,9}\d{1,3})*(?:†[^\[\]【】\n]{0,80})?|[?？]{1,9})\s{0,9}[\]】］]",
    re.IGNORECASE,
)

_QUOTABLE = str.maketrans({'"': "'", "<": "‹", ">": "›", "＂": "'", "＜": "‹", "＞": "›"})


def harmless(text: str) -> str:
    """Untrusted text as it may stand in a prompt: no tags, no chat-template tokens, nothing invisible.

    A `<` that could begin a tag becomes `‹`, so that no text can close the passage that it stands in.
    """
    text = _OPENING.sub(_without_marker, _ACCENTED.sub("", normalise(text)))
    text = _BARRED.sub(_round, _CONTROL_WORD.sub(r"(\1)", _TAG.sub("‹", text)))
    return _THE_WORD.sub("no answer", _TURN.sub("", _TILDES.sub("-", text)))


def without_references(text: str) -> str:
    """The text with a document's own reference numbers, `[12]`, as `(12)`: brackets are for our citations."""
    return _REFERENCE.sub(r"(\1)", text)


def in_quotes(text: str) -> str:
    """A harmless text as it may stand between the quotation marks of an attribute."""
    return without_references(text).translate(_QUOTABLE)


def _without_marker(match: re.Match[str]) -> str:
    """A round bracket for what begins like one of our markers, however it is spelt."""
    sign = match["less"]
    # Quotation marks of these forms may well begin with that word, but not with a slash.
    if not match["slash"] and sign in "«《「≪":
        return match[0]
    letters = "".join(filter(str.isalnum, unicodedata.normalize("NFKC", match["word"]).casefold())).translate(
        _LOOKS_LIKE
    )
    return "(" if letters.startswith(_MARKER) else match[0]


def _round(match: re.Match[str]) -> str:
    return "(" if match[0] in "[［" else ")"
