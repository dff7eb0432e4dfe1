from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from twnm.ambisonics import encode, rotate
from twnm.bench.systems import intensity
from twnm.bench.systems.base import Question, Recording
from twnm.bench.tags import Tagger
from twnm.errors import InputError
from twnm.questions.evidence import SECTORS, parse_evidence


class HighIsBird(Tagger):
    """Calls high sounds bird song and low ones engine."""

    def __init__(self) -> None:
        pass

    def chances(self, mono: Any) -> Mapping[str, float]:
        spectrum = np.abs(np.fft.rfft(mono)) ** 2
        high = float(spectrum[len(spectrum) // 6 :].sum() / spectrum.sum())
        return {"bird song": high, "engine": 1 - high}


def recording() -> np.ndarray:
    """High noise at the left from 1 s to 3 s, low noise behind at the right from 2 s to 4 s."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((2, 120_000))
    spectra = np.fft.rfft(noise)
    cut = 15_000  # 3 kHz
    high, low = np.fft.irfft(np.where(np.arange(spectra.shape[1]) > cut, spectra, 0)), np.fft.irfft(np.where(np.arange(spectra.shape[1]) <= cut, spectra, 0))
    times_s = np.arange(120_000) / 24_000
    on = [(times_s >= first) & (times_s < last) & (times_s % 0.3 < 0.2) for first, last in ((1, 3), (2, 4))]
    foa = encode(0.05 * high[0] * on[0], 90.0, 0.0) + encode(0.1 * low[1] * on[1], -135.0, 0.0)
    return (foa + 1e-4 * rng.standard_normal(foa.shape)).astype(np.float32)


QUESTIONS = (
    Question("1", "Where is the bird song?", SECTORS, "choice"),
    Question("2", "Where is the engine?", SECTORS, "choice"),
    Question("3", "In what order and where are the engine and the bird song?", (), "choice"),
    Question("4", "When does the engine start? Answer in seconds.", (), "open"),
    Question("5", "Describe the room.", ("dry room", "open air"), "choice"),
)


def test_it_places_and_names_and_answers_all_questions_from_one_listening() -> None:
    system = intensity.Intensity(HighIsBird())
    replies = system.answer(Recording(recording()), QUESTIONS)
    assert [reply.text for reply in replies[:3]] == ["left", "back-right", "unknown"]
    assert float(replies[3].text.removesuffix(" s")) == pytest.approx(2.0, abs=0.2)
    assert replies[4].text == "open air"
    evidence = parse_evidence(replies[0].evidence or "")
    assert evidence is not None and evidence[0].label == "bird song"
    assert abs(evidence[0].azimuth_deg - 90) <= 5


def test_the_answer_turns_with_the_sound() -> None:
    system = intensity.Intensity(HighIsBird())
    turned = system.answer(Recording(rotate(recording(), 90.0)), QUESTIONS[:2])
    assert [reply.text for reply in turned] == ["back", "front-right"]


def test_without_audio_it_hears_nothing_and_answers_the_first_option() -> None:
    (reply,) = intensity.Intensity(HighIsBird()).answer(Recording(None), QUESTIONS[:1])
    assert (reply.text, reply.evidence) == (SECTORS[0], "nothing")


def test_without_the_tagger_one_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise InputError("no network")

    monkeypatch.setattr(intensity, "get_model", fail)
    with pytest.raises(InputError, match="get it with `twnm models get`"):
        intensity.load()
