"""Encoders behind an OpenAI-compatible HTTP interface: OpenAI itself, vLLM, llama-server, Ollama, LM Studio."""

from collections.abc import Sequence

import numpy as np

from rag.embed.rows import unit_rows, well_formed
from rag.errors import ModelUnavailable
from rag.settings import Settings

_OFFICIAL = "https://api.openai.com/v1"
_CONNECT_SECONDS = 5.0
_RETRIES = 2
_BATCH = 64


class OpenAIEmbedder:
    """Passages leave this machine for the server of the settings."""

    # Whatever languages the model knows, the operator chose it for the documents.
    languages: tuple[str, ...] = ()

    def __init__(self, model: str, settings: Settings) -> None:
        """Asks the server for one vector, to learn the dimension and that the key is right.

        Raises ModelUnavailable, with what to do, if it does not answer with one.
        """
        label = f"openai:{model}"
        base_url = (settings.openai_base_url or _OFFICIAL).rstrip("/")
        if base_url == _OFFICIAL and not settings.openai_api_key:
            raise ModelUnavailable(
                f"{label} needs a key: set LACERTA_OPENAI_API_KEY, or LACERTA_OPENAI_BASE_URL for a server of your own."
            )
        import openai

        self._client = openai.OpenAI(
            base_url=base_url,
            api_key=settings.openai_api_key.reveal() or "none",
            timeout=openai.Timeout(settings.model_timeout, connect=min(_CONNECT_SECONDS, settings.model_timeout)),
            max_retries=_RETRIES,
        )
        self._model = model
        self._base_url = base_url
        # Servers may hold different weights under one name.
        self.name = label if base_url == _OFFICIAL else f"{label}@{base_url}"
        self.dimension = 0
        self.dimension = len(self.embed_query("dimension"))

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """(n,) texts to (n, dimension) float32 unit rows. Raises ModelUnavailable if the server fails."""
        parts = [self._request(texts[start : start + _BATCH]) for start in range(0, len(texts), _BATCH)]
        return np.concatenate(parts) if parts else np.zeros((0, self.dimension), np.float32)

    def embed_query(self, text: str) -> np.ndarray:
        """One text to (dimension,) float32, unit length. Raises ModelUnavailable if the server fails."""
        row: np.ndarray = self._request([text])[0]
        return row

    def _request(self, texts: Sequence[str]) -> np.ndarray:
        import openai

        # The server refuses an empty input; base64, the client's default, is unknown to other servers.
        inputs = [well_formed(text) if text.strip() else "-" for text in texts]
        try:
            response = self._client.embeddings.create(model=self._model, input=inputs, encoding_format="float")
            found = {item.index: item.embedding for item in response.data}
            if sorted(found) != list(range(len(inputs))):
                raise ModelUnavailable(
                    f"{self.name} returned {len(response.data)} vectors for {len(inputs)} texts. Check that"
                    f" {self._base_url} serves embeddings."
                )
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            raise ModelUnavailable(
                f"{self._base_url} refuses the key for openai:{self._model} ({error.status_code}): set"
                " LACERTA_OPENAI_API_KEY to a valid one."
            ) from error
        except openai.NotFoundError as error:
            raise ModelUnavailable(
                f"{self._base_url} knows no embedding model {self._model!r}: name another one in LACERTA_EMBEDDER."
            ) from error
        except openai.APIStatusError as error:
            raise ModelUnavailable(
                f"{self._base_url} answered {error.status_code} to openai:{self._model}: {error.message[:200]}"
            ) from error
        except openai.APIConnectionError as error:
            raise ModelUnavailable(
                f"{self._base_url} cannot be reached for openai:{self._model}: check LACERTA_OPENAI_BASE_URL and the"
                " network."
            ) from error
        except (openai.OpenAIError, AttributeError, TypeError, ValueError) as error:
            raise ModelUnavailable(
                f"{self._base_url} did not answer openai:{self._model} with embeddings: {error}"
            ) from error
        return unit_rows([found[place] for place in range(len(inputs))], self.name, self.dimension)
