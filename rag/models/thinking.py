"""The reasoning that some models write before their answer, taken out of a stream. Knows no model by name."""

# How each block begins and ends: Qwen and DeepSeek, others alike, Mistral, Cohere; the last ones are the channels of
# gpt-oss, whose answer is a channel too. Without an end, the beginning alone is dropped.
_BLOCKS = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "<reasoning>": "</reasoning>",
    "[think]": "[/think]",
    "<|start_thinking|>": "<|end_thinking|>",
    "<|start|>assistant": "",
    "<|channel|>analysis<|message|>": "<|channel|>final<|message|>",
    "<|channel|>final<|message|>": "",
}
# The end of a block that began in the prompt: some chat templates open it there. It stands on a line of its own.
_STRAY = ("\n</think>\n", "\n</thinking>\n")


class Thinking:
    """A filter for one generation, fed with its pieces in order, wherever a tag may be cut.

    Blocks count at the beginning only: the same tags further on are the answer's text, so that a document that is
    quoted can't hide what stands behind it. `begun`: the reasoning began in the prompt; if it never ends, it was the
    answer after all. `stray` is then, and only then, the number of characters given out that turned out to be reasoning
    whose beginning was never seen, 0 where all of them are the answer's.
    """

    def __init__(self, begun: bool = False) -> None:
        self.stray = 0
        self._started = False
        self._end = "</think>" if begun else ""
        # All that was withheld, if it may have to be given out yet; else only what may be the beginning of a tag.
        self._held = ""
        self._whole = begun
        self._given = 0
        self._last = "\n"

    def feed(self, piece: str) -> str:
        """What of the answer is certain now; empty while the model reasons."""
        text = self._held + piece
        self._held = ""
        while text and not self._started:
            if self._end:
                inside, found, rest = _partition(text, self._end)
                if not found:
                    self._held = text if self._whole else inside[-len(self._end) :]
                    return ""
                self._end, self._whole, text = "", False, rest
                continue
            text = text.lstrip()
            lower = text.lower()
            begins = next((tag for tag in _BLOCKS if lower.startswith(tag)), None)
            if begins:
                self._end, text = _BLOCKS[begins], text[len(begins) :]
            elif any(tag.startswith(lower) for tag in _BLOCKS):
                self._held = text
                return ""
            else:
                self._started = True
        return self._give(text)

    def finish(self) -> str:
        """What was withheld and is the answer's after all, once the generation has ended."""
        rest = self._held if self._whole or not self._end else ""
        self._held = ""
        return self._give(rest.lstrip()) if not self._started else ""

    def _give(self, text: str) -> str:
        # A tag may lie across pieces: the end of the last one is looked at again.
        seen = self._last + text
        for tag in _STRAY:
            place = seen.lower().find(tag)
            if place >= 0:
                self.stray = self._given + place + len(tag) - len(self._last)
        self._given += len(text)
        self._last = seen[-len(_STRAY[-1]) + 1 :]
        return text


def _partition(text: str, tag: str) -> tuple[str, bool, str]:
    place = text.lower().find(tag)
    return (text, False, "") if place < 0 else (text[:place], True, text[place + len(tag) :])
