"""Requests and responses of the interface: OpenAI's fields, and beside them `lacerta`, what only this program tells."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from rag import filters
from rag.feedback import COMMENT_CHARACTERS, CORRECTION_CHARACTERS

LANGUAGE = Literal["en", "hu", "ko"]


def _whole(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair is no character") from None
    return text


def _integral(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_integral)
"""To JSON 2.0 is an integer."""
Positive = Annotated[int, Field(ge=1), WHOLE]
Text = Annotated[str, AfterValidator(_whole)]
"""JSON can hold what no other text can."""
Name = Annotated[Text, StringConstraints(min_length=1, max_length=300)]
Filters = Annotated[
    # Another name is refused where the filters are read, for every way in.
    dict[Text, Text], Field(max_length=10, json_schema_extra={"propertyNames": {"enum": list(filters.NAMES)}})
]


class Schema(BaseModel):
    """Values have the type that they should have; fields that are not known are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore")


def _without(what: str) -> AfterValidator:
    def check(value: Any) -> Any:
        if value:
            raise ValueError(f"{what} can't be used here: answers are written from the documents of a domain alone")
        return value

    return AfterValidator(check)


class TextPart(Schema):
    """A part of a message; pictures, sound and files are refused."""

    type: Literal["text"]
    text: Text


class Message(Schema):
    """Messages of `system` and `developer` are accepted and have no effect."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Text | list[TextPart] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""


class StreamOptions(Schema):
    include_usage: bool = False


class ResponseFormat(Schema):
    type: Literal["text"]


class Options(Schema):
    """What only this program takes."""

    language: LANGUAGE | None = Field(None, description="To answer in; without it that of the question.")
    filters: Filters = Field({}, description="Which documents count, as of `/v1/search`.")
    fresh: bool = Field(False, description="A new answer, even where there is one to the same question.")


Tools = Annotated[list[Any] | None, _without("Tools"), Field(json_schema_extra={"maxItems": 0})]
StopText = Annotated[Text, StringConstraints(min_length=1, max_length=200)]


class ChatRequest(Schema):
    """OpenAI's parameters that are not named here are ignored."""

    model: Name = Field(description="`domain`, or `domain@model`.", examples=["space", "space@extractive"])
    messages: list[Message] = Field(
        min_length=1,
        max_length=1000,
        description="The last one is the question, those before it the conversation.",
        examples=[[{"role": "user", "content": "How large is the mirror of the James Webb Space Telescope?"}]],
    )
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    temperature: float | None = Field(None, ge=0, le=2, allow_inf_nan=False)
    max_tokens: Positive | None = Field(None, description="Within `LACERTA_ANSWER_TOKENS`.")
    max_completion_tokens: Positive | None = Field(None, description="The newer name of `max_tokens`.")
    stop: StopText | Annotated[list[StopText], Field(max_length=4)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63), WHOLE] | None = None
    n: Annotated[int, Field(ge=1, le=1), WHOLE] | None = 1
    tools: Tools = None
    functions: Tools = None
    tool_choice: Literal["none", "auto"] | None = None
    logprobs: Annotated[
        bool | None, _without("Log probabilities"), Field(json_schema_extra={"enum": [False, None]})
    ] = None
    response_format: ResponseFormat | None = None
    modalities: list[Literal["text"]] | None = None
    lacerta: Options | None = None


class Citation(Schema):
    """`quote` is an exact part of the page's text; `source` the document's path. All of it is plain text."""

    number: int
    source: str
    title: str
    page: int
    quote: str


class Failure(Schema):
    model: str
    reason: str


class Details(Schema):
    """The checked answer's evidence. In the last chunk of a stream `text` is the checked answer, which replaces the
    deltas: their citations may have been mended."""

    citations: list[Citation]
    confidence: float
    answerable: bool
    language: str
    model: str
    failures: list[Failure]
    notices: list[str]
    question: str = Field(description="What was searched for, where that is not what was asked.")
    unsupported: int = Field(description="How many sentences no passage bears out, marked `[?]`.")
    usage_estimated: bool = Field(description="Whether some count of `usage` is an estimate.")
    cached: bool = Field(description="Whether this answer was given before, to the same question; it cost no tokens.")
    text: str | None = None


