"""The tokens: contrasts as WCAG 2.2 computes them, and that every style sheet and Gradio's theme is made of them."""

import re
from pathlib import Path

import pytest

from web.theme import STATIC, VARIABLES, theme

SHEETS = sorted((STATIC / "css").glob("*.css"))
TOKENS = (STATIC / "css" / "tokens.css").read_text(encoding="utf-8")
SCHEMES = ("light", "dark", "light, more contrast", "dark, more contrast")
TEXT = 4.5
PARTS = 3.0
"""Of what shows where a control is or what state it has (1.4.11)."""
PAIRS = [
    *(("ink", ground, TEXT) for ground in ("page", "sunken", "surface", "hover", "soft")),
    *(("muted", ground, TEXT) for ground in ("page", "sunken", "surface", "hover")),
    *(("link", ground, TEXT) for ground in ("page", "surface", "hover", "soft")),
    *(("on-accent", ground, TEXT) for ground in ("accent", "accent-strong")),
    *((f"{ground}-ink", ground, TEXT) for ground in ("soft", "warn", "bad", "mark")),
    *(("edge", ground, PARTS) for ground in ("page", "surface", "hover")),
    *(("focus", ground, PARTS) for ground in ("page", "surface", "hover", "soft")),
    *((level, ground, PARTS) for level in ("high", "medium", "low") for ground in ("page", "surface")),
    ("accent", "page", PARTS),
    ("accent", "surface", PARTS),
]


def tokens(scheme: str) -> dict[str, str]:
    """The tokens of a scheme by name: rules for the dark over the others, and of the same kind the later ones."""
    blocks = re.findall(r'(@media[^{]*\{\s*)?:root(\[data-theme="dark"\])?\s*\{([^}]*)\}', TOKENS)
    found: dict[str, str] = {}
    for media, dark, body in sorted(blocks, key=lambda block: bool(block[1])):
        wanted = ("contrast" not in media or "contrast" in scheme) and (not dark or scheme.startswith("dark"))
        if wanted and not re.search("pointer|motion|forced", media):
            found |= dict(re.findall(r"--([a-z0-9-]+):\s*([^;]+);", body))
    return found


def luminance(color: str) -> float:
    digits = color.removeprefix("#")
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    channels = [int(digits[start : start + 2], 16) / 255 for start in (0, 2, 4)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_what_the_guidelines_compute() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("front", "ground", "least"), PAIRS)
def test_tokens_can_be_read(front: str, ground: str, least: float, scheme: str) -> None:
    found = tokens(scheme)
    assert contrast(found[front], found[ground]) >= least, f"{front} on {ground}: {found[front]}, {found[ground]}"


def test_dark_is_dark_and_more_contrast_is_more() -> None:
    light, dark = tokens("light"), tokens("dark")
    assert luminance(light["page"]) > 0.8 and luminance(dark["page"]) < 0.02
    for scheme in ("light", "dark"):
        plain, more = tokens(scheme), tokens(f"{scheme}, more contrast")
        for front in ("ink", "muted", "link", "edge"):
            assert contrast(more[front], more["page"]) > contrast(plain[front], plain["page"])


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda path: path.stem)
def test_style_sheets_take_colours_from_the_tokens(sheet: Path) -> None:
    text = re.sub(r"/\*.*?\*/|url\([^)]*\)", "", sheet.read_text(encoding="utf-8"), flags=re.DOTALL)
    own = set(re.findall(r"--([a-z0-9-]+)\s*:", text))
    used = set(re.findall(r"var\(--([a-z0-9-]+)", text))
    scripts = "".join(path.read_text(encoding="utf-8") for path in (STATIC / "js").glob("*.js"))
    by_script = set(re.findall(r"""setProperty\(["'`]--([a-z0-9-]+)""", scripts))
    fallback = set(re.findall(r"var\(--([a-z0-9-]+)\s*,", text))
    assert used - own - by_script - fallback <= set(tokens("light")), sheet.name
    # Where the system forces its colours, one that stays does so as it is.
    text = re.sub(r"\{[^{}]*forced-color-adjust[^{}]*\}", "", text)
    if sheet.stem != "tokens":
        assert re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[^{}]*[;}])|\b(?:rgba?|hsla?)\(", text) == []


def test_gradio_is_dressed_in_tokens_light_and_dark_alike() -> None:
    known = set(tokens("light"))
    assert {token.removeprefix("--") for token in VARIABLES.values() if token} <= known
    dressed = theme()
    for name, token in VARIABLES.items():
        assert getattr(dressed, name) == (f"var({token})" if token else "transparent")
        assert getattr(dressed, f"{name}_dark", getattr(dressed, name)) == getattr(dressed, name)
