"""Several sounds through their four-channel responses into one recording: overlap-save in float32, the sounds summed in frequency."""

import math

import numpy as np
from jaxtyping import Complex64, Float32
from scipy import fft

from twnm.simulate.kernels import kernel


@kernel
def _multiply_add(total, block, source, response):  # type: ignore[no-untyped-def]  # pragma: no cover
    for c in range(4):
        for f in range(source.size):
            total[block, c, f] += source[f] * response[c, f]


GROUP_BLOCKS = 16  # whose spectra are in memory at once
Part = tuple[Float32[np.ndarray, " _"], int, Float32[np.ndarray, "4 _"]]
"""A mono sound, the sample at which it begins, and its response."""


def convolve_sum(parts: list[Part], samples: int) -> Float32[np.ndarray, "4 samples"]:
    """Convolve each sound with its response and add them; overlap-save, the sounds summed in frequency. Silence for no parts."""
    if not parts:
        return np.zeros((4, samples), np.float32)
    taps = max(response.shape[1] for _, _, response in parts)
    nfft = max(8192, 1 << math.ceil(math.log2(1.6 * taps)))
    hop = nfft - taps + 1
    filters = np.zeros((len(parts), 4, nfft), np.float32)
    for row, (_, _, response) in zip(filters, parts, strict=True):
        row[:, : response.shape[1]] = response
    transfer: Complex64[np.ndarray, "parts 4 frequencies"] = fft.rfft(filters, axis=-1, workers=1)
    out = np.zeros((4, samples), np.float32)
    for begin in range(0, samples, GROUP_BLOCKS * hop):
        _add_blocks(out, parts, transfer, range(begin, min(samples, begin + GROUP_BLOCKS * hop), hop), taps, nfft)
    return out


def _add_blocks(
    out: Float32[np.ndarray, "4 samples"], parts: list[Part], transfer: Complex64[np.ndarray, "parts 4 frequencies"], begins: range, taps: int, nfft: int
) -> None:
    """Fill the blocks of the output that begin at `begins`, as far as something sounds in them."""
    hop = begins.step
    heard = [
        (begin, number) for begin in begins for number, (sound, onset, _) in enumerate(parts) if begin < onset + sound.size + taps - 1 and begin + hop > onset
    ]
    if not heard:
        return
    frames = np.zeros((len(heard), nfft), np.float32)
    for frame, (begin, number) in zip(frames, heard, strict=True):
        sound, onset, _ = parts[number]
        first = onset - begin + taps - 1  # where the sound begins in the frame, whose last `hop` samples are kept
        part = sound[max(0, -first) : max(0, nfft - first)]
        frame[max(0, first) : max(0, first) + part.size] = part
    spectra: Complex64[np.ndarray, "frames frequencies"] = fft.rfft(frames, axis=-1, workers=1)
    sounding = sorted({begin for begin, _ in heard})
    total = np.zeros((len(sounding), 4, spectra.shape[1]), np.complex64)
    for (begin, number), spectrum in zip(heard, spectra, strict=True):
        _multiply_add(total, sounding.index(begin), spectrum, transfer[number])
    for begin, kept in zip(sounding, fft.irfft(total, nfft, axis=-1, workers=1)[:, :, taps - 1 :], strict=True):
        out[:, begin : begin + hop] = kept[:, : out.shape[1] - begin]
