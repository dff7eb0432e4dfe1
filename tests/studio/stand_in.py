"""The stand-in model behind a server: with tokens to count, pauses to wait for, and as a program: `python stand_in.py PORT [PAUSE_S [SOUND_BANK]]`."""

import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
from pointing_model import PointingModel

from twnm.ambisonics import encode
from twnm.model.hearing import HeardScene
from twnm.model.language import Prefix
from twnm.model.twnm import Answer, Listening
from twnm.studio.settings import Settings
from twnm.studio.studio import Studio

AUDIO_TOKENS = 20


class StandIn(PointingModel):
    """One token per byte; `pause_s` is how long it takes for each thing it does, `heard` how often it heard a recording."""

    def __init__(self, pause_s: float = 0.0) -> None:
        super().__init__()
        self.pause_s, self.heard = pause_s, 0

    def ids(self, text: str) -> list[int]:
        return list(text.encode())

    def text(self, ids: list[int]) -> str:
        return bytes(ids).decode(errors="replace")

    def scene(self, foa: np.ndarray) -> HeardScene:
        time.sleep(self.pause_s)
        return super().scene(foa)

    def listen(self, audio: torch.Tensor) -> Listening:
        time.sleep(self.pause_s)
        self.heard += 1
        evidence = super().listen(audio).evidence
        return Listening(Prefix(None, torch.zeros(1), AUDIO_TOKENS + len(self.ids(evidence))), evidence)

    def answer(self, listening: Listening, question: str, options: tuple[str, ...] = ()) -> Answer:
        time.sleep(self.pause_s)
        return super().answer(listening, question, options)


def barking(azimuth_deg: float, seconds: float = 2.0, rate_hz: int = 24_000) -> np.ndarray:
    """Low noise from one direction, which the stand-in calls a dog; AmbiX."""
    rng = np.random.default_rng(1)
    noise = np.convolve(rng.standard_normal(round(seconds * rate_hz)), np.ones(24) / 24, mode="same")
    return encode((0.3 * noise / np.abs(noise).max()).astype(np.float32), azimuth_deg, 0.0)


def main() -> None:
    from twnm.sounds.catalogue import load_catalogue
    from twnm.studio.server import serve

    pause_s = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
    bank = load_catalogue(Path(sys.argv[3]) if len(sys.argv) > 3 else None)
    serve(Studio.of(Settings(port=int(sys.argv[1])), StandIn(pause_s), bank), lambda address: print(address, flush=True))


if __name__ == "__main__":
    main()
