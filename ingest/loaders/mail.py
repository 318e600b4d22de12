"""E-mails (eml, mht): the head, then the plain text, else the HTML. Attachments are named, not read."""

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime

from ingest.blocks import Block, Loaded
from ingest.loaders.errors import LoadError
from ingest.loaders.html import html_text, parse_html
from ingest.loaders.hypertext import html_blocks
from ingest.loaders.rows import clean

_SHOWN = ("From", "To", "Cc", "Date")
_QUOTE = re.compile(r"^(?:> ?)+")
_SIGNATURE = re.compile(r"^-- ?$", re.MULTILINE)
_ATTACHMENTS_NAMED = 10


def load_mail(content: bytes, name: str) -> Loaded:
    """A message on one page: its subject as heading and title, sender, recipients and date, then its text.

    Metadata: `author`, `published` (ISO date and time). Raises LoadError for a message without text.
    """
    message = message_from_bytes(content, policy=policy.default)
    assert isinstance(message, EmailMessage)
    subject = _header(message, "Subject")
    head = [f"{field}: {value}" for field in _SHOWN if (value := _header(message, field))]
    blocks = [Block(subject, 1)] if subject else []
    blocks += [Block("; ".join(head))] if head else []
    body = _body(message)
    if not body and not subject:
        raise LoadError("it is a message without text: remove it, or save what is attached to it")
    names = [clean(part.get_filename() or part.get_content_type()) for part in message.iter_attachments()]
    notes = []
    if names:
        shown = ", ".join(names[:_ATTACHMENTS_NAMED]) + (" ..." if len(names) > _ATTACHMENTS_NAMED else "")
        notes.append(f"{len(names)} attached files were not read: save them beside it ({shown})")
    about = {"author": _header(message, "From"), "published": _date(message)}
    found = {key: value for key, value in about.items() if value}
    return Loaded("eml", subject, ((*blocks, *body),), found, tuple(notes))


def _header(message: EmailMessage, name: str) -> str:
    try:
        value = message.get(name)
    except (ValueError, IndexError, AttributeError, TypeError):
        # Headers that break the rules of RFC 5322 make the parser stumble.
        return ""
    text = str(value or "")
    if any("\udc80" <= letter <= "\udcff" for letter in text):
        # Bytes outside of ASCII without the encoding that RFC 2047 asks for.
        from ingest.loaders.encoding import decode

        text = decode(text.encode("utf-8", "surrogateescape"))
    return clean(text)


def _date(message: EmailMessage) -> str:
    try:
        return parsedate_to_datetime(str(message.get("Date", ""))).isoformat(timespec="minutes")
    except (ValueError, TypeError, IndexError):
        return ""


def _body(message: EmailMessage) -> list[Block]:
    for kind in ("plain", "html"):
        part = message.get_body(preferencelist=(kind,))
        if part is None:
            continue
        content = part.get_payload(decode=True)
        if not isinstance(content, bytes) or not content.strip():
            continue
        text = html_text(content, part.get_content_charset() or "")
        blocks = _plain(text) if kind == "plain" else [block for _, block in html_blocks(parse_html(text))]
        if any(letter.isalnum() for block in blocks for letter in block.text):
            return blocks
    return []


def _plain(text: str) -> list[Block]:
    """The paragraphs of a plain text, without marks of quotation and without the signature."""
    text = _SIGNATURE.split(text.replace("\r\n", "\n"))[0]
    lines = [_QUOTE.sub("", line).rstrip() for line in text.split("\n")]
    paragraphs = re.split(r"\n\s*\n", "\n".join(lines))
    return [Block(shown) for paragraph in paragraphs if any(map(str.isalnum, shown := clean(paragraph)))]
