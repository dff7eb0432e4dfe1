"""Drawn scenes keep the recipe's promises, and a scene depends on its recipe, bank, split, seed and index alone."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from twnm.ambisonics import angle_between_deg
from twnm.audio import write_audio
from twnm.errors import InputError
from twnm.scene import Event, Scene, nearest_approach_m
from twnm.simulate.paths import STILL
from twnm.simulate.rooms import MATERIALS
from twnm.simulate.sampler import RECIPES, Recipe, draw_scene
from twnm.simulate.situations import SITUATIONS
from twnm.sounds.catalogue import Catalogue, Clip
from twnm.sounds.classes import CLASSES

INDOOR = RECIPES["indoor"]
TAKES = {"train": 3, "val": 1, "test": 1}


def changed(name: str, **parts: object) -> Recipe:
    """A built-in recipe with some keys replaced, sections key by key."""
    keys = RECIPES[name].model_dump(mode="json")
    return Recipe.of(keys | {key: keys[key] | value if isinstance(value, dict) else value for key, value in parts.items()})


@pytest.fixture(scope="module")
def wide_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wide")


def wide_bank(folder: Path) -> Catalogue:
    """All classes, noises of 0.3 to 3 s; in the training split each class has three takes of one package, and one of another."""
    rng = np.random.default_rng(0)
    noise = (0.1 * rng.uniform(-1, 1, (1, 72_000))).astype(np.float32)
    clips, files = [], {}
    for label in CLASSES:
        for split, count in TAKES.items():
            for number in range(count):
                duration_s = float(rng.choice([0.3, 0.5, 0.8, 3.0], p=[0.4, 0.3, 0.2, 0.1]))
                path = f"{label}/{split}{number}.wav"
                files[path] = folder / f"{label}-{split}-{number}.wav"
                if not files[path].exists():
                    write_audio(files[path], noise[:, : round(duration_s * 24_000)])
                speaker = f"{split}{number}" if label.endswith("speech") else None
                clips.append(Clip(path, label, f"pack-{split}", f"{split}{number}.wav", "CC0-1.0", split, speaker, duration_s, 1.0, False))
    return Catalogue(clips, files)


@pytest.fixture(scope="module")
def wide(wide_folder: Path) -> Catalogue:
    return wide_bank(wide_folder)


@pytest.fixture(scope="module")
def scenes(wide: Catalogue) -> list[Scene]:
    return [draw_scene(wide, "indoor", 5, index) for index in range(200)]


@pytest.fixture(scope="module")
def moving(wide: Catalogue) -> list[Scene]:
    return [draw_scene(wide, "moving", 5, index) for index in range(60)]


def only(bank: Catalogue, *labels: str) -> Catalogue:
    return Catalogue((clip for clip in bank.clips if clip.label in labels), bank.files)


def most_at_once(scene: Scene) -> int:
    times_s = np.arange(0.0005, scene.duration_s, 0.001)
    return int(sum(((times_s >= event.onset_s) & (times_s < event.offset_s)).astype(int) for event in scene.events).max())


def test_counts_distances_and_separations_are_within_the_recipe(scenes: list[Scene]) -> None:
    for scene in scenes:
        assert INDOOR.events[0] <= len(scene.events) <= INDOOR.events[1]
        for number, event in enumerate(scene.events):
            if not event.moving:
                assert INDOOR.sources.distance_m[0] - 0.01 <= scene.place(event)[2] <= INDOOR.sources.distance_m[1] + 0.01
            for other in scene.events[:number]:
                if other.onset_s < event.offset_s and other.offset_s > event.onset_s:
                    time_s = np.array([0.5 * (max(event.onset_s, other.onset_s) + min(event.offset_s, other.offset_s))])
                    here, there = (it.position_at(time_s)[0] - scene.listener.position_m for it in (event, other))
                    assert float(angle_between_deg(here, there)) >= INDOOR.sources.min_separation_deg - 0.1 or event.moving


def test_listener_keeps_away_from_the_walls(scenes: list[Scene]) -> None:
    for scene in scenes:
        if scene.room.size_m is not None:
            for place, side in zip(scene.listener.position_m, scene.room.size_m, strict=True):
                assert 0.499 <= place <= side - 0.499
        assert 1.19 <= scene.listener.position_m[2] <= 1.71


def test_rooms_keep_to_the_range_and_half_are_of_named_materials(scenes: list[Scene]) -> None:
    rooms = [scene.room for scene in scenes if scene.room.kind == "shoebox"]
    assert all(room.mid_rt60_s is not None and 0.14 <= room.mid_rt60_s <= 1.21 for room in rooms)
    named = [room for room in rooms if room.materials]
    assert 0.4 < len(named) / len(rooms) < 0.6
    assert all(room.absorption == tuple(MATERIALS[name] for name in room.materials) for room in named)
    assert len({room.temperature_c for room in rooms}) > 20 and all(30 <= room.humidity_percent <= 70 for room in rooms)


def test_an_event_lasts_as_long_as_its_clips_sound(scenes: list[Scene], wide: Catalogue) -> None:
    for scene in scenes:
        for event in scene.events:
            paths = event.clips or (event.clip,) * len(event.clip_starts_s)
            lengths_s = [wide.read(wide.clip(path)).size / 24_000 for path in paths]
            end_s = max(start_s + length_s for start_s, length_s in zip(event.clip_starts_s, lengths_s, strict=True))
            event_s = event.offset_s - event.onset_s
            assert event_s == pytest.approx(end_s, abs=0.002) or (len(paths) == 1 and event_s < end_s)


def test_single_shots_become_series_of_takes_that_belong_together(scenes: list[Scene], wide: Catalogue) -> None:
    series = [event for scene in scenes for event in scene.events if event.clips]
    steps = [event for event in series if event.label == "footsteps"]
    assert steps and all(len(set(event.clips)) > 1 and event.clips[0] == event.clip for event in series)
    assert all({wide.clip(path).package for path in event.clips} == {event.package} for event in series)
    assert all(one != two for event in series for one, two in zip(event.clips, event.clips[1:], strict=False))
    spoken = [event for scene in scenes for event in scene.events if event.label.endswith("speech")]
    assert all(len({wide.clip(path).speaker for path in event.clips}) <= 1 for event in spoken)
    assert all(event.clip_starts_s == (0.0,) for scene in scenes for event in scene.events if event.label == "rain")


def test_no_label_is_rare_and_scenes_of_the_benchmark_have_distinct_ones(scenes: list[Scene], wide: Catalogue) -> None:
    labels = Counter(event.label for scene in scenes for event in scene.events)
    assert min(labels[label] for label in CLASSES) > 0.25 * labels.total() / len(CLASSES)
    for index in range(30):
        scene = draw_scene(wide, "benchmark", 1, index + 20)
        assert len({event.label for event in scene.events}) == len(scene.events) >= 1


def test_without_situations_labels_are_spread_evenly(wide: Catalogue) -> None:
    recipe = changed("anechoic", events=(6, 6), distinct_labels_probability=0.0)
    labels = Counter(event.label for index in range(80) for event in draw_scene(wide, recipe, 0, index).events)
    expected = labels.total() / len(CLASSES)
    chi_square = sum((labels[label] - expected) ** 2 / expected for label in CLASSES)
    assert chi_square < 66  # 35 degrees of freedom: exceeded by chance once in a thousand


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
        assert INDOOR.ambience.snr_db[0] <= scene.ambience.snr_db <= INDOOR.ambience.snr_db[1]


def test_backgrounds_hide_no_sound_that_is_asked_about(scenes: list[Scene]) -> None:
    kinds = Counter(scene.ambience.kind for scene in scenes)
    assert set(kinds) == {"white", "pink", "brown", "babble", "recording"}
    for scene in scenes:
        labels = {event.label for event in scene.events}
        behind = {path.partition("/")[0] for path in scene.ambience.clips}
        assert scene.ambience.labels == tuple(sorted(behind))
        if scene.ambience.kind == "recording":
            assert len(behind) == 1 and not behind & labels
            assert not scene.situation or behind <= set(SITUATIONS[scene.situation].backgrounds)
        elif scene.ambience.kind == "babble":
            assert behind <= {"male_speech", "female_speech"} and not labels & {"male_speech", "female_speech"}
            assert 4 <= len(set(scene.ambience.clips)) == len(scene.ambience.clips) <= 8


def test_scenes_use_the_clips_of_their_split_only_and_splits_share_no_room(wide: Catalogue) -> None:
    rooms = set()
    for split in ("train", "val", "test"):
        allowed = {clip.path for clip in wide.split(split).clips}
        for index in range(8):
            scene = draw_scene(wide, "benchmark", 0, index, split)
            assert scene.split == split
            assert {path for event in scene.events for path in (event.clip, *event.clips)} | set(scene.ambience.clips) <= allowed
            rooms.add(scene.room)
    assert len(rooms) == 24


def test_situations_give_the_sounds_that_belong_to_them_in_their_places(scenes: list[Scene], wide: Catalogue) -> None:
    assert 0.4 < np.mean([scene.situation != "" for scene in scenes]) < 0.6
    outdoor = [draw_scene(wide, changed("outdoor", situation_probability=1.0), 2, index) for index in range(50)]
    assert len({scene.situation for scene in outdoor}) >= 8
    for scene in [*scenes, *outdoor]:
        if scene.situation:
            situation = SITUATIONS[scene.situation]
            assert {event.label for event in scene.events} <= set(situation.weights)
            assert ("outdoor" if scene.room.kind == "ground" else "indoor") in situation.settings
            if scene.room.kind == "ground":
                assert scene.room.materials[0] in situation.grounds


def test_a_quarter_of_the_events_moves_and_what_cannot_move_does_not(scenes: list[Scene]) -> None:
    events = [event for scene in scenes for event in scene.events]
    share = np.mean([event.moving for event in events])
    assert share == pytest.approx(0.25, abs=4 * np.sqrt(0.25 * 0.75 / len(events)))
    assert not [event.label for event in events if event.moving and event.label in STILL]


def test_moving_sources_stay_inside_and_away_from_the_listener(moving: list[Scene]) -> None:
    listeners = [scene.listener.moving for scene in moving]
    assert any(listeners) and not all(listeners)
    for scene in moving:
        for event in scene.events:
            assert event.moving
            assert nearest_approach_m(event.path, scene.listener) >= 0.497
            assert (event.path[0].time_s, event.path[-1].time_s) == pytest.approx((event.onset_s, event.offset_s), abs=1e-3)
            if scene.room.size_m is not None:
                places = np.array([point.position_m for point in event.path])
                assert np.all(places >= 0.149) and np.all(places <= np.array(scene.room.size_m) - 0.149)


def speed_m_s(event: Event) -> float:
    first, last = event.path[:2]
    return float(np.linalg.norm(np.subtract(last.position_m, first.position_m)) / (last.time_s - first.time_s))


def test_speeds_are_those_of_walkers_indoors_and_of_engines_on_a_street(moving: list[Scene]) -> None:
    for scene in moving:
        for event in scene.events:
            low, high = (5.0, 20.0) if scene.room.kind == "ground" and event.label in ("engine", "horn", "train") else (0.5, 30.0)
            assert 0.97 * low <= speed_m_s(event) <= 1.03 * (high if scene.room.kind == "ground" else 2.0)


def test_the_largest_number_of_simultaneous_events_is_as_asked(wide: Catalogue) -> None:
    after_one_another = changed("anechoic", events=(4, 4), overlap_probability=0.0)
    assert all(most_at_once(draw_scene(wide, after_one_another, 0, index)) == 1 for index in range(20))
    together = changed("anechoic", events=(6, 6), overlap_probability=1.0, simultaneous_max=4, distinct_labels_probability=1.0)
    most = Counter(most_at_once(draw_scene(wide, together, 0, index)) for index in range(60))
    assert sum(most[count] for count in (2, 3, 4)) >= 0.95 * 60 and min(most[count] for count in (2, 3, 4)) > 8


def test_voices_mostly_face_the_listener_and_horns_point_anywhere(wide: Catalogue) -> None:
    few = only(wide, "male_speech", "female_speech", "horn", "rain")
    recipe = changed("anechoic", events=(4, 4), sources={"directivity_probability": 1.0})
    turned_deg: dict[str, list[float]] = {"talker": [], "cardioid": []}
    for index in range(40):
        scene = draw_scene(few, recipe, 0, index)
        for event in scene.events:
            assert event.directivity == {"male_speech": "talker", "female_speech": "talker", "horn": "cardioid", "rain": "omni"}[event.label]
            if event.directivity in turned_deg:
                x, y, _ = np.subtract(scene.listener.position_m, event.path[0].position_m)
                turned_deg[event.directivity].append(abs((event.facing_deg - np.degrees(np.arctan2(y, x)) + 180) % 360 - 180))
    assert np.median(turned_deg["talker"]) < 30 and np.max(turned_deg["talker"]) > 120
    assert np.histogram(turned_deg["cardioid"], bins=3, range=(0, 180))[0].min() > 5


def test_outdoor_scenes_reach_far_and_their_aircraft_fly(wide: Catalogue) -> None:
    few = only(wide, "aircraft", "footsteps", "dog")
    scenes = [draw_scene(few, "outdoor", 0, index) for index in range(40)]
    places = [(event.label, scene.place(event)[2], event.path[0].position_m[2]) for scene in scenes for event in scene.events]
    assert all(scene.room.kind == "ground" for scene in scenes)
    assert 20 < max(distance_m for _, distance_m, _ in places) <= 31
    assert all(height_m >= 6 for label, _, height_m in places if label == "aircraft")
    assert all(height_m <= 4.01 for label, _, height_m in places if label == "footsteps")


def test_a_walking_and_turning_listener_stays_in_the_room(wide: Catalogue) -> None:
    recipe = changed("indoor", listener={"moving_probability": 1.0, "turning_probability": 1.0}, places={"free": 0.0})
    for index in range(15):
        scene = draw_scene(wide, recipe, 0, index)
        start, end = scene.listener.path
        assert end.time_s == 5.0 and 49 <= abs(end.yaw_deg - start.yaw_deg) <= 301
        assert scene.room.size_m is not None and start.position_m != end.position_m
        assert all(0.499 <= at <= side - 0.499 for at, side in zip(end.position_m, scene.room.size_m, strict=True))
        assert np.linalg.norm(np.subtract(end.position_m, start.position_m)) <= 6.01


def test_half_of_the_microphones_are_real(scenes: list[Scene]) -> None:
    assert 0.4 < np.mean([scene.microphone is not None for scene in scenes]) < 0.6


def test_anechoic_scenes_are_still_and_without_walls(wide: Catalogue) -> None:
    for index in range(15):
        scene = draw_scene(wide, "anechoic", 0, index)
        assert scene.room.kind == "free" and scene.microphone is None and scene.ambience.kind in ("white", "pink", "brown")
        assert not any(event.moving or event.directivity != "omni" for event in scene.events)


def test_a_scene_depends_on_nothing_else_than_its_arguments(scenes: list[Scene], wide: Catalogue, wide_folder: Path) -> None:
    assert draw_scene(wide_bank(wide_folder), "indoor", 5, 17) == scenes[17]  # another catalogue object, nothing read before
    assert draw_scene(wide, "indoor", 6, 17).events != scenes[17].events
    assert draw_scene(wide, "indoor", 5, 18).events != scenes[17].events


def test_a_bank_of_few_classes_serves_every_recipe(bank: Catalogue) -> None:
    for name in RECIPES:
        for index in range(6):
            scene = draw_scene(bank, name, 0, index)
            assert scene.events and Scene.from_json(scene.to_json()) == scene


def test_scenes_without_events_can_be_asked_for(wide: Catalogue) -> None:
    scene = draw_scene(wide, changed("indoor", events=(0, 0)), 0, 0)
    assert scene.events == () and scene.ambience.kind != "none"


def test_bad_arguments_are_refused(bank: Catalogue) -> None:
    with pytest.raises(InputError, match="indoor, outdoor, reverberant"):
        draw_scene(bank, "underwater", 0, 0)
    with pytest.raises(InputError, match="seed -1"):
        draw_scene(bank, "indoor", -1, 0)
    with pytest.raises(InputError, match="no clips"):
        draw_scene(Catalogue(()), "indoor", 0, 0, "none")
    with pytest.raises(InputError, match="unknown split 'exam'"):
        draw_scene(bank, "indoor", 0, 0, "exam")
    far = changed("indoor", places={"free": 0.0}, room={"length_m": (3, 3.1), "width_m": (3, 3.1)}, sources={"distance_m": (5.9, 6.0)})
    with pytest.raises(InputError, match="find no place; widen"):
        draw_scene(bank, far, 0, 0)
    dead = changed("indoor", places={"free": 0.0}, room={"rt60_s": (0.01, 0.02)})
    with pytest.raises(InputError, match=r"within \(0\.01, 0\.02\) s; widen the ranges"):
        draw_scene(bank, dead, 0, 0)
