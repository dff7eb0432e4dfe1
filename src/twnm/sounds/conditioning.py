"""A dry clip made ready for a room: no DC, no silence around it, a known loudness.

All reflections of the usual rooms are positive, so that an offset in a clip would add up over hundreds of images: a second-order Butterworth
high-pass at 40 Hz takes it away. Levels are counted from the *active* RMS: over the 20 ms frames within 30 dB of the loudest frame, so that pauses
in speech or between steps do not count. It is 1.0 after conditioning (peaks are larger: the renderer sets the level).
"""

from typing import Final

import numpy as np
from jaxtyping import Float32
from scipy.signal import butter, sosfilt, sosfilt_zi

from twnm.audio import SAMPLE_RATE_HZ

HIGH_PASS_HZ: Final = 40.0
_SILENCE_DB: Final = -50.0
_ACTIVE_DB: Final = -30.0
_FRAME = round(0.020 * SAMPLE_RATE_HZ)
_SECTIONS = butter(2, HIGH_PASS_HZ, "highpass", fs=SAMPLE_RATE_HZ, output="sos")
_STEADY = sosfilt_zi(_SECTIONS)


def active_rms(audio: Float32[np.ndarray, " samples"]) -> float:
    """Give the RMS over the 20 ms frames within 30 dB of the loudest frame; 0.0 for silence or an empty clip."""
    if audio.size == 0:
        return 0.0
    padded = np.pad(audio.astype(np.float64), (0, -audio.size % _FRAME)).reshape(-1, _FRAME)
    energy = np.mean(padded**2, axis=1)
    return float(np.sqrt(np.mean(energy[energy >= energy.max() * 10 ** (_ACTIVE_DB / 10)])))


def condition(audio: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, " kept"]:
    """High-pass at 40 Hz, cut silence below -50 dB re peak at both ends, scale to an active RMS of 1.0.

    Args:
        audio: mono at 24 kHz.

    Returns:
        The conditioned clip, not longer than the given one; empty if the clip is silent.
    """
    if audio.size == 0:
        return audio.astype(np.float32)
    start = _STEADY * float(audio[0])
    filtered = np.asarray(sosfilt(_SECTIONS, audio.astype(np.float64), zi=start)[0])
    magnitude = np.abs(filtered)
    peak = float(magnitude.max())
    if not peak > 1e-6:
        return np.zeros(0, np.float32)
    loud = np.flatnonzero(magnitude > peak * 10 ** (_SILENCE_DB / 20))
    kept = filtered[loud[0] : loud[-1] + 1]
    return (kept / active_rms(kept.astype(np.float32))).astype(np.float32)
