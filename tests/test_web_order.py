"""What a browser asks of the page is checked before it is anything."""

import json

import pytest

from web.order import BadOrder, read_ask, read_named, read_restore

ID = "0123456789abcdef" * 2


def test_an_order_is_read_as_the_page_sends_it() -> None:
    asked = read_ask(
        json.dumps({"text": "Why?", "at": 2, "fresh": True, "filters": {"kind": "pdf"}, "id": ID, "count": 3, "x": 1})
    )
    assert (asked.text, asked.at, asked.fresh, asked.filters, asked.id, asked.count) == (
        "Why?", 2, True, {"kind": "pdf"}, ID, 3,
    )  # fmt: skip
    assert read_restore(json.dumps({"json": "{}", "id": ID})).text == "{}"
    assert read_named("").id is None


@pytest.mark.parametrize("text", ["How long is it?", "", "12", '["a"]', "{not json", "null", "[" * 100_000])
def test_what_is_no_order_is_the_question_itself(text: str) -> None:
    asked = read_ask(text)
    assert (asked.text, asked.at, asked.fresh, asked.filters) == (text, 0, False, {})


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"text": 3},
        {"text": "a", "at": -1},
        {"text": "a", "id": "../../etc"},
        {"text": "a", "filters": {str(number): "x" for number in range(11)}},
        {"text": "a", "filters": {"kind": "x" * 1001}},
        {"text": "a", "attachments": ["../other"]},
        {"text": "x" * 1_000_001},
    ],
)
def test_an_order_that_the_page_never_sends_is_refused_without_its_content(values: object) -> None:
    with pytest.raises(BadOrder) as refused:
        read_ask(json.dumps(values))
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("text", ["{", "[]", '{"json": 1}', "{}", '{"json": "{}", "id": "short"}'])
def test_a_conversation_to_restore_has_its_shape(text: str) -> None:
    with pytest.raises(BadOrder):
        read_restore(text)
