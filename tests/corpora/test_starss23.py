from pathlib import Path

import numpy as np
import pytest
from simulated import event, heard, noise, scene_of, write_wav

from twnm.corpora.starss23 import CLASSES, NOT_ASKED, read_metadata, read_starss23, runs, scenes_of
from twnm.errors import InputError
from twnm.metrics.dcase_csv import read_dcase
from twnm.metrics.seld import evaluate
from twnm.questions.twins import Transform
from twnm.scene import Scene
from twnm.simulate.dcase import dcase_rows
from twnm.sounds.catalogue import Catalogue
from twnm.sounds.classes import CLASSES as OURS

TRAIN, TEST = "dev-train-sony/fold3_room21_mix001", "dev-test-tau/fold4_room2_mix001"
SIMULATED = scene_of(
    event("female_speech", 60.0, 10.0, 1.5, 0.5, 2.0),
    event("bell", -100.0, 30.0, 3.0, 3.0, 4.5),
    event("door", 170.0, 0.0, 2.5, 6.2, 7.2),
    event("footsteps", 20.0, -20.0, 1.2, 7.0, 9.0),
    duration_s=11.0,
)


def publish(folder: Path, bank: Catalogue, *names: str) -> Path:
    """The layout of STARSS23 with one simulated recording of 11 s under every name: a window of two sounds, one of two others, and a rest."""
    rows = dcase_rows(SIMULATED, CLASSES)
    for name in names:
        write_wav(folder / "foa_dev" / f"{name}.wav", heard(SIMULATED, bank))
        write_metadata(folder / "metadata_dev" / f"{name}.csv", rows)
    return folder


