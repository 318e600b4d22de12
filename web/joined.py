"""The page's own modules as one module and all style sheets of the page as one, joined when the program starts.

Each file that a browser has to ask for costs it and the server as much time as a large one does.
"""

import hashlib
import re
from functools import cache

from web.chunks import FRONTEND, chunks
from web.theme import STATIC

STYLES = (
    "tokens", "layout", "chat", "talk", "conversations", "viewer", "search", "export", "filters", "documents",
    "feedback", "speech",
)  # fmt: skip
_FIRST = "page"
# The only forms of the two that there are; a constant or function that is given away never changes.
_IMPORT = re.compile(r'^import (?:\* as (\w+)|(\{[^}]*\})) from "\./([\w-]+)\.js";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|class|const) (\w+))", re.MULTILINE)
_OTHER = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)
_LOUD = re.compile(rb"\.prose [^{}]*\{[^}]*\}")


@cache
def modules() -> tuple[str, ...]:
    """The names of the page's module and of all that it imports, each behind those that it imports itself."""
    found: dict[str, bool] = {}

    def add(name: str) -> None:
        if name in found:
            if not found[name]:
                raise ValueError(f"static/js/{name}.js should not import itself by way of others.")
            return
        found[name] = False
        for match in _IMPORT.finditer(_source(name)):
            add(match[3])
        # Behind what it imports.
        del found[name]
        found[name] = True

    add(_FIRST)
    return tuple(found)


@cache
def module() -> bytes:
    """All modules in one, each a function that is called once and gives what it exports."""
    return "\n".join(_wrapped(name) for name in modules()).encode()


@cache
def sheet() -> bytes:
    """Gradio's style sheets in their layer, then ours."""
    theirs = [layered((FRONTEND / "assets" / name).read_bytes()) for name in chunks() if name.endswith(".css")]
    ours = [(STATIC / "css" / f"{name}.css").read_bytes() for name in STYLES]
    printed = b"@media print{\n" + (STATIC / "css" / "print.css").read_bytes() + b"}"
    return b"\n".join([*theirs, *ours, printed])


@cache
def made() -> dict[str, bytes]:
    """What was joined, by its address, which changes with what is in it: the module, then the sheet.

    Each stands in the folder of what it is made of, which names others by where they are from there.
    """
    return {
        f"/static/{kind}/page-{hashlib.sha256(content).hexdigest()[:16]}.{kind}": content
        for kind, content in (("js", module()), ("css", sheet()))
    }


def layered(sheet: bytes) -> bytes:
    """A style sheet of Gradio's in the layer `gradio`. What it calls important of our HTML would win from there."""
    quiet = _LOUD.sub(lambda rule: rule[0].replace(b"!important", b""), sheet)
    return b"@layer gradio{" + quiet + b"}"


def _source(name: str) -> str:
    return (STATIC / "js" / f"{name}.js").read_text(encoding="utf-8")


def _variable(name: str) -> str:
    return "$" + name.replace("-", "_")


def _wrapped(name: str) -> str:
    source = _source(name)
    given = ", ".join(_EXPORT.findall(source))

    def taken(match: re.Match[str]) -> str:
        return f"const {match[1] or match[2].replace(' as ', ': ')} = {_variable(match[3])};"

    body = _EXPORT.sub("", _IMPORT.sub(taken, source))
    if left := _OTHER.search(body):
        raise ValueError(f"static/js/{name}.js should import and export as web/joined.py knows it, has: {left[0]}")
    return f"const {_variable(name)} = (() => {{\n{body}\nreturn {{ {given} }};\n}})();"
