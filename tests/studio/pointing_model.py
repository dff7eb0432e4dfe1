"""A stand-in for the trained model, without weights: it finds stretches of sound and their directions by acoustic intensity, names them by their
brightness, and answers from what it found. What a page shows of it is therefore true of the audio that reached the server, whatever its layout.
"""

import re
from types import SimpleNamespace

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from twnm.ambisonics import angles_deg, wrap_deg
from twnm.model.hear import HeardObject, HeardRoom
from twnm.model.hearing import HeardScene, as_heard
from twnm.model.language import Prefix
from twnm.model.twnm import Answer, Listening, Twnm
from twnm.questions.evidence import parse_evidence, sector8, write_evidence
from twnm.sounds.classes import CLASSES

RATE_HZ = 24_000
FRAME = RATE_HZ // 10
BRIGHT_HZ = 2_000
SAME_DEG = 50.0
LONGEST_GAP = 3


class PointingModel(Twnm):
    """Hears one object for each stretch of sound from one direction: "bell" if most of its energy is above 2 kHz, else "dog"."""

    def __init__(self) -> None:
        self.encoder = SimpleNamespace(config=SimpleNamespace(classes=CLASSES))

    def scene(self, foa: Float32[np.ndarray, "4 samples"]) -> HeardScene:
        duration_s = foa.shape[1] / RATE_HZ
        return HeardScene(duration_s, tuple(_objects(foa)), HeardRoom(0.4, 100.0))

    def listen(self, audio: Float[Tensor, "4 samples"]) -> Listening:
        evidence = write_evidence(tuple(as_heard(item) for item in _objects(audio.numpy())))
        return Listening(Prefix(None, torch.zeros(1), 0), evidence)  # type: ignore[arg-type]

    def answer(self, listening: Listening, question: str, options: tuple[str, ...] = ()) -> Answer:
        found = parse_evidence(listening.evidence) or ()
        asked = [it for it in found if re.search(rf"\b{it.label}\b", question.lower())]
        text = sector8(asked[0].azimuth_deg) if asked else f"{len(found)}"
        letter = None
        if options:
            place = options.index(text) if text in options else 0
            text, letter = options[place], "ABCDEFGH"[place]
        why = f"{asked[0].label} {asked[0].azimuth_deg:.0f}° is {text}" if asked else f"{len(found)} sounds"
        return Answer(text, letter, listening.evidence, why, 0.01, grounded=bool(asked))


def _objects(foa: np.ndarray) -> list[HeardObject]:
    frames = foa.shape[1] // FRAME
    blocks = foa[:, : frames * FRAME].reshape(4, frames, FRAME).astype(float)
    power = np.mean(blocks[0] ** 2, axis=-1)
    azimuths_deg, elevations_deg = angles_deg(np.einsum("tn,ctn->tc", blocks[0], blocks[[3, 1, 2]]))
    loud = np.flatnonzero(power > 0.03 * power.max(initial=1e-9))
    stretches: list[list[int]] = []
    for frame in loud.tolist():
        near = stretches and frame - stretches[-1][-1] <= LONGEST_GAP and abs(wrap_deg(azimuths_deg[frame] - azimuths_deg[stretches[-1][0]])) < SAME_DEG
        if near:
            stretches[-1].append(frame)
        else:
            stretches.append([frame])
    return [_object(blocks, power, azimuths_deg, elevations_deg, one) for one in stretches if len(one) > 1]


def _object(blocks: np.ndarray, power: np.ndarray, azimuths_deg: np.ndarray, elevations_deg: np.ndarray, frames: list[int]) -> HeardObject:
    first, last = frames[0], frames[-1] + 1
    spectrum = np.sum(np.abs(np.fft.rfft(blocks[0, first:last])) ** 2, axis=0)
    bright = spectrum[BRIGHT_HZ * FRAME // RATE_HZ :].sum() > 0.5 * spectrum.sum()
    azimuth_deg, elevation_deg = angles_deg(np.einsum("tn,ctn->c", blocks[0, first:last], blocks[[3, 1, 2], first:last]))
    return HeardObject(
        label="bell" if bright else "dog",
        confidence=0.9,
        onset_s=first / 10,
        offset_s=last / 10,
        azimuth_deg=float(azimuth_deg),
        elevation_deg=float(elevation_deg),
        distance_m=float(np.clip(0.1 / np.sqrt(power[first:last].mean()), 0.5, 6.0)),
        distance_spread=0.3,
        azimuths_deg=tuple(azimuths_deg[first:last].round(1).tolist()),
        elevations_deg=tuple(elevations_deg[first:last].round(1).tolist()),
    )
