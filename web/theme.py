"""The page's look: Gradio's theme variables made of our tokens, and the switch between light and dark."""

from collections.abc import Mapping
from html import escape
from pathlib import Path

import gradio as gr

STATIC = Path(__file__).parent / "static"
# static/css/tokens.css is where colours stand, light and dark; it is loaded before Gradio's own style sheets.
VARIABLES = {
    "body_background_fill": "--page",
    "body_text_color": "--ink",
    "body_text_color_subdued": "--muted",
    "background_fill_primary": "--surface",
    "background_fill_secondary": "--sunken",
    "block_background_fill": "",
    "block_label_text_color": "--muted",
    "block_title_text_color": "--ink",
    "block_info_text_color": "--muted",
    "border_color_primary": "--line",
    "border_color_accent": "--accent",
    "border_color_accent_subdued": "--soft",
    "color_accent": "--accent",
    "color_accent_soft": "--soft",
    "link_text_color": "--link",
    "link_text_color_hover": "--link",
    "link_text_color_active": "--link",
    "link_text_color_visited": "--link",
    "input_background_fill": "--surface",
    "input_background_fill_focus": "--surface",
    "input_border_color": "--edge",
    "input_border_color_focus": "--focus",
    "input_border_color_hover": "--edge",
    "input_placeholder_color": "--muted",
    "button_primary_background_fill": "--accent",
    "button_primary_background_fill_hover": "--accent-strong",
    "button_primary_text_color": "--on-accent",
    "button_primary_text_color_hover": "--on-accent",
    "button_primary_border_color": "--accent",
    "button_primary_border_color_hover": "--accent-strong",
    "button_secondary_background_fill": "--hover",
    "button_secondary_background_fill_hover": "--line",
    "button_secondary_text_color": "--ink",
    "button_secondary_text_color_hover": "--ink",
    "button_secondary_border_color": "--edge",
    "button_secondary_border_color_hover": "--edge",
    "checkbox_background_color": "--surface",
    "checkbox_background_color_selected": "--accent",
    "checkbox_border_color": "--edge",
    "checkbox_border_color_hover": "--edge",
    "checkbox_border_color_focus": "--focus",
    "checkbox_border_color_selected": "--accent",
    "checkbox_label_background_fill": "",
    "checkbox_label_background_fill_hover": "--hover",
    "checkbox_label_background_fill_selected": "--soft",
    "checkbox_label_text_color": "--ink",
    "checkbox_label_text_color_selected": "--ink",
    "checkbox_label_border_color": "--edge",
    "checkbox_label_border_color_hover": "--edge",
    "error_background_fill": "--bad",
    "error_border_color": "--bad-ink",
    "error_text_color": "--bad-ink",
    "error_icon_color": "--bad-ink",
    "code_background_fill": "--sunken",
    "loader_color": "--accent",
    "stat_background_fill": "--soft",
    "slider_color": "--accent",
    "panel_background_fill": "--sunken",
    "panel_border_color": "--line",
    "accordion_text_color": "--ink",
    "block_border_color": "--line",
    "block_label_background_fill": "--surface",
    "block_label_border_color": "--line",
    "block_title_background_fill": "",
    "block_title_border_color": "",
    "button_cancel_background_fill": "--hover",
    "button_cancel_background_fill_hover": "--line",
    "button_cancel_text_color": "--ink",
    "button_cancel_text_color_hover": "--ink",
    "button_cancel_border_color": "--edge",
    "button_cancel_border_color_hover": "--edge",
    "checkbox_background_color_focus": "--surface",
    "checkbox_background_color_hover": "--surface",
    "checkbox_label_border_color_selected": "--accent",
    "input_background_fill_hover": "--surface",
    "table_border_color": "--line",
    "table_even_background_fill": "--surface",
    "table_odd_background_fill": "--sunken",
    "table_row_focus": "--soft",
    "table_text_color": "--ink",
}
"""What Gradio calls a colour, and our token for it; nothing where it is to be seen through."""
_ICONS = {
    "system": '<path d="M4 5h16v11H4zM9 20h6M12 16v4"/>',
    "light": '<circle cx="12" cy="12" r="4"/><path d="M12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6 7 7M17 17l1.4 1.4"/>'
    '<path d="M5.6 18.4 7 17M17 7l1.4-1.4"/>',
    "dark": '<path d="M20 14.5A8 8 0 0 1 9.5 4 8 8 0 1 0 20 14.5z"/>',
}  # fmt: skip


def theme() -> gr.themes.Base:
    """Gradio's base theme in our tokens, the same ones light and dark: the tokens are what changes."""
    colors = {name: f"var({token})" if token else "transparent" for name, token in VARIABLES.items()}
    known = gr.themes.Base().__dict__
    dark = {f"{name}_dark": value for name, value in colors.items() if f"{name}_dark" in known}
    fonts = gr.themes.Base(
        text_size=gr.themes.sizes.text_md,
        radius_size=gr.themes.sizes.radius_lg,
        font=[_Stack("letters")],
        font_mono=[_Stack("fixed")],
    )
    return fonts.set(
        **colors, **dark, block_border_width="0px", block_shadow="none", block_padding="0px", input_border_width="1px",
        button_primary_shadow="none", button_secondary_shadow="none", input_shadow="none", input_shadow_focus="none",
    )  # fmt: skip


def switch_html(strings: Mapping[str, str]) -> str:
    """The button that goes from the system's look to light to dark; static/js/theme.js listens to it.

    It holds all three names and pictures, of which the style sheet shows that which holds.
    """
    names = "".join(
        f'<span class="choice {choice}"><svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true">{icon}</svg>'
        f'<span class="unseen">{escape(strings[f"theme_{choice}"])}</span></span>'
        for choice, icon in _ICONS.items()
    )
    return f'<button type="button" id="theme" class="tool">{names}</button>'


class _Stack(gr.themes.Font):
    """A token that holds a list of fonts."""

    def __str__(self) -> str:
        return f"var(--{self.name})"
