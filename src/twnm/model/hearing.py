"""The ears alone: what sounds where, when and how far, in a window or in a recording of any length."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from twnm.audio import SAMPLE_RATE_HZ
from twnm.errors import InputError
from twnm.model.hear import WINDOW_S, HeardObject, HeardRoom, hear_clips, mean_room, read_objects, read_room
from twnm.model.link import later, link, windows
from twnm.model.projector import HeardBatch, summarise_slots
from twnm.model.recording import usable
from twnm.model.semantic import SemanticEncoder
from twnm.model.slots import SlotEncoder, SlotOutput
from twnm.model.turned import QUARTER_TURNS, Pose
from twnm.questions.evidence import Heard
from twnm.sounds.classes import spoken


@dataclass(frozen=True)
class HeardScene:
    """Objects of a recording by onset, the room, and the recording's length in seconds."""

    duration_s: float
    objects: tuple[HeardObject, ...]
    room: HeardRoom


class Hearing:
    """Ears (encoders) alone: what sounds where, when and how far.

    `poses`: those in which a window is heard (`twnm.model.turned`); `ALL_POSES` hear better in three times the time.
    """

    poses: Sequence[Pose] = QUARTER_TURNS

    def __init__(self, encoder: SlotEncoder, semantic: SemanticEncoder) -> None:
        self.encoder, self.semantic = encoder, semantic

    @torch.no_grad()
    def hear_window(self, audio: Float[Tensor, "4 samples"]) -> tuple[HeardBatch, list[HeardObject], HeardRoom]:
        """One window of audio through the encoders."""
        output, semantic = hear_clips(self.encoder, self.semantic, audio[None], self.poses)
        return summarise_slots(output, semantic), *self.read_slots(output, audio.shape[-1] / SAMPLE_RATE_HZ)

    def read_slots(self, output: SlotOutput, duration_s: float) -> tuple[list[HeardObject], HeardRoom]:
        """The objects and the room of one window."""
        return read_objects(output, 0, self.encoder.config.classes, duration_s=duration_s), read_room(output, 0)

    def scene(self, foa: Float32[np.ndarray, "4 samples"]) -> HeardScene:
        """The objects of a recording, AmbiX at 24 kHz; windows of 5 s, linked.

        Raises InputError for an array that is not four channels of finite samples.
        """
        window = round(WINDOW_S * SAMPLE_RATE_HZ)
        return self.scene_of(foa[:, start : start + window] for start in range(0, usable(foa).shape[1], window))

    def scene_of(self, blocks: Iterable[Float32[np.ndarray, "4 samples"]]) -> HeardScene:
        """The objects of a recording of any length that comes in blocks of 5 s (the last may be shorter), as `twnm.audio.stream_foa` gives them."""
        objects: list[HeardObject] = []
        rooms: list[HeardRoom] = []
        samples = 0

        def counted() -> Iterator[Tensor]:
            nonlocal samples
            for block in blocks:
                samples += block.shape[1]
                yield torch.from_numpy(usable(block))

        for start_s, audio in windows(counted()):
            _, found, room = self.hear_window(audio)
            objects += [later(item, start_s, samples / SAMPLE_RATE_HZ) for item in found]
            rooms.append(room)
        duration_s = samples / SAMPLE_RATE_HZ
        return HeardScene(duration_s, tuple(link([item for item in objects if item.onset_s < duration_s])), mean_room(rooms))


def as_heard(item: HeardObject) -> Heard:
    """A heard object in the words of the evidence."""
    return Heard(spoken(item.label), item.azimuth_deg, item.elevation_deg, item.distance_m, item.onset_s, item.offset_s)


def choose_window(foa: Float32[np.ndarray, "4 samples"], start_s: float | None = None) -> tuple[float, Float32[np.ndarray, "4 window"]]:
    """The 5 s of a recording that are heard: from `start_s`, else the loudest on a grid of half seconds; a short recording is padded with silence."""
    length = round(WINDOW_S * SAMPLE_RATE_HZ)
    whole_s = foa.shape[1] / SAMPLE_RATE_HZ
    if foa.shape[1] <= length:
        if start_s:
            raise InputError(f"a start of {start_s} s was given for a recording of {whole_s:.1f} s; recordings up to 5 s are heard whole")
        return 0.0, np.pad(foa, ((0, 0), (0, length - foa.shape[1])))
    last = foa.shape[1] - length
    if start_s is None:
        energy = np.concatenate([[0.0], np.cumsum(np.square(foa[0], dtype=np.float64))])
        starts = np.append(np.arange(0, last, SAMPLE_RATE_HZ // 2), last)
        start = int(starts[np.argmax(energy[starts + length] - energy[starts])])
    else:
        start = round(start_s * SAMPLE_RATE_HZ)
        if not 0 <= start <= last:
            raise InputError(f"a start of {start_s} s is outside; 0 to {last / SAMPLE_RATE_HZ:.1f} s are allowed in a recording of {whole_s:.1f} s")
    return start / SAMPLE_RATE_HZ, foa[:, start : start + length]
