"""Recordings in and out: any file and rate to float32 (channels, samples) at 24 kHz, checked before it is believed.

Convention: inside twnm four-channel audio is AmbiX (W, Y, Z, X; SN3D) at 24 kHz. The header is read before anything is decoded, because 75 kB of FLAC
can hold hours of silence; the number of decoded frames is compared with the header, because a truncated file reads short without an error.
"""

import contextlib
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr
from jaxtyping import Float, Float32

from twnm.ambisonics import to_ambix
from twnm.errors import InputError
from twnm.files import atomic_write

SAMPLE_RATE_HZ = 24_000
MAX_DURATION_S = 3600.0
_RATES_HZ = (1_000, 768_000)
_HOA_LAYOUTS = ("ambix", "n3d")  # ACN order: the first four channels of a higher order are its first order
_HOA_CHANNELS = (8, 9, 16, 25, 36, 49, 64)  # whole orders 2-7, and the first eight channels of a higher one
_WRITERS = {".wav": ("WAV", "PCM_16"), ".flac": ("FLAC", "PCM_16")}


def read_foa(path: Path | str, *, layout: str = "ambix", max_duration_s: float = MAX_DURATION_S) -> Float32[np.ndarray, "4 samples"]:
    """Read a first-order Ambisonics recording (WAV, FLAC, OGG, ...; any rate) as AmbiX at 24 kHz.

    Args:
        path: a file of 4 channels. With the layouts `ambix` and `n3d` also a higher-order one of 9, 16, 25, 36, 49 or 64 channels, or 8 (channels
            1-8 of a higher order): its first four channels are used.
        layout: order and scale of the channels in the file, one of `twnm.ambisonics.LAYOUTS`. No file says which it is.
        max_duration_s: a longer file is refused before it is decoded.

    Returns:
        W, Y, Z, X (SN3D), shape (4, samples). The level is that of the file: nothing is normalised.

    Raises:
        InputError: no such file, not audio, another number of channels, longer than allowed, empty, truncated, or with NaN or infinite samples; or
            an unknown layout.
    """
    to_ambix(np.zeros((4, 0), np.float32), layout)  # an unknown layout is refused before a long file is read
    audio, sample_rate_hz = _read(path, max_duration_s, layout)
    return to_ambix(_resample(audio[:4], sample_rate_hz), layout)


def stream_foa(
    path: Path | str, *, layout: str = "ambix", block_s: float = 5.0, max_duration_s: float = MAX_DURATION_S
) -> Generator[Float32[np.ndarray, "4 samples"]]:
    """Read a recording as `read_foa` does, in blocks of `block_s` seconds (the last may be shorter), so that memory does not grow with its length.

    Raises InputError as `read_foa` does, for what only decoding shows when the decoding comes to it (`check_foa` before shows that without the samples).
    """
    to_ambix(np.zeros((4, 0), np.float32), layout)  # an unknown layout is refused before a long file is read
    samples = round(block_s * SAMPLE_RATE_HZ)
    with _opened(path, max_duration_s, layout) as stream:
        resampler = None
        if stream.samplerate != SAMPLE_RATE_HZ:
            resampler = soxr.ResampleStream(stream.samplerate, SAMPLE_RATE_HZ, 4, dtype="float32", quality="HQ")
        held = np.zeros((0, 4), np.float32)
        for part, last in _decoded(path, stream, block_s):
            held = np.concatenate([held, part if resampler is None else resampler.resample_chunk(part, last=last)])
            while len(held) >= samples:
                yield to_ambix(held[:samples].T, layout)
                held = held[samples:]
        if len(held):
            yield to_ambix(held.T, layout)


def check_foa(path: Path | str, *, layout: str = "ambix", max_duration_s: float = MAX_DURATION_S) -> None:
    """Decode a recording to the end; raises InputError as `read_foa` does."""
    to_ambix(np.zeros((4, 0), np.float32), layout)
    with _opened(path, max_duration_s, layout) as stream:
        for _ in _decoded(path, stream, 5.0):
            pass


def _decoded(path: Path | str, stream: soundfile.SoundFile, block_s: float) -> Iterator[tuple[Float32[np.ndarray, "samples 4"], bool]]:
    """The first four channels in blocks, and whether a block is the last."""
    decoded = 0
    for part in stream.blocks(blocksize=round(block_s * stream.samplerate), dtype="float32", always_2d=True):
        decoded += len(part)
        _check_decoded(path, stream.frames, stream.frames, part)
        yield np.ascontiguousarray(part[:, :4]), decoded == stream.frames
    _check_decoded(path, decoded, stream.frames, np.zeros(0))


def read_mono(path: Path | str, *, max_duration_s: float = MAX_DURATION_S) -> Float32[np.ndarray, " samples"]:
    """Read a dry sound (mono, or several channels that are averaged) at 24 kHz; errors as of `read_foa`."""
    audio, sample_rate_hz = _read(path, max_duration_s, None)
    return np.asarray(_resample(audio.mean(axis=0, keepdims=True), sample_rate_hz)[0])


def read_stereo(path: Path | str, *, max_duration_s: float = MAX_DURATION_S) -> Float32[np.ndarray, "2 samples"]:
    """Read a recording of two channels (left and right, as a binaural one) at 24 kHz; another number of channels and errors as of `read_foa`: InputError."""
    audio, sample_rate_hz = _read(path, max_duration_s, None)
    if audio.shape[0] != 2:
        raise InputError(f"{path} has {audio.shape[0]} channel{'s' * (audio.shape[0] != 1)}; needs 2 (left, right)")
    return _resample(audio, sample_rate_hz)


