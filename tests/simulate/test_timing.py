"""Series keep their rhythm, and events are laid out with the asked number of them at once."""

import numpy as np
import pytest

from twnm.simulate.timing import RHYTHMS, Rhythm, draw_series, lay_out, longest_in_lanes, most_at_once, repeats
from twnm.sounds.classes import CLASSES


def test_steps_keep_an_even_pace_within_their_jitter() -> None:
    for seed in range(20):
        steps_s = np.diff(draw_series(np.random.default_rng(seed), RHYTHMS["footsteps"], lambda number: 0.3, 6.0))
        assert steps_s.min() >= 0.42 * 0.94 - 1e-3 and steps_s.max() <= 0.65 * 1.06 + 1e-3
        assert steps_s.max() / steps_s.min() <= 1.06 / 0.94 + 1e-3


def test_groups_are_followed_by_pauses() -> None:
    rhythm = Rhythm((0.2, 0.2), 0.0, (3, 3), (1.0, 1.0))
    assert draw_series(np.random.default_rng(0), rhythm, lambda number: 0.1, 3.0) == (0.0, 0.2, 0.4, 1.6, 1.8, 2.0)


def test_calls_wait_for_the_end_of_the_one_before_and_end_in_time() -> None:
    lengths_s = (0.9, 0.4, 0.7, 0.2, 0.5, 0.9, 0.9, 0.9)
    for seed in range(20):
        starts_s = draw_series(np.random.default_rng(seed), RHYTHMS["dog"], lambda number: lengths_s[number], 4.0)
        ends_s = np.array(starts_s) + lengths_s[: len(starts_s)]
        assert np.all(starts_s[1:] >= ends_s[:-1]) and ends_s[-1] <= 4.0


def test_only_short_clips_of_some_classes_are_repeated() -> None:
    assert set(RHYTHMS) <= set(CLASSES)
    assert repeats(RHYTHMS["footsteps"], 0.4) and not repeats(RHYTHMS["footsteps"], 3.0)
    assert repeats(RHYTHMS["dog"], 0.6) and not repeats(RHYTHMS.get("rain"), 0.6)


@pytest.mark.parametrize("lanes", [1, 2, 3])
def test_never_more_events_at_once_than_asked_and_nearly_always_so_many(lanes: int) -> None:
    rng = np.random.default_rng(lanes)
    reached = []
    for _ in range(200):
        longest_s = longest_in_lanes(5, lanes, 5.0)
        lengths_s = [float(rng.uniform(0.3, longest_s)) for _ in range(5)]
        onsets_s = lay_out(rng, lengths_s, lanes, 5.0)
        times_s = np.arange(0.0005, 5.0, 0.001)
        counts = sum(((times_s >= onset_s) & (times_s < onset_s + length_s - 1e-3)).astype(int) for onset_s, length_s in zip(onsets_s, lengths_s, strict=True))
        assert np.max(counts) <= lanes
        assert all(onset_s + length_s <= 5.0 for onset_s, length_s in zip(onsets_s, lengths_s, strict=True))
        reached.append(most_at_once(list(zip(onsets_s, lengths_s, strict=True))) == lanes)
    assert np.mean(reached) > 0.9


def test_no_event_needs_no_time() -> None:
    assert lay_out(np.random.default_rng(0), [], 1, 5.0) == [] and longest_in_lanes(0, 1, 5.0) == 5.0 and most_at_once([]) == 0
