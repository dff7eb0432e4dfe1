"""What all routes share: the model behind its queue, the decoder, the sound bank, the recordings that are held, and the sets to browse."""

from dataclasses import dataclass, field
from typing import Any, Final

from twnm import plot
from twnm.errors import InputError
from twnm.model.recording import doubts
from twnm.model.twnm import Twnm
from twnm.plot import colour_of
from twnm.scene import Scene
from twnm.simulate.render import render
from twnm.simulate.sampler import draw_scene
from twnm.sounds.catalogue import Catalogue
from twnm.studio.browse_sets import BrowseSet, open_sets
from twnm.studio.decoder import Decoder
from twnm.studio.guard import Life
from twnm.studio.hearing import Ears, Foa, heard_objects, heard_room, true_objects
from twnm.studio.messages import Question, RecordingMessage, Refusal, RoomHeard, Truth, Waveform
from twnm.studio.pictures import CHANNELS, envelope, figure_png, spectrogram_png
from twnm.studio.recordings import Recording, Recordings, Source
from twnm.studio.refusals import Refused
from twnm.studio.settings import Settings
from twnm.studio.sketch import check_size, sketch_of
from twnm.studio.worker import Worker

MODEL_NAME: Final = "twnm"
REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": Refusal, "description": text}
    for status, text in {
        400: "cannot be used; the message says why",
        401: "the token is missing or wrong",
        403: "called by a foreign name, or from another site's page",
        404: "not here, or not any more",
        408: "the request came too slowly",
        413: "too large",
        415: "of a type that is not taken",
        422: "not of the described form",
        429: "busy; Retry-After says when to come again",
        503: "stopping, or an index is being made; see Retry-After",
        504: "not done within the time limit",
    }.items()
}


@dataclass
class Studio:
    """One server's parts. `model_jobs` alone uses the model; `renders` and `files` keep rendering, pictures and disk away from the event loop."""

    settings: Settings
    ears: Ears
    catalogue: Catalogue
    life: Life
    model_name: str
    model_jobs: Worker
    renders: Worker
    files: Worker
    decoder: Decoder
    recordings: Recordings
    sets: list[BrowseSet] = field(default_factory=list)

    @classmethod
    def of(cls, settings: Settings, model: Twnm, catalogue: Catalogue, model_name: str = "small") -> "Studio":
        """A studio that is not started yet; raises InputError for folders that cannot be browsed."""
        return cls(
            settings=settings,
            ears=Ears(model),
            catalogue=catalogue,
            life=Life(),
            model_name=model_name,
            model_jobs=Worker(settings.queue, settings.time_limit_s),
            renders=Worker(settings.queue, settings.time_limit_s),
            files=Worker(8 * settings.queue, settings.time_limit_s),
            decoder=Decoder(settings.decode_s, settings.decode_bytes, settings.queue),
            recordings=Recordings(settings.recordings, settings.recordings_bytes, settings.recordings_age_s),
            sets=open_sets(settings.data, settings.runs),
        )

    def start(self) -> None:
        """Start threads and the decoder's process, and look whether indexes are there."""
        self.model_jobs.start()
        self.files.start()
        self.renders.start(lambda: _warm_up(self.catalogue))
        self.decoder.start()
        for one in self.sets:
            try:
                one.refresh()
            except Refused:
                continue  # being indexed: whoever opens it is told

    def stop(self) -> None:
        """Finish what is queued and end."""
        for worker in (self.model_jobs, self.renders, self.files):
            worker.stop()
        self.decoder.stop()

    def recording(self, recording_id: str) -> Recording:
        """A recording that is held; raises Refused (404)."""
        return self.recordings.get(recording_id)

    async def keep(self, name: str, source: Source, foa: Foa, **known: Any) -> Recording:
        """Have a recording heard, and hold it."""
        heard, heard_s = await self.model_jobs.run(lambda: self.ears.hear(foa))
        return self.recordings.put(Recording(name=name, source=source, foa=foa, heard=heard, heard_s=heard_s, **known))

    async def render(self, scene: Scene) -> tuple[Foa, Scene]:
        """Render a scene; raises InputError for one that is too much, or that cannot be rendered."""
        check_size(scene, self.settings.build_duration_s, self.settings.build_events)
        return await self.renders.run(lambda: rendered(scene, self.catalogue))


def _warm_up(catalogue: Catalogue) -> None:
    """Have compiled and imported what drawing a scene needs, so that the first client does not wait for it."""
    scene = draw_scene(catalogue, "indoor", 0, 0, "none")
    foa, _ = render(scene, catalogue)
    spectrogram_png(foa[0], "light")
    figure_png(plot.plan(scene))


def rendered(scene: Scene, catalogue: Catalogue) -> tuple[Foa, Scene]:
    """Render; figures that no sound has are the scene's fault."""
    try:
        return render(scene, catalogue)
    except (ArithmeticError, IndexError, MemoryError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"scene {scene.scene_id[:80]} cannot be rendered: its figures are out of the range of sound ({type(error).__name__})") from error


def recording_message(recording: Recording) -> RecordingMessage:
    """A recording as the page gets it."""
    low, high = envelope(recording.foa)
    objects = heard_objects(recording.heard)
    scene = recording.scene
    truth = None
    if scene is not None:
        truth = Truth(objects=true_objects(scene, objects), room=RoomHeard(rt60_s=scene.room.mid_rt60_s, volume_m3=scene.room.volume_m3))
    return RecordingMessage(
        id=recording.recording_id,
        name=recording.name,
        source=recording.source,
        duration_s=recording.heard.duration_s,
        layout=recording.layout,
        layout_given=recording.layout_given,
        layout_reason=recording.layout_reason,
        layout_certain=recording.layout_certain,
        waveform=Waveform(channels=list(CHANNELS), min=low, max=high),
        objects=objects,
        room=heard_room(recording.heard),
        truth=truth,
        scene=scene,
        sketch=None if scene is None else sketch_of(scene),
        questions=[Question(question=one.question, options=list(one.options)) for one in recording.questions],
        transform=recording.transform,
        parent=recording.parent,
        heard_s=round(recording.heard_s, 3),
        note=recording.note,
        doubts=doubts(recording.foa) if recording.source == "upload" else [],
    )


def colours() -> list[str]:
    """The colours of objects, until they repeat."""
    found: list[str] = []
    while (colour := colour_of(len(found))) not in found:
        found.append(colour)
    return found
