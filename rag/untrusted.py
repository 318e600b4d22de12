"""Text that others wrote, made fit for a prompt. Knows nothing of templates or of who wrote it."""

import re

from rag.text import normalise

# Whatever looks like a tag or a control token of a chat template: <passage>, </s>, <|im_start|>, <start_of_turn>.
_TAG = re.compile(r"<(?=\s*[/!|｜▁?]?\s*[^\W\d])|<(?=[|｜<])")
_CONTROL_WORD = re.compile(
    r"\[(/?(?:INST|SYS|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|MODEL_SETTINGS|THINK))\]",
    re.IGNORECASE,
)
_REFERENCE = re.compile(r"\[(\d{1,3}(?:\s*[-–,;]\s*\d{1,3})*)\]")


def harmless(text: str) -> str:
    """Untrusted text as it may stand in a prompt: no tags, no chat-template tokens, nothing invisible.

    A `<` that could begin a tag becomes `‹`, so that no text can close the passage that it stands in.
    """
    return _CONTROL_WORD.sub(r"(\1)", _TAG.sub("‹", normalise(text)))


def without_references(text: str) -> str:
    """The text with a document's own reference numbers, `[12]`, as `(12)`: brackets are for our citations."""
    return _REFERENCE.sub(r"(\1)", text)