class CachedTokens(Schema):
    cached_tokens: int


class Usage(Schema):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: CachedTokens


class AssistantMessage(Schema):
    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class Choice(Schema):
    index: int = 0
    message: AssistantMessage
    finish_reason: Literal["stop", "length"]
    logprobs: None = None


class ChatCompletion(Schema):
    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    lacerta: Details


class DomainDetails(Schema):
    title: dict[str, str]
    description: dict[str, str]
    languages: list[str]
    ready: bool = Field(description="Whether there is an index.")


class Model(Schema):
    id: str
    object: Literal["model"] = "model"
    created: int = Field(description="When the domain's index last changed; 0 where there is none.")
    owned_by: Literal["lacerta"] = "lacerta"
    lacerta: DomainDetails


class ModelList(Schema):
    object: Literal["list"] = "list"
    data: list[Model]


Passage = Annotated[Text, StringConstraints(min_length=1)]


class EmbeddingRequest(Schema):
    model: Name = Field(description="The embedder of the settings.", examples=["balanced"])
    input: Passage | Annotated[list[Passage], Field(min_length=1, max_length=2048)] = Field(
        description="Texts; lists of token numbers are refused."
    )
    encoding_format: Literal["float", "base64"] | None = "float"
    dimensions: Positive | None = Field(None, description="Only the embedder's own number.")
    input_type: Literal["passage", "query"] = Field(
        "passage", description="Some embedders turn questions and passages into vectors in different ways."
    )


class Embedding(Schema):
    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingUsage(Schema):
    prompt_tokens: int
    total_tokens: int


class EmbeddingList(Schema):
    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage = Field(description="Estimated.")


class SearchRequest(Schema):
    domain: Name = Field(examples=["space"])
    query: Text = Field(examples=["gravitational wave detector"])
    k: Annotated[int, Field(ge=1, le=100), WHOLE] = 10
    filters: Filters = Field(
        {}, description="`language`, `source`, `kind`, `date`, `document`.", examples=[{"language": "hu"}]
    )
    language: LANGUAGE = Field("en", description="Of what an error says.")


class Hit(Schema):
    """`page` and `last_page` are 1-based; a form feed stands in `text` where a page ends."""

    rank: int
    score: float
    document: str
    title: str
    page: int
    last_page: int
    language: str
    text: str
    also: list[str]
    ranks: dict[str, int]
    features: dict[str, float]


class SearchResult(Schema):
    """`confidence`, from 0 to 1, is how sure it is that the hits answer the query; `timings` are seconds."""

    language: str
    confidence: float
    hits: list[Hit]
    timings: dict[str, float]


class FeedbackRequest(Schema):
    id: str = Field(description="The `id` of a chat completion.", pattern="^chatcmpl-[0-9a-f]{32}$")
    rating: Literal["up", "down"]
    reason: Literal["", "wrong", "incomplete", "source", "refused", "outdated", "language", "other"] = Field(
        "", description="Why; `source`: the passage cited does not say so, `refused`: it should have been answered."
    )
    comment: Text = Field("", max_length=COMMENT_CHARACTERS)
    correction: Text = Field("", max_length=CORRECTION_CHARACTERS, description="What would have been right.")


class FeedbackKept(Schema):
    id: str
    object: Literal["feedback"] = "feedback"


class IngestStatus(Schema):
    """Counts of documents and chunks of the last ingest that made the version that serves."""

    domain: str
    version: str
    created: str
    documents: int
    chunks: int
    added: int | None = None
    updated: int | None = None
    unchanged: int | None = None
    removed: int | None = None
    renamed: int | None = None
    failed: int | None = None
    warnings: int | None = None
    embedded: int | None = None


class ErrorDetail(Schema):
    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(Schema):
    error: ErrorDetail