def write_audio(path: Path | str, audio: Float[np.ndarray, "channels samples"], sample_rate_hz: int = SAMPLE_RATE_HZ) -> None:
    """Write 16-bit WAV or FLAC, by the suffix of `path`, in one step.

    Args:
        path: ends in `.wav` or `.flac`; its folder exists.
        audio: samples in [-1, 1]; a copy in 16 bits would clip what is beyond, and turn NaN into -1, so both are refused.
        sample_rate_hz: the rate of `audio`.

    Raises:
        InputError: another suffix, NaN or infinite samples, samples beyond [-1, 1], or a folder that cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in _WRITERS:
        raise InputError(f"cannot write {path}: {path.suffix or 'no suffix'} is no format that is written here; use {' or '.join(_WRITERS)}")
    if not np.isfinite(audio).all():
        raise InputError(f"cannot write {path}: the audio has NaN or infinite samples")
    peak = float(np.abs(audio).max(initial=0.0))
    if peak > 1.0:
        raise InputError(f"cannot write {path}: the audio peaks at {peak:.3f} and would clip; lower it by {20 * np.log10(peak):.1f} dB or more")
    container, subtype = _WRITERS[path.suffix.lower()]
    with atomic_write(path) as temporary:
        soundfile.write(temporary, audio.T, sample_rate_hz, format=container, subtype=subtype)


@contextlib.contextmanager
def _opened(path: Path | str, max_duration_s: float, layout: str | None) -> Generator[soundfile.SoundFile]:
    """An audio file whose header has been checked; what libsndfile cannot decode is an InputError."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} is a folder; give one audio file" if path.is_dir() else f"{path} does not exist; check the name")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path} cannot be read: permission denied")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes); record or copy it again")
    try:
        with soundfile.SoundFile(path) as stream:
            _check_header(path, stream, max_duration_s, layout)
            yield stream
    except soundfile.LibsndfileError as error:
        raise InputError(f"{path} cannot be read as audio ({error.error_string.rstrip('.')}); give a WAV, FLAC or OGG file") from error


def _read(path: Path | str, max_duration_s: float, layout: str | None) -> tuple[Float32[np.ndarray, "channels samples"], int]:
    """Samples at the file's own rate; `layout` None accepts any number of channels."""
    with _opened(path, max_duration_s, layout) as stream:
        audio = stream.read(dtype="float32", always_2d=True).T
        frames, sample_rate_hz = stream.frames, stream.samplerate
    _check_decoded(path, audio.shape[1], frames, audio)
    return audio, sample_rate_hz


def _check_decoded(path: Path | str, decoded: int, promised: int, audio: np.ndarray) -> None:
    if decoded != promised:
        raise InputError(f"{path} is truncated: its header promises {promised} samples and {decoded} can be decoded; copy it again")
    if not np.isfinite(audio).all():
        raise InputError(f"{path} has {np.count_nonzero(~np.isfinite(audio))} NaN or infinite samples; export it again")


def _check_header(path: Path, stream: soundfile.SoundFile, max_duration_s: float, layout: str | None) -> None:
    if layout is not None:
        _check_channels(path, stream.channels, layout)
    if not _RATES_HZ[0] <= stream.samplerate <= _RATES_HZ[1]:
        raise InputError(f"{path} claims a sample rate of {stream.samplerate} Hz; allowed: {_RATES_HZ[0]} to {_RATES_HZ[1]} Hz")
    if stream.format in ("WAV", "WAVEX"):
        _check_wav_size(path)
    if stream.frames == 0:
        raise InputError(f"{path} has a header but no samples; record or copy it again")
    if stream.frames > max_duration_s * stream.samplerate:
        raise InputError(f"{path} lasts {stream.frames / stream.samplerate:.0f} s; at most {max_duration_s:.0f} s are read at once: cut it into parts")


def _check_channels(path: Path, channels: int, layout: str) -> None:
    if channels == 4 or (layout in _HOA_LAYOUTS and channels in _HOA_CHANNELS):
        return
    given = f"{path} has {channels} channel{'' if channels == 1 else 's'}"
    if channels in _HOA_CHANNELS:
        raise InputError(f"{given}; the layout {layout} has 4; a higher-order file is read with the layout {' or '.join(_HOA_LAYOUTS)}")
    raise InputError(f"{given}; needs 4 (W,Y,Z,X: first-order Ambisonics), or the 9, 16, ... of a higher order")


def _check_wav_size(path: Path) -> None:
    """Compare the data chunk's size with the file's: libsndfile quietly shortens a data chunk that runs past the end of the file."""
    file_bytes = path.stat().st_size
    with path.open("rb") as stream:
        if stream.read(4) != b"RIFF":  # big-endian (RIFX) and 64-bit (RF64) files are left to the count of decoded frames
            return
        stream.seek(12)
        while len(header := stream.read(8)) == 8:
            size_bytes = int.from_bytes(header[4:], "little")
            if header[:4] == b"data":
                missing_bytes = stream.tell() + size_bytes - file_bytes
                # A recorder that streams to a pipe writes 0xFFFFFFFF, because it does not know the length.
                if missing_bytes > 0 and size_bytes != 0xFFFFFFFF:
                    raise InputError(f"{path} is truncated: {missing_bytes} of {size_bytes} bytes of samples are missing; copy it again")
                return
            stream.seek(size_bytes + size_bytes % 2, os.SEEK_CUR)


def _resample(audio: Float32[np.ndarray, "channels samples"], sample_rate_hz: int) -> Float32[np.ndarray, "channels resampled"]:
    if sample_rate_hz == SAMPLE_RATE_HZ:
        return np.ascontiguousarray(audio)
    return np.ascontiguousarray(soxr.resample(audio.T, sample_rate_hz, SAMPLE_RATE_HZ, quality="HQ").T)
