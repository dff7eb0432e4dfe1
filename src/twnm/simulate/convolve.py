"""Several sources through their four-channel responses into one recording: overlap-save in float32, the sources summed in frequency."""

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


def convolve_sum(
    sources: list[Float32[np.ndarray, " _"]], onsets: list[int], responses: list[Float32[np.ndarray, "4 _"]], samples: int
) -> Float32[np.ndarray, "4 samples"]:
    """Convolve each source (mono, starting at sample `onsets`) with its response and add them; overlap-save, the sources summed in frequency."""
    taps = max(response.shape[1] for response in responses)
    nfft = max(8192, 1 << math.ceil(math.log2(1.6 * taps)))
    hop = nfft - taps + 1
    blocks = math.ceil(samples / hop)
    owners = [
        (block, number)
        for number, (source, onset) in enumerate(zip(sources, onsets, strict=True))
        for block in range(blocks)
        if block * hop < onset + source.size + taps - 1 and (block + 1) * hop > onset
    ]
    frames = np.zeros((len(owners) + 4 * len(responses), nfft), np.float32)
    for frame, (block, number) in zip(frames, owners, strict=False):
        first = onsets[number] - block * hop + taps - 1  # where the source begins in the frame, whose last `hop` samples are kept
        part = sources[number][max(0, -first) : max(0, nfft - first)]
        frame[max(0, first) : max(0, first) + part.size] = part
    for response, filters in zip(responses, frames[len(owners) :].reshape(-1, 4, nfft), strict=True):
        filters[:, : response.shape[1]] = response
    spectra: Complex64[np.ndarray, "frames frequencies"] = fft.rfft(frames, axis=-1, workers=1)
    transfer = spectra[len(owners) :].reshape(-1, 4, spectra.shape[1])
    total = np.zeros((blocks, 4, spectra.shape[1]), np.complex64)
    for (block, number), spectrum in zip(owners, spectra, strict=False):
        _multiply_add(total, block, spectrum, transfer[number])
    kept = fft.irfft(total, nfft, axis=-1, workers=1)[:, :, taps - 1 :]
    return np.ascontiguousarray(kept.transpose(1, 0, 2).reshape(4, -1)[:, :samples])
