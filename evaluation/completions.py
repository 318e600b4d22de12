"""Short texts by a model, one after the other, as alike each time as can be: for drafts and judgements."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from rag.errors import ConfigurationError, LacertaError
from rag.models import EXTRACTIVE, ChatModel, ModelCache, model_names, public_name
from rag.models.chain import Chain, Generation
from rag.models.failure import ADVICE
from rag.settings import Settings
from rag.types import Sampling

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

SAMPLING = Sampling(temperature=0.0, seed=0)
"""The likeliest words; some hosted models take neither and say something else every time."""
# So many failures in a row are no accident.
_MOST_FAILURES = 3
# Nothing but a person can change these.
_HOPELESS = ("key", "missing", "memory", "unavailable")


class CompletionFailed(LacertaError):
    """A model can't be asked any more."""


class Completions:
    """One model: `name`, or the first one of the settings. `failed` counts what went wrong, by reason.

    Raises ConfigurationError where there is none, or none that can write.
    """

    def __init__(self, settings: Settings, name: str = "", purpose: str = "this") -> None:
        names = model_names(replace(settings, models=(name,)) if name else settings)
        if names[0] == EXTRACTIVE:
            said = "extractive writes nothing of its own" if name else "no model is set but extractive"
            raise ConfigurationError(
                f"For {purpose} a model is needed, and {said}. make model lists models that run here and make model"
                " NAME=... fetches one, then name it: --model gguf:NAME, or --model openai:NAME for a server"
                " (LACERTA_OPENAI_BASE_URL), or in LACERTA_MODELS for good."
            )
        self.name = names[0]
        self.failed: Counter[str] = Counter()
        self._models = ModelCache(settings)
        self._in_a_row = 0

    @property
    def public_name(self) -> str:
        """The model without the folders of its file."""
        return public_name(self.name)

    def complete(self, messages: "Callable[[ChatModel], list[BaseMessage]]") -> str | None:
        """What the model says to the messages, None where it failed or stopped in the middle.

        `messages` makes them for the open model. Raises CompletionFailed where it is of no use to go on.
        """
        # A chain for each: one that failed would let the model rest, and all that is asked meanwhile would fail too.
        generation = Generation()
        chain = Chain((self.name,), self._models)
        text = ""
        for piece in chain.stream(generation, messages, lambda: False, sampling=SAMPLING):
            text += piece if isinstance(piece, str) else ""
        if generation.model == self.name and not generation.interrupted:
            self._in_a_row = 0
            return text[generation.reasoning :]
        reason = generation.interrupted or generation.failures[-1][1]
        self.failed[reason] += 1
        self._in_a_row += 1
        if reason in _HOPELESS or self._in_a_row >= _MOST_FAILURES:
            advice = ADVICE.get(reason, f"{reason}. The log says why.")
            raise CompletionFailed(f"{self.public_name} can't be asked: {advice}")
        return None

    def close(self) -> None:
        """Closes the model."""
        self._models.close()

    def __enter__(self) -> "Completions":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
