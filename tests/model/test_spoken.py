"""What was heard, told in sentences."""

from dataclasses import replace

import pytest

from twnm.model.hear import HeardObject, HeardRoom
from twnm.model.hearing import HeardScene
from twnm.model.spoken import tell_scene

DOG = HeardObject("dog", 0.9, 0.0, 2.1, 45.0, 20.0, 2.1, 0.3, (45.0,), (20.0,))
RAIN = HeardObject("rain", 0.9, 1.1, 5.0, 180.0, 0.0, 5.2, 0.3, (180.0,), (0.0,))
ROOM = HeardRoom(0.6, 60.0)


def told(*objects: HeardObject, room: HeardRoom = ROOM) -> str:
    return tell_scene(HeardScene(5.0, objects, room))


def test_sounds_are_told_by_onset_with_place_distance_and_time() -> None:
    assert told(DOG, RAIN) == (
        "You hear two sounds in a live room. From the beginning, a dog in front of you to the left, above you, about 2 metres away, for 2 seconds. "
        "After 1 second, rain behind you, about 5 metres away, to the end."
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"chances": (0.5, 0.3)}, "probably a dog in front"),
        ({"chances": (0.3, 0.2), "others": ("aircraft",)}, "a dog or an aircraft in front"),
        ({"distance_m": 0.6}, "within reach"),
        ({"distance_m": 2.4}, "about 2.5 metres away"),
        ({"offset_s": 0.4}, "for half a second."),
        ({"azimuth_deg": -90.0, "elevation_deg": -20.0}, "on your right, below you,"),
        ({"moves": 0.9, "distances_m": (4.0, 3.5, 3.0, 2.5, 2.0, 1.6, 1.5)}, "which comes closer"),
    ],
)
def test_words_follow_what_is_heard(changes: dict[str, object], words: str) -> None:
    assert words in told(replace(DOG, **changes))


def test_the_place_is_told() -> None:
    for room, words in ((HeardRoom(0.3, 9.0), "a dry room"), (HeardRoom(1.0, 9.0), "an echoing hall"), (HeardRoom(1.0, 9.0, 0.1), "in the open")):
        assert words in told(DOG, room=room)


def test_silence_and_crowds() -> None:
    assert told() == "You hear nothing that stands out."
    assert told(*[DOG] * 12).startswith("You hear 12 sounds")
