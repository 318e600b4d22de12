"""A model's window of tokens, and texts shortened to what is left of it. Knows nothing of what the texts are for."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

# What chat templates put around a message, and once around a conversation: a date, an empty thought, the first token.
# Counted as plain text the frame is never fewer tokens than the single ones that templates use.
_FRAME = "<|im_start|>assistant\n<|im_end|>\n"
_CONVERSATION_TOKENS = 64
# No tokenizer has that many characters a token over any length of prose: longer texts need not be counted.
_CHARACTERS_A_TOKEN = 16


@dataclass(frozen=True, slots=True)
class Window:
    """`budget` tokens for a whole prompt, as `count_tokens` counts them."""

    budget: int
    count_tokens: Callable[[str], int]

    @property
    def characters(self) -> int:
        """No text with more characters than this fits."""
        return max(self.budget, 0) * _CHARACTERS_A_TOKEN

    def count(self, text: str) -> int:
        """Tokens of a text; some number over the budget, without counting, where it is far too long."""
        return self.budget + 1 if len(text) > self.characters else self.count_tokens(text)

    def frame(self) -> int:
        """Tokens around each message."""
        return self.count_tokens(_FRAME)

    def size(self, messages: "Iterable[BaseMessage]") -> int:
        """At least the tokens of the messages in the model's chat template."""
        texts = [str(message.text) for message in messages]
        return _CONVERSATION_TOKENS + len(texts) * self.frame() + sum(self.count(text) for text in texts)

    def longest(self, text: str, room: int, least: int, render: Callable[[str], str]) -> str | None:
        """The most of a text's beginning that, rendered, takes at most `room` tokens.

        None where that is fewer than `least` characters, but for a shorter text that fits as a whole.
        """
        part = shorten(text, self.characters)
        while (needed := self.count(render(part))) > room:
            # What the rendering adds stays, so several steps are needed; each is a little shorter than it should be.
            length = min(int(len(part) * max(room, 0) / needed * 0.97), len(part) - 1)
            if length < least:
                return None
            part = shorten(text, length)
        return part


def shorten(text: str, characters: int) -> str:
    """The beginning of a text, at most so many characters (at least 1), with an ellipsis where something was cut."""
    if len(text) <= characters:
        return text
    cut = text[: max(characters - 1, 0)]
    words = cut.rsplit(None, 1)[0] if cut.strip() else ""
    # A text without spaces is cut inside a word.
    return (words if len(words) * 3 > len(cut) else cut).rstrip() + "…"
