"""Which of its own files Gradio's page loads, found out before a browser does: each of them names those that it needs.

A browser that is told of them with the page asks for all at once, where it would learn of them in four steps.
"""

import re
from functools import cache
from pathlib import Path

import gradio

FRONTEND = Path(gradio.__file__).parent / "templates" / "frontend"
# What web/page.py is built of.
_COMPONENTS = ("button", "column", "form", "html", "radio", "row", "state", "textbox")
_LOADED = re.compile(r'(?:src|href)="\./assets/([^"]+)"')
_NAMED = re.compile(r"m\.f=\[([^\]]*)\]")
_NAME = re.compile(r'"\./([^"]+)"')
_PART = r"[{,]%s:\{[^{}]*?component:\(\)=>\w+\(\(\)=>import\(`\./[^`]+`\)[^\[]*?__vite__mapDeps\(\[([\d,]*)\]\)"
_BLOCKS = re.compile(r"import\(`\./Blocks-[^`]+`\).*?__vite__mapDeps\(\[([\d,]*)\]\)")


@cache
def chunks() -> tuple[str, ...]:
    """The names of the scripts and style sheets that the page needs, in the order of their loading.

    What is not understood here is left out, and a browser finds it by itself.
    """
    first = _LOADED.findall((FRONTEND / "index.html").read_text(encoding="utf-8"))
    found = dict.fromkeys(first)
    for name in (each for each in first if each.endswith(".js")):
        entry = _text(name)
        found |= dict.fromkeys(_names(entry))
    for start, patterns in (
        ("Index-", [_BLOCKS]),
        ("core-", [re.compile(_PART % re.escape(component)) for component in _COMPONENTS]),
    ):
        # There are many of the first name; that which the page begins with is the first.
        name = next((each for each in found if each.startswith(start) and each.endswith(".js")), "")
        script = _text(name) if name else ""
        names = _names(script)
        for pattern in patterns:
            if match := pattern.search(script):
                found |= dict.fromkeys(names[int(number)] for number in match[1].split(",") if number)
    return tuple(found)


def _text(name: str) -> str:
    return (FRONTEND / "assets" / name).read_text(encoding="utf-8")


def _names(script: str) -> list[str]:
    """The files that it numbers."""
    match = _NAMED.search(script)
    return _NAME.findall(match[1]) if match else []
