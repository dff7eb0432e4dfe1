"""Routes that say what the server is and has: health, state, examples, the sound bank."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Response

import twnm
from twnm.audio import SAMPLE_RATE_HZ
from twnm.simulate.recipe import RECIPES
from twnm.sounds.catalogue import Catalogue, Clip
from twnm.sounds.classes import spoken
from twnm.studio import layout_guess
from twnm.studio.examples import list_examples, make_example
from twnm.studio.messages import (
    BrowseState,
    ClassMessage,
    Examples,
    Health,
    LabelCount,
    LimitsMessage,
    ModelState,
    Named,
    RecordingMessage,
    Sound,
    Sounds,
    SoundsState,
    StateMessage,
)
from twnm.studio.pictures import wav_bytes
from twnm.studio.recording_routes import given
from twnm.studio.studio import REFUSALS, Studio, colours, recording_message

SOUNDS_PER_PAGE: Final = 50
PREVIEW_S: Final = 10.0
TRANSFORMS: Final = {
    "mirror": "left and right exchanged",
    "yaw 90": "turned a quarter to the left",
    "yaw 180": "turned to the back",
    "yaw 270": "turned a quarter to the right",
    "flip": "up and down exchanged",
}


def routes(studio: Studio) -> APIRouter:
    """These routes."""
    router = APIRouter(responses=REFUSALS)

    @router.get("/healthz", tags=["server"], summary="Whether the server is well")
    async def health() -> Health:
        return Health(status="stopping" if studio.life.stopping else "ok", version=twnm.__version__)

    @router.get("/api/state", tags=["page"], summary="Everything that the page needs to know first")
    async def state() -> StateMessage:
        return await studio.files.run(lambda: state_message(studio))

    @router.get("/api/examples", tags=["page"], summary="Scenes that can be heard without having a recording")
    async def examples() -> Examples:
        return Examples(examples=list_examples())

    @router.post("/api/examples/{name}", tags=["page"], summary="Render an example and have it heard")
    async def example(name: str) -> RecordingMessage:
        foa, scene, questions = await studio.renders.run(lambda: make_example(name, studio.catalogue))
        title = next(one.title for one in list_examples() if one.name == name)
        recording = await studio.keep(title, "example", foa, scene=scene, questions=questions)
        return await studio.files.run(lambda: recording_message(recording))

    @router.get("/api/sounds", tags=["build"], summary="The sound bank, by pages of 50")
    async def sounds(
        label: Annotated[str, Query(max_length=80)] = "",
        query: Annotated[str, Query(max_length=200)] = "",
        page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    ) -> Sounds:
        return await studio.files.run(lambda: sounds_page(studio.catalogue, label, query, page))

    @router.get("/api/sounds/audio.wav", tags=["build"], summary="The first 10 s of a clip", response_class=Response, responses=given("audio/wav"))
    async def preview(clip: Annotated[str, Query(max_length=500)]) -> Response:
        found = studio.catalogue.clip(clip)
        return Response(await studio.files.run(lambda: clip_wav(studio.catalogue, found)), media_type="audio/wav")

    return router


def state_message(studio: Studio) -> StateMessage:
    """The state of a server."""
    settings = studio.settings
    limits = {name: getattr(settings, name) for name in LimitsMessage.model_fields if name != "options"}
    clips = studio.catalogue.clips
    return StateMessage(
        version=twnm.__version__,
        model=ModelState(name=studio.model_name, ready=True, problem=None),
        token_needed=bool(settings.token),
        limits=LimitsMessage(options=8, **limits),
        layouts=[Named(id=layout, name=name) for layout, name in layout_guess.NAMES.items()],
        classes=[ClassMessage(label=label, spoken=spoken(label)) for label in studio.ears.model.encoder.config.classes],
        colours=colours(),
        transforms=[Named(id=transform, name=name) for transform, name in TRANSFORMS.items()],
        recipes=list(RECIPES),
        sounds=SoundsState(clips=len(clips), procedural=any(clip.procedural for clip in clips)),
        browse=[
            BrowseState(
                id=one.set_id,
                kind=one.kind,
                name=one.name,
                items=one.index.count() if one.index.there() else None,
                ready=one.index.there(),
                problem=one.problem,
            )
            for one in studio.sets
        ],
    )


def sounds_page(catalogue: Catalogue, label: str, query: str, page: int) -> Sounds:
    """A page of the clips of a class whose class, path or package has every word of a query."""
    words = query.casefold().split()

    def wanted(clip: Clip) -> bool:
        text = f"{spoken(clip.label)} {clip.label} {clip.path} {clip.package}".casefold()
        return (not label or clip.label == label) and all(word in text for word in words)

    found = [clip for clip in catalogue.clips if wanted(clip)]
    shown = found[(page - 1) * SOUNDS_PER_PAGE : page * SOUNDS_PER_PAGE]
    return Sounds(
        page=page,
        pages=max(1, -(-len(found) // SOUNDS_PER_PAGE)),
        total=len(found),
        labels=[LabelCount(label=name, spoken=spoken(name), clips=len(catalogue.of(name))) for name in catalogue.labels],
        sounds=[
            Sound(
                clip=clip.path,
                label=clip.label,
                spoken=spoken(clip.label),
                package=clip.package,
                licence=clip.licence,
                duration_s=round(clip.duration_s, 3),
                procedural=clip.procedural,
            )
            for clip in shown
        ],
    )


def clip_wav(catalogue: Catalogue, clip: Clip) -> bytes:
    """The beginning of a clip, as loud as it may be without clipping at -6 dB."""
    sound = catalogue.read(clip)[: round(PREVIEW_S * SAMPLE_RATE_HZ)]
    peak = float(abs(sound).max(initial=0.0))
    return wav_bytes((sound * (0.5 / max(peak, 1e-6)))[None].astype("float32"))
