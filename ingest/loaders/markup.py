"""XML of untrusted files, parsed without entities, network or document type definitions. Knows no vocabulary."""

from html import unescape
from typing import Any

from ingest.loaders.errors import LoadError

Element = Any
"""An element of lxml."""


def parse_xml(content: bytes, what: str) -> Element:
    """The root element. Raises LoadError, naming `what` was parsed, for broken XML.

    Entities stay unresolved; nesting deeper than 256 elements and texts over 10 MB are refused by libxml2.
    """
    from lxml import etree

    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise LoadError(f"its {what} is damaged ({error}): export it again") from error
    return root


def local(element: Element) -> str:
    """The name of an element in lower case without its namespace; empty for comments, entities and the like."""
    return element.tag.rpartition("}")[2].lower() if isinstance(element.tag, str) else ""


def attribute(element: Element, name: str) -> str:
    """The value of an attribute whatever its namespace: office formats come with two sets of namespaces."""
    value = element.get(name)
    if value is not None:
        return str(value)
    return next((str(text) for key, text in element.attrib.items() if key.rpartition("}")[2] == name), "")


def child(element: Element | None, *names: str) -> Element | None:
    """The element at the end of a path of local names, None where there is none."""
    for name in names:
        if element is None:
            return None
        element = next((item for item in element if local(item) == name.lower()), None)
    return element


def descendants(element: Element, *names: str) -> list[Element]:
    """All elements of these local names below an element, in document order."""
    return [item for item in element.iter() if local(item) in names and item is not element]


def text_of(element: Element | None) -> str:
    """All the text in an element."""
    if element is None:
        return ""
    return (element.text or "") + "".join(
        (entity_text(item) if not isinstance(item.tag, str) else text_of(item)) + (item.tail or "") for item in element
    )


def entity_text(node: Element) -> str:
    """The character that an unresolved entity such as `&eacute;` names; nothing for comments and unknown entities."""
    from lxml import etree

    if node.tag is not etree.Entity:
        return ""
    text = unescape(node.text)
    return "" if text.startswith("&") and len(text) > 1 else text
