"""The page's look: Gradio's theme variables in the project's colours, with the visitor's own fonts only."""

from pathlib import Path

import gradio as gr

STATIC = Path(__file__).parent / "static"
# System fonts, then those that carry Hangul where the system font does not. Nothing is fetched.
FONTS = (
    "system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "Apple SD Gothic Neo", "Malgun Gothic",
    "Noto Sans KR", "Noto Sans CJK KR", "NanumGothic", "sans-serif",
)  # fmt: skip
GREEN = gr.themes.Color(
    name="lizard", c50="#f0f7f2", c100="#dcede1", c200="#bbdcc6", c300="#8ec4a2", c400="#5ea67b", c500="#3c895d",
    c600="#2b6e49", c700="#24583c", c800="#1f4731", c900="#1b3b2a", c950="#0d2117",
)  # fmt: skip
STONE = gr.themes.Color(
    name="stone", c50="#f8f8f5", c100="#f0f0eb", c200="#e2e2da", c300="#cbcbc0", c400="#9c9c90", c500="#6f6f65",
    c600="#55554d", c700="#42423c", c800="#2a2b27", c900="#1c1d1a", c950="#131412",
)  # fmt: skip


def theme() -> gr.themes.Base:
    """Calm colours in light and dark; which of them is shown, the browser says."""
    return gr.themes.Base(
        primary_hue=GREEN,
        secondary_hue=GREEN,
        neutral_hue=STONE,
        text_size=gr.themes.sizes.text_md,
        radius_size=gr.themes.sizes.radius_lg,
        font=[gr.themes.Font(name) for name in FONTS],
        font_mono=[gr.themes.Font(name) for name in ("ui-monospace", "Consolas", "Noto Sans Mono", "monospace")],
    ).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        body_text_color="*neutral_900",
        body_text_color_dark="*neutral_100",
        body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_shadow="none",
        block_padding="0px",
        color_accent_soft="*primary_100",
        color_accent_soft_dark="*primary_900",
        border_color_primary="*neutral_200",
        border_color_primary_dark="*neutral_800",
        input_background_fill="white",
        input_background_fill_dark="*neutral_900",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_700",
        input_border_width="1px",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_500",
        button_primary_text_color="white",
        button_secondary_background_fill="*neutral_100",
        button_secondary_background_fill_hover="*neutral_200",
        button_secondary_background_fill_dark="*neutral_800",
        button_secondary_background_fill_hover_dark="*neutral_700",
        link_text_color="*primary_700",
        link_text_color_dark="*primary_300",
    )
