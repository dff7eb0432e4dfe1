"""What the model says of a recording, and its answers, in the words of the page. Everything here that uses the model runs in the worker's thread."""

import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float32

from twnm.ambisonics import angle_between_deg, unit_vector
from twnm.model.hear import WINDOW_S, HeardObject
from twnm.model.hearing import HeardScene, choose_window
from twnm.model.twnm import Answer, Listening, Twnm
from twnm.plot import colour_of
from twnm.questions.evidence import Heard, parse_evidence, sector8
from twnm.report import pair_up
from twnm.scene import Event, Scene
from twnm.sounds.classes import spoken
from twnm.studio.messages import AnswerMessage, EvidenceMessage, Object, RoomHeard
from twnm.studio.recordings import Recording

_LISTENINGS: Final = 8
_SAME_PLACE_DEG: Final = 30.0
_MOST_STEPS: Final = 36_000
Foa = Float32[np.ndarray, "4 samples"]


class Ears:
    """A model with what it read last, so that several questions about a recording are heard once."""

    def __init__(self, model: Twnm) -> None:
        self.model = model
        self._read: OrderedDict[tuple[str, float], Listening] = OrderedDict()

    def hear(self, foa: Foa) -> tuple[HeardScene, float]:
        """The objects of a recording, and the seconds that took."""
        began = time.perf_counter()
        heard = self.model.scene(foa)
        return heard, time.perf_counter() - began

    def ask(
        self, key: str, foa: Foa, question: str, options: tuple[str, ...], start_s: float | None, told: Callable[[float, Listening], None] | None = None
    ) -> Answer:
        """Answer a question about 5 s of a recording, the loudest or those from `start_s`.

        `key` names the recording, "" one that is asked about only once; `told` is called when it has been heard, with where the 5 s begin. Raises
        InputError for a start beyond the end.
        """
        began = time.perf_counter()
        start, window = choose_window(foa, start_s)
        listening = self._listen(key, start, window)
        if told is not None:
            told(start, listening)
        given = self.model.answer(listening, question.strip(), options)
        return replace(given, seconds=time.perf_counter() - began, start_s=start)

    def _listen(self, key: str, start_s: float, window: Foa) -> Listening:
        name = key, start_s
        listening = self._read.pop(name, None)
        if listening is None:
            listening = self.model.listen(torch.from_numpy(np.ascontiguousarray(window)))
        if key:
            self._read[name] = listening
            if len(self._read) > _LISTENINGS:
                self._read.popitem(last=False)
        return listening


def heard_objects(heard: HeardScene) -> list[Object]:
    """What was heard, object i in colour i."""
    return [_heard_object(number, item) for number, item in enumerate(heard.objects)]


def _heard_object(number: int, item: HeardObject) -> Object:
    spread = item.distance_spread
    shown = {
        "id": f"o{number}",
        "spoken": spoken(item.label),
        "colour": colour_of(number),
        "distance_low_m": _figure(item.distance_m * math.exp(-spread)),
        "distance_high_m": _figure(item.distance_m * math.exp(spread)),
    }
    told = {name: value for name, value in asdict(item).items() if name != "chances"}
    motion = getattr(item, "motion", None)  # a word for how it moves, from models that follow distances
    return Object.model_validate(plain(told) | shown | ({} if motion is None else {"motion": motion}))


def heard_room(heard: HeardScene) -> RoomHeard:
    """What was heard of the room."""
    return RoomHeard.model_validate(plain(asdict(heard.room)))


def plain(value: Any) -> Any:
    """Plain data with figures of four decimals, as JSON has it; None for what is no number."""
    if isinstance(value, dict):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(part) for part in value]
    if isinstance(value, (float, np.floating)):
        return round(float(value), 4) if math.isfinite(value) else None
    return value


def _figure(value: float) -> float:
    return round(value, 4) if math.isfinite(value) else 0.0


def true_objects(scene: Scene, heard: Sequence[Object] = ()) -> list[Object]:
    """What is true of a scene; an object has the colour of the heard one that stands for it. Both are told of one another (`matches`, `off_deg`)."""
    truths = [_true_object(scene, number, event, len(heard)) for number, event in enumerate(scene.events)]
    for true_index, heard_index in pair_up([_as_heard(one) for one in truths], [_as_heard(one) for one in heard]).items():
        true, found = truths[true_index], heard[heard_index]
        off_deg = angle_between_deg(unit_vector(true.azimuth_deg, true.elevation_deg), unit_vector(found.azimuth_deg, found.elevation_deg))
        true.matches, found.matches, true.colour = found.id, true.id, found.colour
        true.off_deg = found.off_deg = round(float(off_deg), 1)
    return truths


