"""What stands in the page's `<head>`: its style sheet, its module, Gradio's files and the strings that they show."""

import json

from web.chunks import chunks
from web.joined import made
from web.texts import texts


def head_html(language: str) -> str:
    """The elements that are put at the end of the head."""
    module, sheet = made()
    # Without it a browser learns of each file from the one before.
    early = "".join(_early(f"./assets/{name}") for name in chunks())
    shown = {key: text for key, text in texts(language).items() if not key.startswith("maintain_")}
    table = json.dumps({"code": language, **shown}, ensure_ascii=False)
    # No text ends the element that it stands in.
    table = table.replace("<", "\\u003c")
    return (
        '<link rel="icon" type="image/svg+xml" href="/static/lizard.svg">'
        f'<link rel="stylesheet" href="{sheet}">{early}'
        f'<script type="application/json" id="texts">{table}</script>'
        f'<script type="module" src="{module}"></script>'
    )


def _early(address: str) -> str:
    if address.endswith(".css"):
        # Our sheet holds it; Gradio takes what stands here for loaded.
        return f'<link rel="stylesheet" href="{address}" disabled>'
    return f'<link rel="modulepreload" href="{address}" crossorigin>'
