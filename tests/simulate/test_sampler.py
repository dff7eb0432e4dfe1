"""Drawn scenes keep the recipe's promises, and a scene depends on its seed and index alone."""

import numpy as np
import pytest

from twnm.ambisonics import angle_between_deg
from twnm.errors import InputError
from twnm.scene import Scene
from twnm.simulate.sampler import RECIPES, Recipe, draw_scene
from twnm.sounds.catalogue import Catalogue

INDOOR = RECIPES["indoor"]


@pytest.fixture(scope="module")
def scenes(bank: Catalogue) -> list[Scene]:
    return [draw_scene(bank, "indoor", 5, index) for index in range(200)]


def test_counts_distances_and_separations_are_within_the_recipe(scenes: list[Scene]) -> None:
    for scene in scenes:
        assert INDOOR.events_min <= len(scene.events) <= INDOOR.events_max
        for number, event in enumerate(scene.events):
            place = np.subtract(event.path[0].position_m, scene.listener.position_m)
            assert INDOOR.distance_m[0] - 0.01 <= np.linalg.norm(place) <= INDOOR.distance_m[1] + 0.01
            for other in scene.events[:number]:
                if other.onset_s < event.offset_s and other.offset_s > event.onset_s:
                    there = np.subtract(other.path[0].position_m, scene.listener.position_m)
                    assert float(angle_between_deg(place, there)) >= INDOOR.min_separation_deg


def test_listener_keeps_away_from_the_walls(scenes: list[Scene]) -> None:
    for scene in scenes:
        if scene.room.size_m is not None:
            for place, side in zip(scene.listener.position_m, scene.room.size_m, strict=True):
                assert 0.499 <= place <= side - 0.499
        assert 1.19 <= scene.listener.position_m[2] <= 1.71


def test_an_event_lasts_as_long_as_its_clips_sound(scenes: list[Scene], bank: Catalogue) -> None:
    for scene in scenes:
        for event in scene.events:
            last_s = event.clip_starts_s[-1] + bank.read(bank.clip(event.clip)).size / 24_000
            assert event.offset_s - event.onset_s == pytest.approx(min(last_s, 4.0), abs=0.002) or last_s < 0.2 or event.offset_s - event.onset_s < last_s


def test_labels_are_spread_evenly_and_mostly_distinct(scenes: list[Scene], bank: Catalogue) -> None:
    labels = [event.label for scene in scenes for event in scene.events]
    counts = np.array([labels.count(label) for label in bank.labels])
    assert counts.min() > 0.5 * counts.mean()
    repeated = sum(len({event.label for event in scene.events}) < len(scene.events) for scene in scenes)
    assert repeated < 0.06 * len(scenes)


def test_azimuths_cover_the_circle(scenes: list[Scene]) -> None:
    azimuths = [scene.place(event)[0] for scene in scenes for event in scene.events]
    counts, _ = np.histogram(azimuths, bins=8, range=(-180, 180))
    assert counts.min() > 0.6 * counts.mean()


def test_source_level_says_nothing_about_distance(scenes: list[Scene]) -> None:
    pairs = np.array([(event.level_db, scene.place(event)[2]) for scene in scenes for event in scene.events])
    assert abs(np.corrcoef(pairs.T)[0, 1]) < 3 / np.sqrt(len(pairs))


def test_ambience_lies_below_the_loudest_event_by_the_recorded_ratio(scenes: list[Scene]) -> None:
    for scene in scenes:
        assert scene.ambience.snr_db is not None
        assert max(scene.audibility_db(event) for event in scene.events) == pytest.approx(scene.ambience.snr_db, abs=0.01)
        assert INDOOR.snr_db[0] <= scene.ambience.snr_db <= INDOOR.snr_db[1]


def test_scenes_use_the_clips_of_their_split_only(bank: Catalogue) -> None:
    for split in ("train", "val", "test"):
        allowed = {clip.path for clip in bank.split(split).clips}
        for index in range(10):
            scene = draw_scene(bank, "benchmark", 0, index, split)
            assert scene.split == split
            assert {event.clip for event in scene.events} <= allowed


def test_single_shots_are_repeated(scenes: list[Scene]) -> None:
    assert any(len(event.clip_starts_s) > 1 for scene in scenes for event in scene.events if event.label == "gunshot")
    assert all(event.clip_starts_s == (0.0,) for scene in scenes for event in scene.events if event.label == "rain")


def test_a_scene_depends_on_seed_and_index_alone(scenes: list[Scene], bank: Catalogue) -> None:
    assert draw_scene(bank, "indoor", 5, 17) == scenes[17]
    assert draw_scene(bank, "indoor", 6, 17) != scenes[17]


def test_anechoic_scenes_have_no_walls(bank: Catalogue) -> None:
    assert all(draw_scene(bank, "anechoic", 0, index).room.kind == "free" for index in range(5))


def test_bad_recipes_and_arguments_are_refused(bank: Catalogue) -> None:
    with pytest.raises(InputError, match="indoor, anechoic, benchmark"):
        draw_scene(bank, "outdoor", 0, 0)
    with pytest.raises(InputError, match="seed -1"):
        draw_scene(bank, "indoor", -1, 0)
    with pytest.raises(InputError, match="no clips"):
        draw_scene(Catalogue(()), "indoor", 0, 0, "none")
    with pytest.raises(InputError, match="colour"):
        Recipe.of({"name": "mine", "colour": "red"})
    with pytest.raises(InputError, match="lowest above highest"):
        Recipe.of({"name": "mine", "snr_db": (30.0, 10.0)})
    with pytest.raises(InputError, match="find no place"):
        draw_scene(bank, Recipe(name="far", anechoic_probability=0.0, length_m=(3, 3.1), width_m=(3, 3.1), distance_m=(5.9, 6.0)), 0, 0)
