"""The items that the report shows: what was asked, where the sounds were, the recording for headphones, what each system said."""

import base64
import io
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

import numpy as np
import soundfile
from jaxtyping import Float32

from twnm.ambisonics import decode_binaural
from twnm.audio import SAMPLE_RATE_HZ
from twnm.bench.data import Benchmark
from twnm.bench.report.rows import Told
from twnm.errors import InputError
from twnm.plot import Drawn, drawn_of
from twnm.questions.schema import Item
from twnm.questions.twins import Transform, twin_of

LONGEST_REPLY = 600
LONGEST_SOUND_S = 20.0
_PEAK = 0.8


@dataclass(frozen=True)
class Shown:
    """An item with its replies; `objects` are the true ones (empty where they are not known), `sound` a data: URI, or `missing` says why there is none."""

    item: Item
    told: Sequence[Told]
    objects: Sequence[Drawn]
    sound: str
    missing: str


def find_items(benchmark: Benchmark, sample_ids: Set[str]) -> dict[str, Item]:
    """The items of these names; one recording's are in memory at a time, but for those."""
    return {item.sample_id: item for group in benchmark.groups() for item in group if isinstance(item, Item) and item.sample_id in sample_ids}


def show(benchmark: Benchmark, item: Item, told: Iterable[Told], sounds: bool = True) -> Shown:
    """An item as the report shows it, with or without its sound; a recording that cannot be read is said to be missing."""
    replies = [Told(each.system, each.outcome, _shortened(each.text)) for each in told]
    transform = Transform.of(item.transform)
    try:
        audio, scene = benchmark.recording(item.file_name)
    except InputError as error:
        return Shown(item, replies, (), "", f"The recording cannot be read: {error}")
    objects = drawn_of(truth=twin_of(scene, transform)) if scene is not None else []
    return Shown(item, replies, objects, sound_uri(transform.audio(audio) if item.transform else audio) if sounds else "", "")


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_REPLY else f"{text[:LONGEST_REPLY]} … ({len(text)} characters)"


def sound_uri(audio: Float32[np.ndarray, "channels samples"]) -> str:
    """The first 20 s of a recording (AmbiX, or left and right) for headphones, as MP3 in a data: URI: every browser plays it, and the same samples give the
    same bytes."""
    audio = audio[:, : round(LONGEST_SOUND_S * SAMPLE_RATE_HZ)]
    ears = audio if len(audio) == 2 else decode_binaural(audio)
    ears = ears * np.float32(_PEAK / max(float(np.abs(ears).max(initial=0.0)), 1e-6))
    stream = io.BytesIO()
    soundfile.write(stream, ears.T, SAMPLE_RATE_HZ, format="MP3", subtype="MPEG_LAYER_III")
    return f"data:audio/mpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"
