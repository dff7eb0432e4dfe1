"""What goes over the wire between the page and the server: one model per JSON object, described in the OpenAPI document.

Angles in degrees (azimuth positive to the left, elevation up), metres, seconds. Requests refuse unknown keys.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from twnm.scene import Scene
from twnm.studio.sketch import Sketch

MatrixRow = list[float]
Text = Annotated[str, Field(max_length=2000)]


class Request(BaseModel):
    """A body that a client sends."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Fault(BaseModel):
    """Why a request was refused: a code for programs, a sentence for people, the id under which the server's log has it."""

    code: str
    message: str
    request_id: str


class Refusal(BaseModel):
    """The body of every answer that is not a success."""

    error: Fault


class Object(BaseModel):
    """A sound object, heard (`o0`, `o1`, ...) or true (`t0`, ...). `matches` is the object of the other kind that it stands for, `off_deg` the angle between
    them. Directions come every 100 ms: number k is that of `onset_s` + (k + 0.5) · 0.1 s. What else the model says of an object is passed on as it is."""

    model_config = ConfigDict(extra="allow")

    id: str
    label: str
    spoken: str
    colour: str
    confidence: float
    onset_s: float
    offset_s: float
    azimuth_deg: float
    elevation_deg: float
    distance_m: float
    distance_low_m: float
    distance_high_m: float
    distance_spread: float
    azimuths_deg: list[float]
    elevations_deg: list[float]
    matches: str | None = None
    off_deg: float | None = None


class RoomHeard(BaseModel):
    """A room: reverberation time and volume, None where they are not known. What else the model says of a room is passed on as it is."""

    model_config = ConfigDict(extra="allow")

    rt60_s: float | None
    volume_m3: float | None


class Truth(BaseModel):
    """What is true of a recording."""

    objects: list[Object]
    room: RoomHeard


class Waveform(BaseModel):
    """Least and greatest sample of each channel in equal parts of the recording."""

    channels: list[str]
    min: list[MatrixRow]
    max: list[MatrixRow]


class Question(BaseModel):
    """A suggestion."""

    question: str
    options: list[str]


class RecordingMessage(BaseModel):
    """A recording and what was heard in it; `doubts` says in sentences what may be wrong with an uploaded one, as a channel that is silent."""

    id: str
    name: str
    source: Literal["upload", "example", "build", "browse", "twin"]
    duration_s: float
    layout: str
    layout_given: str
    layout_reason: str
    layout_certain: bool
    waveform: Waveform
    objects: list[Object]
    room: RoomHeard
    truth: Truth | None
    scene: Scene | None
    sketch: Sketch | None
    questions: list[Question]
    transform: str
    parent: str | None
    heard_s: float
    note: str | None
    doubts: list[str]


class BuiltMessage(RecordingMessage):
    """A recording that was rendered from a scene, and how long that took."""

    render_s: float


class LayoutRequest(Request):
    """Read the file's channels in another layout."""

    layout: Literal["ambix", "n3d", "fuma", "wxyz"]


class TwinRequest(Request):
    """Turn or mirror a recording: `mirror`, `flip`, `yaw DEGREES`, in this order."""

    transform: Annotated[str, Field(max_length=40)]


class AskRequest(Request):
    """A question about a recording; with options the answer is one of them."""

    question: Annotated[str, Field(min_length=1, max_length=2000)]
    options: Annotated[list[Annotated[str, Field(min_length=1, max_length=300)]], Field(max_length=8)] = []
    start_s: Annotated[float | None, Field(ge=0)] = None


class EvidenceMessage(BaseModel):
    """One line of the evidence; times are the recording's. `used`: the question, the reasoning or the answer names it."""

    label: str
    sector: str
    azimuth_deg: float
    elevation_deg: float
    distance_m: float
    onset_s: float
    offset_s: float
    object_id: str | None
    used: bool


class AnswerMessage(BaseModel):
    """An answer and what it rests on. `scores` are log-probabilities of the options; `grounded`: the reasoning names only what was heard."""

    answer: str
    letter: str | None
    options: list[str]
    scores: list[float]
    why: str
    evidence: list[EvidenceMessage]
    evidence_text: str
    text: str
    grounded: bool
    seconds: float
    start_s: float
    heard_s: float


class Example(BaseModel):
    """A scene that can be heard without having a recording."""

    name: str
    title: str
    text: str


class Examples(BaseModel):
    """All examples."""

    examples: list[Example]


class LabelCount(BaseModel):
    """A class of the sound bank and how many clips it has."""

    label: str
    spoken: str
    clips: int


class Sound(BaseModel):
    """A clip of the sound bank."""

    clip: str
    label: str
    spoken: str
    package: str
    licence: str
    duration_s: float
    procedural: bool


class Sounds(BaseModel):
    """A page of the sound bank."""

    page: int
    pages: int
    total: int
    labels: list[LabelCount]
    sounds: list[Sound]


class BuildRequest(Request):
    """What to render: a sketch, or a whole scene; exactly one."""

    sketch: Sketch | None = None
    scene: Scene | None = None


class Built(BaseModel):
    """A scene in both forms; the sketch keeps what the editor can show of it."""

    sketch: Sketch
    scene: Scene


class ModelState(BaseModel):
    """The model that answers."""

    name: str
    ready: bool
    problem: str | None


class LimitsMessage(BaseModel):
    """What the server takes."""

    upload_bytes: int
    duration_s: float
    question_chars: int
    options: int
    recordings: int
    build_duration_s: float
    build_events: int
    queue: int


class Named(BaseModel):
    """Something with a name to choose."""

    id: str
    name: str


class ClassMessage(BaseModel):
    """A class that the model can name."""

    label: str
    spoken: str


class SoundsState(BaseModel):
    """What the sound bank holds."""

    clips: int
    procedural: bool


class BrowseState(BaseModel):
    """A data set or run to browse; `items` is None until its index is made."""

    id: str
    kind: Literal["data", "run"]
    name: str
    items: int | None
    ready: bool
    problem: str | None


class StateMessage(BaseModel):
    """Everything that the page needs to know first."""

    version: str
    model: ModelState
    token_needed: bool
    limits: LimitsMessage
    layouts: list[Named]
    classes: list[ClassMessage]
    colours: list[str]
    transforms: list[Named]
    recipes: list[str]
    sounds: SoundsState
    browse: list[BrowseState]


class Health(BaseModel):
    """Whether the server is well."""

    status: Literal["ok", "stopping"]
    version: str


class SimulateRequest(Request):
    """What to simulate: scene `index` of a seed, drawn from a built-in recipe; or a sketch; or a scene."""

    recipe: Annotated[str, Field(max_length=40)] = "indoor"
    seed: Annotated[int, Field(ge=0, lt=1 << 53)] = 0
    index: Annotated[int, Field(ge=0, lt=1 << 53)] = 0
    sketch: Sketch | None = None
    scene: Scene | None = None


class AudioMessage(BaseModel):
    """Audio in base64."""

    data: str
    format: Literal["wav"]
    channels: int
    sample_rate_hz: int


class Simulated(BaseModel):
    """A simulated scene: four channels of AmbiX, and everything that is true of it."""

    audio: AudioMessage
    scene: Scene


class SceneHeard(BaseModel):
    """What the model heard in a recording."""

    model: str
    duration_s: float
    layout: str
    layout_reason: str
    layout_certain: bool
    objects: list[dict[str, Any]]
    room: RoomHeard
