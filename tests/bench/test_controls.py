"""Controls close one way to the answer and leave the rest; they are the same for the same question."""

from collections import Counter

import numpy as np
import pytest
from small_benchmark import item

from twnm.bench.controls import CONTROLS, control_name, controlled_audio, controlled_item, other_place
from twnm.errors import InputError

FOA = np.random.default_rng(3).standard_normal((4, 24_000)).astype(np.float32) * np.float32(0.1)
ITEM = item(0, 1)


def refuse() -> np.ndarray:
    raise AssertionError("another recording was asked for")


def heard(name: str, number: int = 0) -> np.ndarray:
    audio = controlled_audio(name, FOA, item(number, 1), refuse)
    assert audio is not None
    return audio


def test_no_control_changes_nothing():
    np.testing.assert_array_equal(heard(""), FOA)
    assert controlled_item("", ITEM) == ITEM


def test_question_only_gives_no_recording_and_wrong_clip_another():
    assert controlled_audio("question-only", FOA, ITEM, refuse) is None
    np.testing.assert_array_equal(controlled_audio("wrong-clip", FOA, ITEM, lambda: -FOA), -FOA)


def test_w_only_keeps_w_and_silences_the_rest():
    np.testing.assert_array_equal(heard("w-only")[0], FOA[0])
    assert not heard("w-only")[1:].any()


def test_shuffling_keeps_w_and_leaves_no_directional_channel_in_its_place():
    orders = set()
    for number in range(20):
        audio = heard("shuffled", number)
        np.testing.assert_array_equal(audio[0], FOA[0])
        order = tuple(next(row for row in range(4) if np.array_equal(FOA[row], channel)) for channel in audio[1:])
        assert sorted(order) == [1, 2, 3] and all(place != row for place, row in zip(order, (1, 2, 3), strict=True))
        orders.add(order)
    assert len(orders) == 2


def test_the_noise_is_as_loud_diffuse_and_not_the_recording():
    noise = heard("noise-floor")
    energy = np.mean(noise.astype(float) ** 2, axis=1)
    assert energy[0] == pytest.approx(np.mean(FOA[0].astype(float) ** 2), rel=0.03)
    assert energy[1:] == pytest.approx(np.full(3, energy[0] / 3), rel=0.05)
    assert np.abs(np.corrcoef(np.vstack([noise, FOA]))[~np.eye(8, dtype=bool)]).max() < 0.03


def test_two_channels_are_mixed_down_by_w_only_and_drowned_by_the_noise_floor():
    pair = FOA[:2] * np.array([[1.0], [2.0]], np.float32)
    middle = controlled_audio("w-only", pair, ITEM, refuse)
    np.testing.assert_array_equal(middle, np.stack([pair.mean(axis=0)] * 2))
    noise = controlled_audio("noise-floor", pair, ITEM, refuse)
    assert noise is not None and noise.dtype == np.float32
    assert np.mean(noise.astype(float) ** 2, axis=1) == pytest.approx(np.full(2, np.mean(pair.astype(float) ** 2)), rel=0.03)
    assert np.abs(np.corrcoef(np.vstack([noise, pair]))[~np.eye(4, dtype=bool)][:3]).max() < 0.03
    assert [name for name, control in CONTROLS.items() if not control.two_channels] == ["shuffled"]


def test_questions_about_one_recording_are_asked_about_one_altered_recording():
    for name in ("shuffled", "noise-floor"):
        np.testing.assert_array_equal(controlled_audio(name, FOA, item(5, 1), refuse), controlled_audio(name, FOA, item(5, 2), refuse))
    assert not np.array_equal(heard("noise-floor", 1), heard("noise-floor", 2))
    assert not np.array_equal(controlled_audio("noise-floor", FOA, item(1, 0), refuse), controlled_audio("noise-floor", FOA, item(1, 0, "yaw 90"), refuse))


def test_rotated_options_move_the_letter_with_the_right_text():
    letters = Counter()
    for number in range(60):
        before = item(number, 1)
        after = controlled_item("options-rotated", before)
        assert sorted(after.options) == sorted(before.options) and after.options != before.options
        assert after.options["ABCD".index(after.answer_letter)] == before.answer_text
        assert after.answer_letter != before.answer_letter
        letters[after.answer_letter] += 1
    assert min(letters[letter] for letter in "ABCD") >= 5


def test_twins_have_their_options_rotated_alike_and_open_questions_stay():
    assert controlled_item("options-rotated", item(7, 0)).options == controlled_item("options-rotated", item(7, 0, "yaw 90")).options
    question = item(7, 1, options=(), answer_letter=None, form="open", tolerance="text")
    assert controlled_item("options-rotated", question) == question


def test_the_wrong_clip_is_another_recording():
    places = {other_place(item(number, 1), number, 10) for number in range(10)}
    assert all(other_place(item(number, 1), number, 10) != number for number in range(10))
    assert len(places) > 3
    assert other_place(item(0, 1), 0, 1) == 0
    assert other_place(item(4, 1), 4, 9) == other_place(item(4, 2), 4, 9)


def test_names():
    assert control_name("xyz-zeroed") == control_name("w-only") == "w-only"
    assert all(control_name(name) == name for name in CONTROLS)
    with pytest.raises(InputError, match=r"unknown control 'mono'; choose from question-only, w-only, shuffled, wrong-clip"):
        control_name("mono")
