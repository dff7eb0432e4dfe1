"""An event's dry sound plays the right clip at the right time."""

import numpy as np
import pytest

from twnm.errors import InputError
from twnm.scene import Event, Waypoint
from twnm.simulate.dry import dry_signal
from twnm.sounds.catalogue import Catalogue


def test_each_clip_is_played_at_its_own_time(bank: Catalogue) -> None:
    first, second = bank.read(bank.clip("dog/train.wav")), bank.read(bank.clip("gunshot/train.wav"))
    event = Event(
        label="dog",
        clip="dog/train.wav",
        clips=("dog/train.wav", "gunshot/train.wav", "dog/train.wav"),
        clip_starts_s=(0.0, 1.0, 2.0),
        onset_s=0.0,
        offset_s=round(2.0 + first.size / 24_000, 3),
        level_db=0.0,
        path=(Waypoint(time_s=0.0, position_m=(1.0, 0.0, 1.0)),),
    )
    expected = np.zeros(dry_signal(event, bank).size, np.float32)
    for start, clip in ((0, first), (24_000, second), (48_000, first)):
        expected[start : start + clip.size] += clip[: max(0, expected.size - start)]
    whole = expected.size - 300  # what the offset, rounded to a millisecond, cuts is faded
    np.testing.assert_allclose(dry_signal(event, bank)[:whole], expected[:whole], atol=1e-6)
    assert first.size < 24_000 and second.size < 24_000 and first.size != second.size


def test_an_event_longer_than_its_clips_is_refused(bank: Catalogue) -> None:
    path = (Waypoint(time_s=0.0, position_m=(1.0, 0.0, 1.0)),)
    event = Event(label="dog", clip="dog/train.wav", onset_s=0.5, offset_s=3.5, path=path)
    with pytest.raises(InputError, match=r"'dog' lasts 3\.00 s and its clips end after 0\.\d\d s; set offset_s there"):
        dry_signal(event, bank)
