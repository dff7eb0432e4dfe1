"""Sounds made from physical recipes: no recordings, no licence questions, as many as wanted; the bank of whoever has fetched nothing.

A generated clip is named `procedural:<label>:<seed>`; its label and seed give it every sample. Seeds 0-39 make the procedural bank: of each ten,
seven are for training, one for validation, two for test. Each recipe states its physics in its docstring (`struck`, `flowing`, `tonal`).
"""

import zlib
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from jaxtyping import Float32

from twnm.audio import SAMPLE_RATE_HZ
from twnm.errors import InputError
from twnm.sounds import flowing, struck, tonal
from twnm.sounds.signals import Signal

Recipe = Callable[[np.random.Generator, int], Signal]

RECIPES: Final[Mapping[str, Recipe]] = MappingProxyType(
    {
        "aircraft": tonal.aircraft,
        "alarm_phone": tonal.alarm_phone,
        "bell": struck.bell,
        "bird_song": tonal.bird_song,
        "coins": struck.coins,
        "drums": struck.drums,
        "engine": tonal.engine,
        "explosion": flowing.explosion,
        "fire_crackling": flowing.fire_crackling,
        "footsteps": struck.footsteps,
        "glass_breaking": struck.glass_breaking,
        "guitar": tonal.guitar,
        "gunshot": flowing.gunshot,
        "hammering": struck.hammering,
        "horn": tonal.horn,
        "keyboard_typing": struck.keyboard_typing,
        "piano": struck.piano,
        "rain": flowing.rain,
        "running_water": flowing.running_water,
        "thunder": flowing.thunder,
        "water_splash": flowing.water_splash,
        "wind": flowing.wind,
        "wood_chopping": struck.wood_chopping,
    }
)
PACKAGE: Final = "twnm-procedural"
LICENCE: Final = "CC0-1.0 (generated)"
SEEDS: Final = 40
RECIPES_VERSION: Final = 1
"""Raised whenever a recipe changes its samples, so that the digest of the bank changes too."""
_SHORT: Final = frozenset({"coins", "explosion", "glass_breaking", "gunshot", "thunder", "water_splash"})
_FADE_S: Final = 0.01


def synthesise(label: str, rng: np.random.Generator, duration_s: float) -> Float32[np.ndarray, " samples"]:
    """Make a sound of a class.

    Args:
        label: one of `RECIPES`.
        rng: draws the bell, the walker, the weather.
        duration_s: length, 0.1 to 60 s. Sounds that die away do so within it or are faded at its end.

    Returns:
        Mono at 24 kHz, peak 0.9.

    Raises:
        InputError: there is no recipe for the label, or the duration is out of range.
    """
    if label not in RECIPES:
        raise InputError(f"no recipe for {label!r}; procedural classes are {', '.join(RECIPES)}")
    if not 0.1 <= duration_s <= 60.0:
        raise InputError(f"a procedural sound of {duration_s} s; choose 0.1 to 60 s")
    samples = round(duration_s * SAMPLE_RATE_HZ)
    audio = RECIPES[label](rng, samples)
    fade = round(_FADE_S * SAMPLE_RATE_HZ)
    audio[-fade:] *= np.linspace(1.0, 0.0, fade)
    return np.asarray(0.9 * audio / np.abs(audio).max(), dtype=np.float32)


def synthesise_path(path: str) -> Float32[np.ndarray, " samples"]:
    """Make the clip that a path names, as `procedural:bell:17`; raises InputError for any other path."""
    kind, _, rest = path.partition(":")
    label, _, seed = rest.partition(":")
    if kind != "procedural" or not seed.isdecimal() or len(seed) > 9:
        raise InputError(f"{path!r} names no procedural clip; expected procedural:<class>:<seed>")
    return synthesise(label, _generator(label, int(seed)), _duration_s(label, int(seed)))


def clip_rows() -> Iterator[dict[str, Any]]:
    """Give the fields of every clip of the procedural bank (`catalogue.Clip`)."""
    for label in RECIPES:
        for seed in range(SEEDS):
            yield {
                "path": f"procedural:{label}:{seed}",
                "label": label,
                "package": PACKAGE,
                "source": f"seed {seed}",
                "licence": LICENCE,
                "split": "train" if seed % 10 < 7 else "val" if seed % 10 == 7 else "test",
                "speaker": None,
                "duration_s": _duration_s(label, seed),
                "weight": 1.0,
                "procedural": True,
                "content": f"{PACKAGE}-{RECIPES_VERSION}:{label}:{seed}",
            }


def _generator(label: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([zlib.crc32(label.encode()), seed])


def _duration_s(label: str, seed: int) -> float:
    low, high = (1.5, 2.5) if label in _SHORT else (2.0, 5.0)
    return round(np.random.default_rng([zlib.crc32(label.encode()), seed, 1]).uniform(low, high), 2)
