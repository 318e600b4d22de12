"""The page has no words but those of the tables, and the tables have none that nobody reads."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.settings import LANGUAGES
from web.texts import TRANSLATIONS, texts

WEB = TRANSLATIONS.parent
SCRIPTS = sorted((WEB / "static" / "js").glob("*.js"))
# What programs are told is told in English.
MODULES = sorted(path for path in WEB.rglob("*.py") if "api" not in path.relative_to(WEB).parts)
NAMES = {"Lacerta"}
"""Words that are the same in every language."""
FOREIGN = {"Connection Lost"}
"""Words of Gradio's by which scripts know what it says."""

_WORD = r"[^\W\d_]{2,}"
_FILLED_IN = re.compile(r"\{[^{}]*\}|&#?\w+;")
_BETWEEN_TAGS = re.compile(rf">([^<>{{}}]*{_WORD}[^<>{{}}]*)<")
_SPOKEN_ATTRIBUTE = re.compile(rf'(?:aria-label|title|placeholder|alt|label)="([^"]*{_WORD}[^"]*)"')
_SCRIPT_TEXT = re.compile(r'"((?:[^"\\\n]|\\.)*)"|\'((?:[^\'\\\n]|\\.)*)\'|`([^`]*)`')
_COMMENT = re.compile(r"(?:^|\s)//.*|/\*.*?\*/", re.MULTILINE)
_FAULTS = re.compile(r".*(?:console\.|Error\().*")
# A capital and another word, or the end of a sentence, or letters that no selector has.
_SENTENCE = re.compile(rf"^[A-Z][a-z]+\W+{_WORD}|{_WORD}\s{_WORD}.*[.!?…]$|{_WORD} …|[가-힣áéíóöőúüű]")
_PUT_IN = re.compile(
    rf'(?:textContent|title|placeholder|innerText|ariaLabel) = "[^"]*{_WORD}'
    rf'|"aria-label"(?:,|:) "[^"]*{_WORD}|append\("[^"]*{_WORD}'
)
_KEY = r"[a-z0-9_]+"


def strings(module: Path) -> Iterator[str]:
    """All of a module's but docstrings, with {} for what is filled in."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node.value


def words_of(html: str) -> set[str]:
    """What a visitor would read or hear of it."""
    fixed = _FILLED_IN.sub("", html)
    return {found.strip(" ·") for place in (_BETWEEN_TAGS, _SPOKEN_ATTRIBUTE) for found in place.findall(fixed)}


def script(path: Path) -> str:
    """Without comments and without what is meant for whoever mends it."""
    return _FAULTS.sub("", _COMMENT.sub("", path.read_text(encoding="utf-8")))


def literals(code: str) -> Iterator[str]:
    """A script's, with {} for what is filled in."""
    for match in _SCRIPT_TEXT.finditer(code):
        yield re.sub(r"\$\{[^}]*\}", "{}", next(group for group in match.groups() if group is not None))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(WEB)))
def test_no_module_has_words_of_its_own_in_html(module: Path) -> None:
    assert {word for text in strings(module) if "<" in text for word in words_of(text)} <= NAMES


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_script_has_words_of_its_own(path: Path) -> None:
    code = script(path)
    assert _PUT_IN.findall(code) == []
    assert {text for text in literals(code) if _SENTENCE.search(text)} <= FOREIGN


@pytest.mark.parametrize(
    "line",
    ['text.textContent = "Loading";', 'b.append("more");', 'el.setAttribute("aria-label", "close")', 'x("Please wait")',
     'x(`${n} files were found.`)', 'x("Keresés …")', "x('닫기')", '{ "aria-label": "close" }'],
)  # fmt: skip
def test_words_in_a_script_are_seen(line: str) -> None:
    assert _PUT_IN.search(line) or any(_SENTENCE.search(text) for text in literals(line))


@pytest.mark.parametrize("text", ["<p>Loading</p>", '<a title="Open">', "<b>{} files</b>", "<p>Szia {}</p>"])
def test_words_in_html_are_seen(text: str) -> None:
    assert words_of(text)


def test_every_key_that_a_script_asks_for_is_in_the_table() -> None:
    asked = {key for path in SCRIPTS for key in re.findall(rf'\bt\(\s*"({_KEY})"', script(path))}
    assert len(asked) > 20
    assert asked <= texts("en").keys()


def test_every_string_is_asked_for() -> None:
    """By its key, or by a key that is put together of words that are there."""
    code = [text for module in MODULES for text in strings(module)]
    code += [text for path in SCRIPTS for text in literals(script(path))]
    # A script's may stand in one another.
    code += [key for path in SCRIPTS for key in re.findall(rf'"({_KEY})"', script(path))]
    # What a key ends with may be a code that the program gives.
    code += [text for folder in ("rag", "ingest") for module in (WEB.parent / folder).rglob("*.py")
             for text in strings(module)]  # fmt: skip
    words = {word for text in code if "\n" not in text for word in re.findall(_KEY, text)}
    # Objects of a script may name what a key ends with.
    words |= {word for path in SCRIPTS for word in re.findall(rf"\b({_KEY}):", script(path))}
    made = {text for text in code if re.fullmatch(r"(?:[a-z0-9_]|\{\})+", text) and text.strip("{}") and "{}" in text}
    patterns = [re.compile(re.escape(text).replace(r"\{\}", f"({_KEY})")) for text in made]

    def asked(key: str) -> bool:
        parts = (pattern.fullmatch(key) for pattern in patterns)
        # The form for one of them is chosen with the other.
        key = key.removesuffix("_one")
        return key in words or any(match and words.issuperset(match.groups()) for match in parts)

    unread = [key for key in texts("en") if not asked(key)]
    assert unread == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_dates_and_numbers_are_written_in_the_language_of_the_page(path: Path) -> None:
    """Not in the browser's, which may be another one."""
    code = script(path)
    assert re.findall(r"\.toLocale(?:Date|Time)?String\(\)|Intl\.\w+\(\)|\.toFixed\(", code) == []
    made = re.findall(r"(?:new Intl\.\w+|\.toLocale(?:Date|Time)?String)\(([^,)]+)", code)
    assert [first for first in made if not re.search(r"lang|language|locale", first)] == []


def test_a_count_before_its_noun_has_a_form_for_one() -> None:
    counted = re.compile(r"\{(?:count|seconds|minutes|documents|passages|files)\} [a-z]+s\b")
    # That of days is never one.
    plural = {key for key, text in texts("en").items() if counted.search(text)} - {"maintain_days"}
    assert {f"{key}_one" for key in plural} <= texts("en").keys()
    assert "{count}" in texts("en")["search_count_one"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_strings_have_the_letters_and_signs_of_their_language(language: str) -> None:
    for key, text in texts(language).items():
        assert not re.search(r"\.\.\.|\s{2}| [,.;!?]| '", text), key
        if language != "ko":
            assert not re.search(r"[가-힣]", text.replace("한국어", "")), key
        if language == "en":
            assert not re.search(r"[áéíóöőúüű„”]", text.replace("Magyar", "")) or "“" in text, key
        if language == "hu":
            # The Hungarian letters are ő and ű; õ and û come of a wrong character set.
            assert not re.search(r'[õûÕÛ"“]', text), key
