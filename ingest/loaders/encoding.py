"""From bytes to text: the encoding of a text file. Knows nothing of what the text says."""

import codecs
import re

from ingest.limits import TEXT_BYTES
from ingest.loaders.errors import LoadError
from rag.languages import detect

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE = 200_000
# Dashes and quotation marks of cp1252 that a converter took for Latin-1, as the HTML standard reads them.
_MISTAKEN = {
    code: letter for code in range(0x80, 0xA0) if code != 0x85 and (letter := bytes([code]).decode("cp1252", "ignore"))
}
_MISTAKEN_BYTES = re.compile(rb"\xc2[\x80-\x9f]")
_CONTROL = re.compile(r"[\0-\x08\x0e-\x1a\x1c-\x1f]")


def decode(content: bytes) -> str:
    """The text of a file in UTF-8, UTF-16, cp949, cp1250, cp1252 or what charset-normalizer makes of it.

    Raises LoadError for content that is no text, or more than `TEXT_BYTES`.
    """
    if len(content) > TEXT_BYTES:
        raise LoadError(
            f"it has {len(content) / 1e6:.0f} MB of text, at most {TEXT_BYTES / 1e6:.0f} are read: split it"
        )
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _strict(content, encoding)
    if b"\0" in content:
        return _wide(content)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return _guessed(content)
    return text.translate(_MISTAKEN) if _MISTAKEN_BYTES.search(content) else text


def _wide(content: bytes) -> str:
    """UTF-16 without a mark: one byte of each Latin letter, digit and space is zero, the other one hardly ever."""
    sample = content[: min(_SAMPLE, len(content)) // 2 * 2]
    for parity, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if sample[parity::2].count(0) > max(0.1 * (len(sample) // 2), 3 * sample[1 - parity :: 2].count(0)):
            letters = sample.decode(encoding, "replace")
            written = sum(letter < "\u0250" or "가" <= letter <= "힣" for letter in letters)
            if written > 0.9 * len(letters) and not _CONTROL.search(letters):
                return _strict(content, encoding)
    raise LoadError("it is neither text nor a kind of file that is read: save it as PDF, CSV, Markdown or text")


def _strict(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise LoadError(f"its encoding is damaged ({encoding.upper()}): save it again as UTF-8") from error


def _guessed(content: bytes) -> str:
    try:
        korean = content.decode("cp949")
        strange = [letter for letter in korean[:_SAMPLE] if letter > "\x7f"]
        # Central European letters read as cp949 fail or give rare Hanja; Korean text is nearly all syllables.
        if sum("가" <= letter <= "힣" for letter in strange) > 0.8 * len(strange):
            return korean
    except UnicodeDecodeError:
        pass
    from charset_normalizer import from_bytes

    central = content.decode("cp1250", "replace")
    if detect(central[:_SAMPLE]) == "hu" or any(letter in central for letter in "őűŐŰ"):
        return central
    best = from_bytes(content[:_SAMPLE]).best()
    for encoding in (best.encoding if best else "cp1252", "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("cp1252", "replace")
