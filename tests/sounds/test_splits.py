"""The split rule: disjoint, complete, the same for every order."""

from collections import defaultdict

import numpy as np
import pytest

from twnm.sounds.splits import Recording, assign_splits


def _bank(seed: int) -> list[Recording]:
    rng = np.random.default_rng(seed)
    recordings = []
    for label in ("dog", "pig", "rain", "male_speech", "female_speech"):
        for number in range(int(rng.integers(12, 60))):
            package = f"pack{rng.integers(0, rng.integers(1, 7))}"
            speaker = f"{package}:{rng.integers(0, 5)}" if label.endswith("speech") else None
            recordings.append(Recording(f"{label}/{number}.flac", label, package, f"s/{label}_{rng.choice(list('abcdefgh'))}{number}.ogg", speaker))
    return recordings


@pytest.mark.parametrize("seed", range(12))
def test_no_group_and_no_speaker_stands_in_two_splits(seed: int) -> None:
    recordings = _bank(seed)
    splits = assign_splits(recordings)
    homes = defaultdict(set)
    for recording in recordings:
        homes[recording.group].add(splits[recording.path])
    assert {len(home) for home in homes.values()} == {1}
    assert set(splits) == {recording.path for recording in recordings}


@pytest.mark.parametrize("seed", range(12))
def test_the_order_of_the_clips_does_not_matter(seed: int) -> None:
    recordings = _bank(seed)
    shuffled = [recordings[index] for index in np.random.default_rng(seed).permutation(len(recordings))]
    assert assign_splits(recordings) == assign_splits(shuffled)


@pytest.mark.parametrize("seed", range(12))
def test_every_class_with_three_groups_has_all_splits(seed: int) -> None:
    recordings = _bank(seed)
    splits = assign_splits(recordings)
    for label in ("dog", "pig", "rain"):
        own = [recording for recording in recordings if recording.label == label]
        counts = {name: sum(splits[recording.path] == name for recording in own) for name in ("train", "val", "test")}
        assert len({recording.group for recording in own}) >= 3
        assert counts["test"] >= 2
        assert counts["val"] >= 1
        assert counts["train"] >= 0.4 * len(own)


def test_takes_of_one_sound_stay_together_and_small_classes_train() -> None:
    takes = [Recording(f"pig/{n}", "pig", "p", f"sounds/pig_die{n}.wav", None) for n in range(9)]
    assert set(assign_splits(takes).values()) == {"train"}
    two = [*takes, Recording("pig/x", "pig", "p", "sounds/pig_eat.wav", None)]
    assert assign_splits(two)["pig/x"] == "test"


def test_a_class_of_many_packages_is_tested_on_other_packages() -> None:
    recordings = [Recording(f"dog/{n}", "dog", f"pack{n % 6}", f"dog{'abcdefghijklmnopqrstuvwxyz'[n]}.wav", None) for n in range(24)]
    splits = assign_splits(recordings)
    tested = {recording.package for recording in recordings if splits[recording.path] == "test"}
    trained = {recording.package for recording in recordings if splits[recording.path] != "test"}
    assert tested
    assert not tested & trained


def test_one_speaker_in_two_classes_is_in_one_split() -> None:
    recordings = [Recording(f"{sex}/{n}", f"{sex}_speech", "p", f"{n}.ogg", f"speaker{n % 7}") for sex in ("female", "male") for n in range(28)]
    splits = assign_splits(recordings)
    assert len({(recording.speaker, splits[recording.path]) for recording in recordings}) == 7
    assert set(splits.values()) == {"train", "val", "test"}
