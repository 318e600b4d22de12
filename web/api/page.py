"""The interface's description as a page of its own: no script, nothing from elsewhere."""

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h2 { margin-top: 2.5rem; font-size: 1.1rem } code, pre { font: 14px/1.45 ui-monospace, monospace }
pre { overflow: auto; padding: .75rem; border: 1px solid #8884; border-radius: .5rem }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; vertical-align: top; padding: .25rem .75rem
.25rem 0; border-bottom: 1px solid #8883 } .method { text-transform: uppercase; font-weight: 600 }
"""


def page(openapi: Mapping[str, Any]) -> str:
    """The HTML of an OpenAPI 3.1 description."""
    title = escape(openapi["info"]["title"])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} API</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head><body>'
        f"<h1>{title} API</h1><p>{escape(openapi['info'].get('description', ''))}</p>"
        '<p>The same for programs: <a href="/v1/openapi.json">openapi.json</a>.</p>'
        f"{''.join(_operations(openapi))}<h1>Schemas</h1>{''.join(_schemas(openapi))}</body></html>"
    )


def _operations(openapi: Mapping[str, Any]) -> Iterator[str]:
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            yield (
                f'<h2><span class="method">{escape(method)}</span> <code>/v1{escape(path)}</code></h2>'
                f"<p>{escape(operation.get('description', ''))}</p>"
            )
            if body := operation.get("requestBody"):
                yield f"<p>Body: {_links(body['content'])}</p>"
            rows = "".join(
                f"<tr><td><code>{escape(status)}</code></td><td>{escape(response['description'])}</td>"
                f"<td>{_links(response.get('content', {}))}</td></tr>"
                for status, response in sorted(operation["responses"].items())
            )
            yield f"<table>{rows}</table>"


def _links(content: Mapping[str, Any]) -> str:
    """The schemas of some content, each a link to its place below."""
    parts = []
    for kind, described in content.items():
        name = described.get("schema", {}).get("$ref", "").rpartition("/")[2]
        parts.append(f'<a href="#{escape(name)}">{escape(name)}</a>' if name else f"<code>{escape(kind)}</code>")
    return ", ".join(parts)


def _schemas(openapi: Mapping[str, Any]) -> Iterator[str]:
    for name, schema in openapi["components"]["schemas"].items():
        text = json.dumps(schema, ensure_ascii=False, indent=2)
        yield f'<h2 id="{escape(name)}">{escape(name)}</h2><pre>{escape(text)}</pre>'