def write_metadata(path: Path, rows: list[tuple[int, ...]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(",".join(map(str, row)) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_recording_becomes_scenes_that_say_what_was_simulated(tmp_path: Path, bank: Catalogue) -> None:
    publish(tmp_path, bank, TRAIN)
    scenes = scenes_of(tmp_path / "metadata_dev" / f"{TRAIN}.csv", 11.0, "train")
    assert [scene.scene_id for scene in scenes] == ["fold3_room21_mix001-000", "fold3_room21_mix001-001"]
    found = [
        (event.label, round(5 * window + event.onset_s, 6), round(5 * window + event.offset_s, 6))
        for window, scene in enumerate(scenes)
        for event in scene.events
    ]
    assert found == [("female_speech", 0.5, 2.0), ("bell", 3.0, 4.5), ("door", 6.2, 7.2), ("footsteps", 7.0, 9.0)]
    places = [scene.place(event) for scene in scenes for event in scene.events]
    np.testing.assert_allclose(places, [SIMULATED.place(event) for event in SIMULATED.events], atol=0.51)
    assert all(scene.room.kind == "unknown" and scene.listener.position_m == (0.0, 0.0, 0.0) and not any(e.moving for e in scene.events) for scene in scenes)


def test_the_scenes_give_the_metadata_again(tmp_path: Path) -> None:
    rows = [(frame, label, source, azimuth + frame % 7, 5, 150 + frame) for frame in range(3, 48) for label, source, azimuth in ((1, 4, 20), (6, 4, -90))]
    path = write_metadata(tmp_path / "fold4_room1_mix001.csv", rows)
    (scene,) = scenes_of(path, 5.0, "test")
    assert sorted((frame, label, az, el, cm) for frame, label, _, az, el, cm in dcase_rows(scene, CLASSES)) == sorted(
        (frame, label, az, el, cm) for frame, label, _, az, el, cm in rows
    )


def test_questions_follow_from_the_scenes_with_exact_twins_and_known_wordings(tmp_path: Path, bank: Catalogue) -> None:
    corpus = read_starss23(publish(tmp_path, bank, TRAIN, TEST))
    assert {clip.scene.split for clip in corpus.clips if clip.scene} == {"train", "test"} and len(corpus.clips) == 4
    ids = {item.sample_id: item for item in corpus.items}
    assert len(ids) == len(corpus.items) > 40
    twins = [item for item in corpus.items if item.transform]
    assert twins and all(ids[str(item.twin)].twin == item.sample_id and ids[str(item.twin)].answer_text != item.answer_text for item in twins)
    assert all(Transform.of(item.transform) for item in twins)
    assert not {item.task for item in corpus.items} & set(NOT_ASKED)
    assert {item.level for item in corpus.items} == {"L1", "L2", "L3"}
    assert {item.family for item in corpus.items} >= {"semantic", "spatial", "mixed"}
    words = {split: {item.question for item in corpus.items if item.scene_id.startswith(fold)} for split, fold in (("train", "fold3"), ("test", "fold4"))}
    assert not words["train"] & words["test"]
    assert corpus.items == read_starss23(tmp_path).items
    assert corpus.items != read_starss23(tmp_path, seed=1).items


def test_the_official_folds_are_the_splits(tmp_path: Path, bank: Catalogue) -> None:
    publish(tmp_path, bank, TRAIN, TEST)
    for split, fold in (("train", "fold3"), ("test", "fold4")):
        assert {item.scene_id[:5] for item in read_starss23(tmp_path, split).items} == {fold}


def test_the_audio_of_a_window_is_that_part_of_the_recording(tmp_path: Path, bank: Catalogue) -> None:
    corpus = read_starss23(publish(tmp_path, bank, TRAIN))
    whole = heard(SIMULATED, bank)
    assert [clip.name for clip in corpus.clips] == ["fold3_room21_mix001-000", "fold3_room21_mix001-001"]
    for number, clip in enumerate(corpus.clips):
        np.testing.assert_allclose(clip.read(), whole[:, 120_000 * number : 120_000 * (number + 1)], atol=1 / 32768)


def test_a_window_without_a_labelled_sound_is_counted_and_left_out(tmp_path: Path, bank: Catalogue) -> None:
    publish(tmp_path, bank, TRAIN)
    write_metadata(tmp_path / "metadata_dev" / f"{TRAIN}.csv", [row for row in dcase_rows(SIMULATED, CLASSES) if row[0] >= 50])
    corpus = read_starss23(tmp_path)
    assert [clip.name[-3:] for clip in corpus.clips] == ["001"] and corpus.notes["windows_without_labelled_sound"] == 1


def frames(tmp_path: Path, *rows: tuple[int, ...]) -> list[list[int]]:
    return [[row.frame for row in run] for run in runs(read_metadata(write_metadata(tmp_path / "a.csv", list(rows))))]


def test_an_event_ends_at_a_gap_and_at_another_class_or_source(tmp_path: Path) -> None:
    assert frames(tmp_path, (0, 1, 0, 0, 0, 100), (1, 1, 0, 0, 0, 100), (3, 1, 0, 0, 0, 100)) == [[0, 1], [3]]
    assert frames(tmp_path, (0, 1, 0, 0, 0, 100), (1, 4, 0, 0, 0, 100), (1, 1, 2, 0, 0, 100)) == [[0], [1], [1]]


def test_two_sounds_of_one_actor_in_a_frame_are_two_events_told_apart_by_place(tmp_path: Path) -> None:
    rows = [(frame, 5, 0, azimuth, 0, 100) for frame in range(3) for azimuth in ((10, 90) if frame % 2 else (90, 10))]
    path = write_metadata(tmp_path / "a.csv", rows)
    assert [{row.azimuth_deg for row in run} for run in runs(read_metadata(path))] == [{90.0}, {10.0}]


def test_a_moving_sound_has_its_place_every_100_ms_and_a_resting_one_a_single_place(tmp_path: Path) -> None:
    rows = [(frame, 6, 0, 3 * frame, 0, 200) for frame in range(40)] + [(frame, 8, 1, -45, 0, 150) for frame in range(40)]
    (scene,) = scenes_of(write_metadata(tmp_path / "fold3_room1_mix001.csv", rows), 5.0, "train")
    steps, music = scene.events
    assert steps.moving and len(steps.path) == 40 and len(music.path) == 1
    track = scene.track(steps)
    np.testing.assert_allclose(track.azimuth_deg[:40], 3.0 * np.arange(40), atol=1e-6)


def test_labels_are_ours_where_they_mean_the_same_and_all_differ() -> None:
    assert len(set(CLASSES)) == 13
    assert {"female_speech", "male_speech", "alarm_phone", "laughter", "footsteps", "door", "running_water", "bell"} == set(CLASSES) & set(OURS)


def test_the_published_metadata_is_the_truth_of_the_seld_metrics(tmp_path: Path, bank: Catalogue) -> None:
    publish(tmp_path, bank, TRAIN)
    truth = read_dcase(tmp_path / "metadata_dev" / f"{TRAIN}.csv")
    assert evaluate([(truth, truth)], len(CLASSES), 2024, "macro")["f20"] == 1.0


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((0, 13, 0, 0, 0, 100), r"a.csv has the class 13; STARSS23 has 0 to 12"),
        ((0, 1, 0, 0, 0), r"a.csv has rows without a distance, as STARSS22"),
        ((0, 1, 0, 0, 0, 2), r"nearer than 20 cm; are the distances in metres"),
        (("frame", "class", "source", "azimuth", "elevation", "distance"), r"a.csv line 1 is .*does the file have a header"),
    ],
)
def test_metadata_in_another_format_is_refused(tmp_path: Path, row: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_metadata(write_metadata(tmp_path / "a.csv", [row]))


def test_a_folder_that_is_not_whole_is_refused(tmp_path: Path, bank: Catalogue) -> None:
    with pytest.raises(InputError, match=r"has no folder foa_dev; unpack foa_dev.zip"):
        read_starss23(tmp_path)
    publish(tmp_path, bank, TRAIN)
    with pytest.raises(InputError, match=r"no split 'dev'; allowed: train .fold 3., test .fold 4."):
        read_starss23(tmp_path, "dev")
    with pytest.raises(InputError, match=r"has no recording of the split 'test'"):
        read_starss23(tmp_path, "test")
    labels = tmp_path / "metadata_dev" / f"{TRAIN}.csv"
    labels.rename(tmp_path / "kept.csv")
    with pytest.raises(InputError, match=r"1 recordings have no metadata, the first is dev-train-sony/fold3_room21_mix001"):
        read_starss23(tmp_path)
    (tmp_path / "kept.csv").rename(labels)
    write_wav(tmp_path / "foa_dev" / f"{TRAIN}.wav", noise(2))
    with pytest.raises(InputError, match=r"fold3_room21_mix001.wav has 2 channels; this corpus has 4"):
        read_starss23(tmp_path)
    (tmp_path / "foa_dev" / f"{TRAIN}.wav").unlink()
    with pytest.raises(InputError, match=r"has no .wav file"):
        read_starss23(tmp_path)


def test_a_name_that_is_none_of_the_corpus_is_refused(tmp_path: Path, bank: Catalogue) -> None:
    with pytest.raises(InputError, match=r"fold5_room1_mix001 is no name of STARSS23"):
        read_starss23(publish(tmp_path, bank, "dev-train-tau/fold5_room1_mix001"))


def test_scenes_go_through_json(tmp_path: Path, bank: Catalogue) -> None:
    publish(tmp_path, bank, TRAIN)
    for scene in scenes_of(tmp_path / "metadata_dev" / f"{TRAIN}.csv", 11.0, "train"):
        assert Scene.from_json(scene.to_json()) == scene
