"""The dry sound of an event: its clips played where the event says, at its level."""

import numpy as np
from jaxtyping import Float32

from twnm.audio import SAMPLE_RATE_HZ
from twnm.errors import InputError
from twnm.scene import Event
from twnm.sounds.catalogue import Catalogue

FADE_S = 0.010
SILENT_END_S = 0.050


def dry_signal(event: Event, catalogue: Catalogue) -> Float32[np.ndarray, " samples"]:
    """The event's sound at 1 m without room, from its onset to its offset; what the offset cuts is faded over 10 ms.

    Raises InputError when its clips end more than 50 ms before the offset: the scene would say that it sounds where there is silence.
    """
    length = round((event.offset_s - event.onset_s) * SAMPLE_RATE_HZ)
    dry = np.zeros(length, np.float32)
    cut, end = False, 0
    for start_s, path in zip(event.clip_starts_s, event.clips or (event.clip,) * len(event.clip_starts_s), strict=True):
        clip = catalogue.read(catalogue.clip(path))
        start = round(start_s * SAMPLE_RATE_HZ)
        part = clip[: max(0, length - start)]
        dry[start : start + part.size] += part
        cut, end = cut or part.size < clip.size, max(end, start + part.size)
    if end < length - SILENT_END_S * SAMPLE_RATE_HZ:
        raise InputError(
            f"event {event.label!r} lasts {length / SAMPLE_RATE_HZ:.2f} s and its clips end after {end / SAMPLE_RATE_HZ:.2f} s; "
            "set offset_s there, or play a clip again by clip_starts_s"
        )
    fade = min(round(FADE_S * SAMPLE_RATE_HZ), length)
    if cut and fade:
        dry[length - fade :] *= np.cos(0.5 * np.pi * (np.arange(fade) + 1) / fade).astype(np.float32)
    dry *= np.float32(10 ** (event.level_db / 20))
    return dry
