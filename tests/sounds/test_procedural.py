"""Generated sounds."""

import numpy as np
import pytest

from twnm.errors import InputError
from twnm.sounds.catalogue import load_catalogue
from twnm.sounds.classes import CLASSES
from twnm.sounds.procedural import RECIPES, clip_rows, synthesise, synthesise_path

CENTROID_HZ = {"bird_song": (2000, 8000), "engine": (40, 1500), "thunder": (40, 1500), "coins": (2500, 11_000), "rain": (2000, 9000), "wind": (60, 1200)}


@pytest.mark.parametrize("label", list(RECIPES))
def test_a_recipe_gives_finite_audible_reproducible_and_varied_sound(label: str) -> None:
    audio = synthesise(label, np.random.default_rng(3), 1.5)
    assert audio.shape == (36_000,)
    assert audio.dtype == np.float32
    assert np.isfinite(audio).all()
    assert float(np.abs(audio).max()) == pytest.approx(0.9, abs=1e-3)
    assert float(np.sqrt(np.mean(audio**2))) > 0.005
    assert audio.tobytes() == synthesise(label, np.random.default_rng(3), 1.5).tobytes()
    assert audio.tobytes() != synthesise(label, np.random.default_rng(4), 1.5).tobytes()


@pytest.mark.parametrize("label", list(CENTROID_HZ))
def test_the_spectrum_lies_where_the_physics_puts_it(label: str) -> None:
    audio = synthesise(label, np.random.default_rng(0), 2.0)
    power = np.abs(np.fft.rfft(audio)) ** 2
    centroid_hz = float((power * np.fft.rfftfreq(audio.size, 1 / 24_000)).sum() / power.sum())
    low_hz, high_hz = CENTROID_HZ[label]
    assert low_hz < centroid_hz < high_hz


@pytest.mark.parametrize("label", list(RECIPES))
def test_a_recipe_works_at_the_shortest_duration(label: str) -> None:
    assert np.isfinite(synthesise(label, np.random.default_rng(1), 0.1)).all()


def test_the_bank_covers_many_classes_in_all_splits() -> None:
    rows = list(clip_rows())
    assert set(RECIPES) <= set(CLASSES)
    assert len(RECIPES) >= 12
    for label in RECIPES:
        assert [sum(row["label"] == label and row["split"] == name for row in rows) for name in ("train", "val", "test")] == [28, 4, 8]


def test_without_any_fetched_sound_the_catalogue_is_procedural(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TWNM_CACHE", str(tmp_path))
    catalogue = load_catalogue()
    clip = catalogue.clip("procedural:bell:17")
    assert clip.procedural
    assert (clip.licence, clip.package) == ("CC0-1.0 (generated)", "twnm-procedural")
    assert abs(synthesise_path(clip.path).size / 24_000 - clip.duration_s) < 1e-3
    assert 0 < catalogue.read(clip).size <= round(clip.duration_s * 24_000)


@pytest.mark.parametrize("path", ["procedural:bell", "procedural:bell:x", "procedural:dragon:1", "bell:17", "procedural:bell:1234567890"])
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(InputError, match="procedural"):
        synthesise_path(path)


@pytest.mark.parametrize("duration_s", [0.0, 61.0, float("nan")])
def test_durations_out_of_range_are_refused(duration_s: float) -> None:
    with pytest.raises(InputError, match=r"0\.1 to 60 s"):
        synthesise("bell", np.random.default_rng(0), duration_s)
