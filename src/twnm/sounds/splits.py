"""Which clips are for training, validation and test: a fixed rule, the same on every machine and for every order of the clips.

1. A recording that occurs more than once (equal content) is kept once, so that no copy can stand in two splits.
2. Clips that may be near-identical takes form a *group*, which is never divided: for speech, everything one speaker says, whatever the class;
   otherwise the clips of one class with the same package, source folder and file name without its digits (`pig_die1`, `pig_die2`).
3. A class other than speech with at least three packages draws its test split by whole *packages*, if a set of them holds 15 to 35 % of its clips:
   the test then hears other animals, microphones and rooms than the training. Otherwise test groups are drawn like validation groups.
4. Groups (or packages) are taken in the order of the SHA-256 of their names; one that would overfill its split is skipped. Targets: 20 % test
   (at least two clips), 10 % validation (at least one), the rest training. Speakers are drawn once for all speech classes in turn.
   A class of two groups has no validation split; a class of one group is for training only.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

SPLITS: Final = ("train", "val", "test")
_TEST_SHARE: Final = 0.20
_VAL_SHARE: Final = 0.10
_LARGEST_SHARE: Final = 0.35
_SMALLEST_PACKAGE_SHARE: Final = 0.15


@dataclass(frozen=True)
class Recording:
    """What the split rule needs to know of a clip."""

    path: str
    label: str
    package: str
    source: str
    speaker: str | None

    @property
    def group(self) -> str:
        """Name of the group of takes that stay together."""
        if self.speaker is not None:
            return f"speaker/{self.speaker}"
        source = PurePosixPath(self.source)
        stem = re.sub(r"[\W\d_]+", "", re.sub(r"\.[a-z0-9]{2,4}$", "", source.name.lower()))
        return f"{self.label}/{self.package}/{source.parent}/{stem}"


def _order(names: Sequence[str]) -> list[str]:
    return sorted(names, key=lambda name: (hashlib.sha256(name.encode()).hexdigest(), name))


def _take(sizes: Mapping[str, int], wanted: float, at_most: float) -> set[str]:
    """Take names in hash order until `wanted` clips are held, skipping what would exceed `at_most`; small ones fill what is still missing."""
    taken: set[str] = set()
    held = 0
    for name in [*_order(list(sizes)), *sorted(sizes, key=lambda name: (sizes[name], name))]:
        if held >= wanted:
            break
        if name not in taken and held + sizes[name] <= at_most:
            taken.add(name)
            held += sizes[name]
    return taken


def _test_by_package(recordings: Sequence[Recording]) -> set[str]:
    """Give the packages that are for test in this class, none if packages cannot divide it fairly."""
    sizes: dict[str, int] = defaultdict(int)
    for recording in recordings:
        sizes[recording.package] += 1
    total = len(recordings)
    if len(sizes) < 3 or any(recording.speaker is not None for recording in recordings):
        return set()
    packages = _take(sizes, max(2.0, _TEST_SHARE * total), _LARGEST_SHARE * total)
    held = sum(sizes[name] for name in packages)
    return packages if held >= max(2.0, _SMALLEST_PACKAGE_SHARE * total) else set()


def _fill(sizes: dict[str, int], wanted: float, total: int) -> set[str]:
    """Take groups for one split, at most 35 % of the class; if that gives none, the smallest group. One group at least stays behind."""
    taken = _take(sizes, wanted, _LARGEST_SHARE * total)
    held = sum(sizes[name] for name in taken)
    for name in sorted(sizes, key=lambda name: (sizes[name], name)):
        if held >= min(wanted, 2.0) or len(taken) >= len(sizes) - 1:
            break
        if name not in taken:
            taken.add(name)
            held += sizes[name]
    return taken


def _split_class(recordings: Sequence[Recording], fixed: Mapping[str, str]) -> dict[str, str]:
    """Assign the groups of one class; `fixed` holds groups (speakers) that another class has assigned already."""
    sizes: dict[str, int] = defaultdict(int)
    for recording in recordings:
        sizes[recording.group] += 1
    total = len(recordings)
    assigned = {group: fixed[group] for group in sizes if group in fixed}
    packages = _test_by_package(recordings)
    assigned |= {recording.group: "test" for recording in recordings if recording.package in packages}
    free = {group: size for group, size in sizes.items() if group not in assigned}

    def missing(split: str, target: float) -> float:
        return target - sum(sizes[group] for group, name in assigned.items() if name == split)

    if len(sizes) >= 2 and not packages:
        wanted = missing("test", max(2.0, _TEST_SHARE * total))
        test = _fill(free, wanted, total) if wanted > 0 and len(free) > 1 else set()
        assigned |= dict.fromkeys(test, "test")
        free = {group: size for group, size in free.items() if group not in test}
    wanted = missing("val", max(1.0, _VAL_SHARE * total))
    if len(sizes) >= 3 and wanted > 0 and len(free) > 1:
        val = _fill(free, wanted, total)
        assigned |= dict.fromkeys(val, "val")
    return {group: assigned.get(group, "train") for group in sizes}


def assign_splits(recordings: Sequence[Recording]) -> dict[str, str]:
    """Give the split ("train", "val" or "test") of every recording by its path; copies of a recording must have been removed before."""
    by_label: dict[str, list[Recording]] = defaultdict(list)
    for recording in sorted(recordings, key=lambda recording: recording.path):
        by_label[recording.label].append(recording)
    groups: dict[str, str] = {}
    for label in sorted(by_label):
        groups |= _split_class(by_label[label], groups)
    return {recording.path: groups[recording.group] for recording in recordings}
