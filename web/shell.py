"""The parts of the page that its own modules fill, as HTML: empty until a browser runs them."""

from html import escape

from web.texts import texts


def skip_html(language: str) -> str:
    """The first link of the page, to where a question is typed."""
    return f'<a class="skip" href="#question">{escape(texts(language)["chat_skip"])}</a>'


def modes_html(language: str) -> str:
    """The switch between the chat and the search."""
    strings = texts(language)
    return (
        f'<div id="modes" role="tablist" aria-label="{escape(strings["chat_modes"])}">'
        f'<button type="button" role="tab" id="mode-chat" data-mode="chat" aria-selected="true" '
        f'aria-controls="talk">{escape(strings["chat_mode_chat"])}</button>'
        f'<button type="button" role="tab" id="mode-search" data-mode="search" aria-selected="false" tabindex="-1" '
        f'aria-controls="search">{escape(strings["chat_mode_search"])}</button></div>'
    )


def slot_html(identifier: str) -> str:
    """An empty element that a module fills."""
    return f'<div id="{identifier}"></div>'


def standing_html() -> str:
    """What is said above the conversation, and what only a screen reader says."""
    return '<div id="standing" role="status"></div><div id="announced" class="unseen" role="status"></div>'


def side_html(language: str) -> str:
    """The panel of conversations."""
    title = escape(texts(language)["chat_conversations"])
    return f'<nav id="conversations" aria-label="{title}"></nav>'