def _true_object(scene: Scene, number: int, event: Event, after: int) -> Object:
    azimuth_deg, elevation_deg, distance_m = (_figure(value) for value in scene.place(event))
    track = scene.track(event)
    steps = np.flatnonzero(track.active)[:_MOST_STEPS]
    return Object(
        id=f"t{number}",
        label=event.label,
        spoken=spoken(event.label),
        colour=colour_of(after + number),
        confidence=1.0,
        onset_s=event.onset_s,
        offset_s=event.offset_s,
        azimuth_deg=azimuth_deg,
        elevation_deg=elevation_deg,
        distance_m=distance_m,
        distance_low_m=distance_m,
        distance_high_m=distance_m,
        distance_spread=0.0,
        azimuths_deg=np.round(track.azimuth_deg[steps], 1).tolist(),
        elevations_deg=np.round(track.elevation_deg[steps], 1).tolist(),
    )


def _as_heard(item: Object) -> Heard:
    return Heard(item.spoken, item.azimuth_deg, item.elevation_deg, item.distance_m, item.onset_s, item.offset_s)


def evidence_of(text: str, start_s: float, objects: Sequence[Object], said: str = "") -> list[EvidenceMessage]:
    """The lines of a model's evidence about 5 s from `start_s`; `said` are question, reasoning and answer, in which a name counts as used."""
    lines = []
    for it in parse_evidence(text) or ():
        lines.append(
            EvidenceMessage(
                label=it.label,
                sector=sector8(it.azimuth_deg),
                azimuth_deg=it.azimuth_deg,
                elevation_deg=it.elevation_deg,
                distance_m=it.distance_m,
                onset_s=round(it.onset_s + start_s, 2),
                offset_s=round(it.offset_s + start_s, 2),
                object_id=_same_object(it, start_s, objects),
                used=_named(it.label, said),
            )
        )
    return lines


def _named(label: str, said: str) -> bool:
    """Whether a text names a class, or a word of its name ("the phone" for "phone or alarm")."""
    words = [word for word in re.findall(r"[a-z]+", label.lower()) if word not in ("or", "of")]
    return any(re.search(rf"\b{re.escape(word)}s?\b", said.lower()) for word in words)


def _same_object(it: Heard, start_s: float, objects: Sequence[Object]) -> str | None:
    """The object of the recording that a line of evidence is about: overlapping times, the nearest direction within 30°, rather one of the same name.

    A question may call an object otherwise than it was heard.
    """
    near = []
    for one in objects:
        together = one.onset_s < it.offset_s + start_s + 0.1 and it.onset_s + start_s < one.offset_s + 0.1
        off_deg = float(angle_between_deg(unit_vector(it.azimuth_deg, it.elevation_deg), unit_vector(one.azimuth_deg, one.elevation_deg)))
        if together and (off_deg <= _SAME_PLACE_DEG or (len(one.azimuths_deg) > 10 and _passes(it, one))):
            near.append((one.spoken != it.label, off_deg, one.id))
    return min(near)[2] if near else None


def _passes(it: Heard, one: Object) -> bool:
    """Whether a moving object comes near the place of a line of evidence."""
    way = unit_vector(np.array(one.azimuths_deg), np.array(one.elevations_deg))
    return bool(np.min(angle_between_deg(way, unit_vector(it.azimuth_deg, it.elevation_deg))) <= _SAME_PLACE_DEG)


def answer_message(answer: Answer, question: str, options: Sequence[str], recording: Recording) -> AnswerMessage:
    """An answer as the page shows it."""
    said = " ".join((question, answer.why, answer.answer))
    evidence = evidence_of(answer.evidence, answer.start_s, heard_objects(recording.heard), said)
    return AnswerMessage(
        answer=answer.answer,
        letter=answer.letter,
        options=list(options),
        scores=[_figure(float(score)) for score in answer.scores],
        why=answer.why,
        evidence=evidence,
        evidence_text=answer.evidence,
        text=answer.text,
        grounded=answer.grounded,
        seconds=round(answer.seconds, 3),
        start_s=answer.start_s,
        heard_s=min(WINDOW_S, recording.heard.duration_s),
    )
