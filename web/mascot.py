"""Lacerta, the page's lizard, as HTML. She says nothing that words beside her do not."""

from typing import Literal

Pose = Literal["hello", "thinking", "found", "sorry"]


def mascot_html(pose: Pose) -> str:
    """Her picture in one of the poses that static/lizard-whole.svg holds."""
    return f'<img class="mascot {pose}" src="/static/lizard-whole.svg#{pose}" alt="" width="160" height="160">'
