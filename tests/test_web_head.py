"""What stands in the page's head is there, and is all there is."""

import json
import re

import pytest

from rag.settings import LANGUAGES
from web.head import head_html
from web.joined import STYLES, module, modules
from web.texts import texts
from web.theme import STATIC


def test_every_style_sheet_is_joined() -> None:
    assert {path.stem for path in (STATIC / "css").glob("*.css")} - {*STYLES} == {"login", "maintain", "print"}


def test_every_module_is_joined_behind_those_that_it_imports() -> None:
    found = modules()
    assert len(found) == len(set(found)) and found[-1] == "page"
    # What no module imports is loaded by itself, or is forgotten.
    assert {path.stem for path in (STATIC / "js").glob("*.js")} - {*found} == {"idle", "theme", "whole"}
    sources = {name: (STATIC / "js" / f"{name}.js").read_text(encoding="utf-8") for name in found}
    for name, source in sources.items():
        taken = re.findall(r'from "\./([\w-]+)\.js"', source)
        assert all(found.index(other) < found.index(name) for other in taken), name
    text = module().decode()
    exported = re.findall(r"^export (?:async )?(?:function\*?|class|const) (\w+)", "\n".join(sources.values()), re.M)
    assert all(re.search(rf"^return \{{[^}}]*\b{name}\b", text, re.M) for name in exported)
    assert not re.search(r"^(import|export)\b", text, re.M)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_strings_stand_in_the_page_and_end_no_element(language: str) -> None:
    head = head_html(language)
    table = head.partition('id="texts">')[2].partition("</script>")[0]
    found = json.loads(table)
    assert "<" not in table and found["code"] == language
    assert found["chat_copy"] == texts(language)["chat_copy"]
