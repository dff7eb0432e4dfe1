"""Requests and answers in the form of OpenAI's chat completions, as far as this model can serve them.

Unknown keys are accepted, as by other servers of this interface; keys that would change the answer in a way that is not served are refused.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class OpenModel(BaseModel):
    """A part of a request; unknown keys are passed over."""

    model_config = ConfigDict(extra="ignore")


class InputAudio(OpenModel):
    """A recording: four channels of WAV or FLAC in base64."""

    data: str
    format: Literal["wav", "flac"] = "wav"


class AudioPart(OpenModel):
    """A recording in a message."""

    type: Literal["input_audio"]
    input_audio: InputAudio


class TextPart(OpenModel):
    """Words in a message."""

    type: Literal["text"]
    text: Annotated[str, Field(max_length=20_000)]


class ChatMessage(OpenModel):
    """One message; the question is in the last one of the role `user`."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, Field(max_length=20_000)] | Annotated[list[TextPart | AudioPart], Field(max_length=64)] | None = None


class StreamOptions(OpenModel):
    """Whether the last chunk of a stream counts tokens."""

    include_usage: bool | None = None


class ChatRequest(OpenModel):
    """A question about a recording. `layout` is ours: how the channels of the file are ordered and weighted, `auto` to have it guessed."""

    model: Annotated[str, Field(max_length=200)]
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=64)]
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int | None, Field(ge=1, lt=1 << 31)] = None
    max_completion_tokens: Annotated[int | None, Field(ge=1, lt=1 << 31)] = None
    n: Annotated[int | None, Field(ge=1, le=128)] = 1
    tools: list[Any] | None = None
    modalities: list[str] | None = None
    logprobs: bool | None = None
    response_format: dict[str, Any] | None = None
    layout: Literal["auto", "ambix", "n3d", "fuma", "wxyz"] = "ambix"


class Heard(BaseModel):
    """What is ours in an answer: the parts of the text, and where the heard 5 s begin."""

    answer: str
    letter: str | None
    evidence: str
    why: str
    start_s: float
    layout: str


class AnswerMessage(BaseModel):
    """The answer: evidence, reasoning and answer in their tags; `twnm` has them apart."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None
    twnm: Heard


class Choice(BaseModel):
    """The one choice."""

    index: Literal[0] = 0
    message: AnswerMessage
    finish_reason: Literal["stop", "length"]
    logprobs: None = None


class Usage(BaseModel):
    """Tokens: read (the recording's and the question's) and said."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Completion(BaseModel):
    """A whole answer."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage


class ModelCard(BaseModel):
    """A model that is served."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str


class ModelList(BaseModel):
    """All models: there is one."""

    object: Literal["list"] = "list"
    data: list[ModelCard]


class OpenAIFault(BaseModel):
    """An error in OpenAI's form."""

    message: str
    type: str
    param: str | None
    code: str
    request_id: str


class OpenAIRefusal(BaseModel):
    """The body of every answer under /v1 that is not a success."""

    error: OpenAIFault
