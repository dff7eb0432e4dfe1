"""What an external system is given: the recording as one, two or four channels of WAV, and the question in one fixed wording.

The forms of a recording: `mono` is the omnidirectional channel W, `binaural` the two ears of a listener who looks to the front (KEMAR), `stereo` two cardioids
at +60° and -60°, `foa` the four channels W, Y, Z, X (AmbiX). A recording that has two channels only is given as it is, or its mean as mono. The prompt says
which it is and what the directions mean; every external system reads the same words.
"""

import io
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Float32

from twnm.ambisonics import decode_binaural, decode_mono, decode_stereo
from twnm.audio import SAMPLE_RATE_HZ
from twnm.bench.systems.base import Recording
from twnm.questions.answer import LETTERS

AudioForm = Literal["mono", "binaural", "stereo", "foa"]
AUDIO_FORMS: tuple[str, ...] = get_args(AudioForm)
# What of space reaches a system, for its audit labels.
SPATIAL_ACCESS = MappingProxyType(
    {
        "mono": "none: down-mix to mono (channel W)",
        "binaural": "two ears: binaural decoding of first order (KEMAR)",
        "stereo": "left and right: two cardioids at +60° and -60°",
        "foa": "four channels (AmbiX WAV); what the system makes of them is unknown",
    }
)

_GIVEN = {
    "mono": "The recording is mono.",
    "binaural": "The recording is binaural: the left and the right ear of the listener.",
    "stereo": "The recording is stereo: left and right.",
    "foa": "The recording has four channels: first-order Ambisonics, AmbiX (W, Y, Z, X; SN3D).",
    None: "There is no recording; give the most likely answer.",
}
_CONVENTION = "Directions are the listener's: 0° is in front, positive to the left, elevation is positive upwards."
_CHOOSE = "Answer with the letter of one option only."
_OPEN = "Give the answer only."
_QUESTION = re.compile(r"^Question: (.*)$", re.MULTILINE)
_OPTION = re.compile(r"^([A-H])\. (.*)$", re.MULTILINE)


def write_prompt(question: str, options: Sequence[str] = (), audio: AudioForm | None = "mono") -> str:
    """The words of the prompt; `audio` is the form of the recording that goes with it, None if there is none. Line breaks become spaces."""
    lines = [f"{_GIVEN[audio]} {_CONVENTION}", f"Question: {_one_line(question)}"]
    lines += [f"{letter}. {_one_line(option)}" for letter, option in zip(LETTERS, options, strict=False)]
    return "\n".join([*lines, _CHOOSE if options else _OPEN])


def read_prompt(prompt: str) -> tuple[str, tuple[str, ...]]:
    """Question and options of a prompt that `write_prompt` wrote; any other text is a question without options."""
    question = _QUESTION.search(prompt)
    if question is None:
        return _one_line(prompt), ()
    lettered = _OPTION.findall(prompt, question.end())
    return question[1], tuple(option for letter, (given, option) in zip(LETTERS, lettered, strict=False) if letter == given)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def form_given(recording: Recording, form: AudioForm) -> AudioForm | None:
    """The form in which a system that takes `form` gets this recording; None if there is none to give."""
    if recording.audio is None:
        return None
    return form if recording.kind == "foa" or form == "mono" else recording.kind


def render_audio(channels: Float[np.ndarray, "channels samples"], form: AudioForm, rate_hz: int) -> Float32[np.ndarray, "rendered resampled"]:
    """A recording (24 kHz; AmbiX, or left and right) in a form and at a rate, channels first."""
    import soxr

    audio = _pair(channels, form) if len(channels) == 2 else _DECODED[form](channels)
    return audio if rate_hz == SAMPLE_RATE_HZ else np.ascontiguousarray(soxr.resample(audio.T, SAMPLE_RATE_HZ, rate_hz, quality="HQ").T)


def _pair(pair: Float[np.ndarray, "2 samples"], form: AudioForm) -> Float32[np.ndarray, "rendered samples"]:
    return np.asarray(pair.mean(axis=0, keepdims=True) if form == "mono" else pair, np.float32)


_DECODED: Mapping[AudioForm, Callable[[Float[np.ndarray, "4 samples"]], Float32[np.ndarray, "rendered samples"]]] = MappingProxyType(
    {
        "mono": lambda foa: decode_mono(foa)[None],
        "binaural": decode_binaural,
        "stereo": decode_stereo,
        "foa": lambda foa: np.asarray(foa, np.float32),
    }
)


def wav_bytes(channels: Float[np.ndarray, "channels samples"], form: AudioForm, rate_hz: int) -> bytes:
    """A recording as a 16-bit WAV file; all channels are lowered by one gain if one of them would clip."""
    import soundfile

    audio = render_audio(channels, form, rate_hz)
    buffer = io.BytesIO()
    soundfile.write(buffer, (audio / max(1.0, float(np.abs(audio).max(initial=0.0)))).T, rate_hz, format="WAV", subtype="PCM_16")
    return buffer.getvalue()
