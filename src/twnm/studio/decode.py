"""Decoding what strangers send: the header is checked before anything is decoded, and the layout of the channels is guessed if that is wished.

`main` is what the decoder's process runs (see `decoder`): it imports little, so that it starts quickly, and its memory is bounded.
"""

import resource
import signal
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
from jaxtyping import Float32

from twnm.ambisonics import from_ambix, to_ambix
from twnm.audio import read_foa
from twnm.errors import InputError
from twnm.studio.layout_guess import guess_layout

FORMATS: Final = ("WAV", "WAVEX", "RF64", "W64", "FLAC", "OGG", "CAF", "AIFF")
AUTO: Final = "auto"
_SAMPLES_PER_S: Final = 4 * 192_000
"""Samples of all channels together that a file may have for each second that it may last: four channels at 192 kHz, or nine at 85 kHz."""


@dataclass(frozen=True)
class Decoded:
    """A recording as AmbiX at 24 kHz, the layout it was read with, why, and whether that is certain."""

    foa: Float32[np.ndarray, "4 samples"]
    layout: str
    reason: str
    certain: bool


def decode(path: Path, layout: str, max_duration_s: float) -> Decoded:
    """Read a file of four or more channels; `layout` "auto" guesses.

    Raises InputError for what `read_foa` refuses, for containers that are not in FORMATS and for headers that promise more samples than are taken.
    """
    try:
        with soundfile.SoundFile(path) as stream:
            container, samples, channels = stream.format, stream.frames * stream.channels, stream.channels
    except soundfile.LibsndfileError as error:
        raise InputError(f"the file cannot be read as audio ({error.error_string.rstrip('.')}); give a WAV or FLAC file") from None
    if container not in FORMATS:
        raise InputError(f"{container} files are not taken; give WAV or FLAC")
    if samples > max_duration_s * _SAMPLES_PER_S:
        raise InputError(f"the header promises {samples} samples; at most {max_duration_s * _SAMPLES_PER_S:.0f} are taken: cut the recording or lower its rate")
    try:
        given = read_foa(path, layout="ambix" if layout == AUTO else layout, max_duration_s=max_duration_s)
    except InputError as error:
        raise InputError(str(error).replace(str(path), "the file")) from None
    if layout != AUTO:
        return Decoded(given, layout, "as you said", True)
    if channels > 4:
        guess = guess_layout(given, ("ambix", "n3d"))
        reason = f"a file of {channels} channels is of a higher order, which is in ACN order; {guess.reason}"
        return Decoded(to_ambix(given, guess.layout), guess.layout, reason, guess.certain)
    guess = guess_layout(given)
    return Decoded(to_ambix(given, guess.layout), guess.layout, guess.reason, guess.certain)


def relayout(foa: Float32[np.ndarray, "4 samples"], before: str, after: str) -> Float32[np.ndarray, "4 samples"]:
    """A recording that was read with one layout, read with another instead; exact."""
    return to_ambix(from_ambix(foa, before), after)


def main(descriptor: int, limit_bytes: int) -> None:
    """Decode one file after another, as the other side of the pipe asks, until it has gone; `limit_bytes` bounds the address space."""
    pipe = Connection(descriptor)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which lets this finish
    resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pipe.send("ready")
    while True:
        try:
            path, layout, max_duration_s = pipe.recv()
        except (EOFError, OSError):
            return
        answer: Any
        try:
            answer = decode(Path(path), layout, max_duration_s)
        except InputError as error:
            answer = str(error)
        except MemoryError:
            answer = "the file needs too much memory to decode; cut it or lower its rate"
        except Exception as error:  # whatever a file provokes is the file's fault; the reason may name paths of the server
            answer = f"the file cannot be decoded ({type(error).__name__})"
        pipe.send(answer)
