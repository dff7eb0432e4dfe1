"""Conditioning of dry clips."""

import numpy as np
import pytest

from twnm.sounds.conditioning import active_rms, condition

RATE = 24_000


def _tone(frequency_hz: float, duration_s: float = 1.0) -> np.ndarray:
    return np.sin(2 * np.pi * frequency_hz * np.arange(round(duration_s * RATE)) / RATE).astype(np.float32)


def test_dc_is_removed_without_a_click_at_the_start() -> None:
    dry = 0.1 * _tone(1000)
    conditioned = condition(dry + np.float32(0.5))
    assert abs(float(conditioned.mean())) < 1e-3
    assert float(np.abs(conditioned[:240]).max()) < 1.6  # sqrt(2), where a click would be near 5


def test_level_is_that_of_the_active_part_only() -> None:
    pause = np.zeros(2 * RATE, np.float32)
    conditioned = condition(np.concatenate([0.01 * _tone(500), pause, 0.01 * _tone(500)]))
    assert active_rms(conditioned) == pytest.approx(1.0, abs=1e-3)
    assert float(np.sqrt(np.mean(conditioned[:RATE] ** 2))) == pytest.approx(1.0, abs=0.02)


def test_silence_is_trimmed_at_both_ends_and_a_silent_clip_becomes_empty() -> None:
    quiet = np.zeros(RATE, np.float32)
    assert condition(np.concatenate([quiet, _tone(500), quiet])).size == pytest.approx(RATE, abs=600)  # the high-pass rings for about 20 ms
    assert condition(quiet).size == 0
    assert condition(quiet[:0]).size == 0
