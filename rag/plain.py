"""A model's words as plain text: no pictures, no links, no tags, no addresses but those of the documents.

Clients may render an answer as Markdown or HTML, and a model may do what a document tells it. So pictures and links are
reduced to their words, tags are broken, and an address stands only if it occurs in the passages. What guards is three
small rules on neighbouring characters and one on addresses; the rest is for looks. The marks of citations stay, but
will be moved: nothing may come together where one stood.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from html import unescape

from rag.cite import Checked
from rag.text import visible

_REMOVED = "…"
_CONSTRUCT = 300
"""Characters of a link, a picture or a tag that are waited for; a longer one is broken instead of reduced."""

_LONGEST = 1000
_KEPT = 100
_ENTITY = re.compile(r"&(?:(?:amp|\#0*38|\#x0*26);)*((?:\#\d{1,7}|\#x[\da-f]{1,6}|[a-z][a-z\d]{1,31});)", re.IGNORECASE)


def _target(number: int) -> str:
    """The pattern of a link's target in its brackets, with a title or without; the groups' names end in the number."""
    bare = rf"(?P<bare{number}>(?:[^\s()<>]|\([^\s()]{{0,100}}\)){{0,300}})"
    title = r"(?:\s{1,9}(?:\"[^\"]{0,200}\"|'[^']{0,200}'|\([^()]{0,200}\)))?"
    return rf"\(\s{{0,9}}(?:<(?P<angle{number}>[^<>\n]{{0,300}})>|{bare}){title}\s{{0,9}}\)"


_REDUCED = re.compile(
    rf"(?P<picture>!?)\[(?P<label>[^\[\]]{{0,300}})\]{_target(1)}"
    r"|!\[(?P<alternative>[^\[\]]{0,300})\]\[[^\[\]]{0,300}\]"
    rf"|\]{_target(2)}"
    r"|<(?P<tag>[a-z/!?][^<>]{0,300})>",
    re.IGNORECASE,
)
_OPEN = re.compile(
    r"(?:!?\[[^\[\]]{0,300}(?:\](?:[(\[][^()\[\]\n]{0,300})?)?|\][(][^()\n]{0,300}|<[a-z/!?][^<>]{0,300})\Z",
    re.IGNORECASE,
)
_LINKING = re.compile(r"[/\\.:#?@&%]")
_NUMBER = re.compile(r"[#^]?\d{1,3}|\?|\^.*")
# Markdown needs these side by side; and what stands on either side of a citation's mark must not meet.
_PAIRS = re.compile(
    r"(?P<less><)(?=\s*[\[【])|(?P<tag><)(?=[a-z/!?])|(?P<definition>(?<=\]):(?!\S))|(?P<before>(?<=[\]】])(?=[(:])|(?<=!)(?=\[)"
    r")|(?P<mark>[\[【]\s{0,9}(?:[^\W\d_]{1,12}\s{0,9})?[\#^]?[\d?][^\[\]【】\n]{0,80}[\]】])"
    r"(?![\s\[【(:]|\Z|[.,;!?…)\]】\"'”’»*_]{1,9}(?:[\s\[【]|\Z))",
    re.IGNORECASE,
)
_LABELS = r"(?:[\w-]++\.(?=[\w-]))++"
_HOST = rf"{_LABELS}(?:[a-z]{{2,24}}|xn--[a-z\d-]{{1,60}})(?![a-z\d])"
# Names that readers of plain text make links of even without a path.
_KNOWN = rf"{_LABELS}(?:com|org|net|edu|gov|info|biz|io|dev|app|xyz|top|site|online|hu|kr|eu|de|uk|example)(?![a-z\d])"
_REST = r"[^\s<>‹›\"“”„«»`|]*"
_ADDRESS = re.compile(
    rf"(?<![a-z])(?:[a-z][a-z\d+.-]{{1,30}}:[/\\]|[a-z]:[/\\]{{2}}){_REST}"
    rf"|(?:javascript|vbscript|livescript|blob|mailto|xmpp):[^\s<>]+"
    rf"|data:[\w.+-]*[/;,]{_REST}"
    rf"|(?<![\w.])www\.{_REST}"
    rf"|(?<![\w/\\])[/\\]{{2,}}+[\w\[]{_REST}|(?<![/\\])[/\\]{{2,}}+(?=[\w-]{{1,63}}\.[a-z]){_REST}"
    rf"|(?<![\w.+-])[\w.+-]++@[\w-]++(?:\.[\w-]++)++"
    rf"|(?<![\w-])(?<!\w\.)(?:{_HOST}\.?(?::\d{{1,5}})?[/?\#]{_REST}|{_KNOWN}(?::\d{{1,5}})?)",
    re.IGNORECASE,
)
_TRAILING = ".,;:!?)]}'*_~。、"
# A particle written close to an address is no part of it.
_PARTICLE = re.compile(r"[가-힣]+\Z")
_FOREIGN_SCHEME = re.compile(r"(?!https?:|ftp:)[a-z][a-z\d+-]*:", re.IGNORECASE)
_PATH = re.compile(r"[/?#]")
_ORIGIN = re.compile(r"(?:[a-z][a-z\d+.-]*:)?//", re.IGNORECASE)
_WEB = re.compile(r"\A(?:https?:)?(?://)?(?:www\.)?", re.IGNORECASE)


def addresses(texts: Iterable[str]) -> frozenset[str]:
    """The web and mail addresses in texts, and the hosts of the former, as `plain` compares them."""
    found: set[str] = set()
    for text in texts:
        for match in _ADDRESS.finditer(text):
            address = _canonical(_PARTICLE.sub("", match[0]))
            if _FOREIGN_SCHEME.match(address):
                continue
            found.add(address)
            origin = _ORIGIN.match(address)
            host = _PATH.split(address[origin.end() if origin else 0 :], maxsplit=1)[0]
            # A host alone can carry nothing out.
            if "@" not in host:
                found.add(host)
    return frozenset(found)


def sourced(checked: Checked) -> Checked:
    """An answer in plain text in which only addresses that the passages it cites contain are left."""
    allowed = addresses(citation.chunk.text for citation in checked.citations)
    sentences = tuple(replace(sentence, text=plain(sentence.text, allowed)) for sentence in checked.sentences)
    return replace(checked, text=plain(checked.text, allowed), sentences=sentences)


def plain(text: str, allowed: frozenset[str] = frozenset()) -> str:
    """A model's text without pictures, links and tags, and without addresses that are not among `allowed`.

    Takes and leaves citation marks, lists and bold. Applying it twice changes nothing that matters.
    """
    return PlainStream(allowed).whole(text)


class PlainStream:
    """`plain` for a text that comes in pieces: what may still become a link or a tag is held back, some 300 characters
    at most, and the last word always.
    """

    def __init__(self, allowed: frozenset[str] = frozenset()) -> None:
        self._allowed = allowed
        self._held = ""
        self._last = ""

    def whole(self, text: str) -> str:
        """A text that is complete."""
        return self._plain(visible(text))

    def feed(self, piece: str) -> str:
        """What may be shown after this piece; often empty."""
        self._held += visible(piece)
        cut = self._cut()
        shown, self._held = self._held[:cut], self._held[cut:]
        return self._plain(shown)

    def end(self) -> str:
        """What was still held back."""
        shown, self._held = self._held, ""
        return self._plain(shown)

    def _cut(self) -> int:
        """How much of what is held is complete: up to a white space that lies in nothing unfinished."""
        held = self._held
        whole = _before_space(held, len(held))
        unfinished = _OPEN.search(held, max(0, len(held) - 2 * _CONSTRUCT))
        cut = whole if unfinished is None else min(whole, _before_space(held, unfinished.start()))
        if len(held) - cut <= _LONGEST:
            return cut
        # Whatever this is, it is not waited for any longer.
        return whole if len(held) - whole <= _LONGEST else len(held) - _KEPT

    def _plain(self, text: str) -> str:
        if not text:
            return ""
        text = _REDUCED.sub(self._reduced, visible(_ENTITY.sub(_decoded, text)))
        # The last character of the piece before may be half of a pair.
        text = _PAIRS.sub(_parted, self._last + text)[len(self._last) :]
        self._last = text[-1:] or self._last
        # Where one is taken away, what stood before it may end as another.
        return _ADDRESS.sub(self._addressed, _ADDRESS.sub(self._addressed, text))

    def _reduced(self, match: re.Match[str]) -> str:
        if match["tag"] is not None:
            address = match["tag"].strip()
            return address if _canonical(address) in self._allowed else f"‹{match['tag']}›"
        if match["alternative"] is not None:
            return match["alternative"].strip() or _REMOVED
        label, picture = match["label"], bool(match["picture"])
        target = next((match[name] for name in ("angle1", "bare1", "angle2", "bare2") if match[name]), "")
        shown = "]" if label is None else label.strip() or _REMOVED
        if label is not None and _NUMBER.fullmatch(shown):
            return f"[{shown}]"
        if not picture and label is not None and not _LINKING.search(target):
            return f"[{shown}] ({target})" if target else f"[{shown}]"
        if not picture and target != label and _canonical(target) in self._allowed:
            return f"{shown} ({target})"
        return shown

    def _addressed(self, match: re.Match[str]) -> str:
        address = match[0]
        bare = address.rstrip(_TRAILING)
        behind = address[len(bare) :]
        if _canonical(bare) in self._allowed:
            return address
        named = _PARTICLE.sub("", bare)
        if _canonical(named) in self._allowed:
            return f"{named} {bare[len(named) :]}{behind}"
        return _REMOVED + behind


def _before_space(text: str, position: int) -> int:
    """The beginning of the last white space before a position; 0 where there is none."""
    while position and not text[position - 1].isspace():
        position -= 1
    while position and text[position - 1].isspace():
        position -= 1
    return position


def _decoded(match: re.Match[str]) -> str:
    return unescape(f"&{match[1]}")


def _parted(match: re.Match[str]) -> str:
    if match["less"]:
        return "‹"
    if match["tag"]:
        return "< "
    if match["mark"]:
        return f"{match['mark']} "
    return " " if match["before"] is not None else ""


def _canonical(address: str) -> str:
    """An address as it is compared: host in lower case, without `https://`, `www.` and what may end a sentence."""
    address = _WEB.sub("", address.rstrip(_TRAILING).rstrip("/"), count=1)
    origin = _ORIGIN.match(address)
    end = _PATH.search(address, origin.end() if origin else 0)
    split = end.start() if end else len(address)
    return address[:split].lower() + address[split:]
