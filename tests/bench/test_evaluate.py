"""The quick measurement: what one scene yields from a model that answers by rule, and accuracies of groups counted by hand."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from tiny_model import noise, tiny_twnm

from twnm.bench.evaluate import Asked, SceneResult, _by_group, evaluate_scene
from twnm.metrics.localisation import clip_errors
from twnm.model.hear import HeardObject, HeardRoom
from twnm.model.hearing import HeardScene
from twnm.model.twnm import Answer, Listening, Twnm
from twnm.model.twnm import Asked as Question
from twnm.questions.ask import ask_all
from twnm.scene import Event, Room, Scene, Waypoint


def event(label: str, x: float, y: float, onset_s: float, offset_s: float) -> Event:
    return Event(label=label, clip="c.wav", onset_s=onset_s, offset_s=offset_s, path=(Waypoint(time_s=0.0, position_m=(x, y, 0.0)),))


SCENE = Scene(scene_id="s", room=Room(kind="free"), events=(event("dog", 0.0, 2.0, 0.5, 4.0), event("bell", -4.0, 0.0, 2.0, 4.5)))


class Ruled(Twnm):
    """Hears the dog 10° off and the bell not at all; answers A where there are directions, B where Y, Z and X are silent."""

    def __init__(self) -> None:
        self.listened: list[np.ndarray] = []

    def scene(self, foa: np.ndarray) -> HeardScene:
        dog = HeardObject("dog", 0.9, 0.5, 4.0, 100.0, 0.0, 3.0, 0.3, (100.0,), (0.0,))
        return HeardScene(5.0, (dog,), HeardRoom(0.5, 50.0))

    def listen(self, audio: torch.Tensor) -> Any:
        self.listened.append(audio.numpy())
        return len(self.listened) - 1

    def answers(self, asked: Sequence[Question], evidence: bool = True) -> list[Answer]:
        letters = ["A" if self.listened[one.listening][1:].any() else "B" for one in asked]
        return [Answer(one.options["AB".index(letter)], letter, "", "", 0.0) for one, letter in zip(asked, letters, strict=True)]


def test_a_scene_is_measured_by_its_errors_and_its_answers_with_and_without_space() -> None:
    foa = noise()
    model = Ruled()
    result = evaluate_scene(model, SCENE, foa, np.random.default_rng(7), 100, True)
    items = ask_all(SCENE, np.random.default_rng(7), split="test")
    assert len(result.asked) == len(items) > 5
    for asked, item in zip(result.asked, items, strict=True):
        assert (asked.level, asked.task, asked.family) == (item.level, item.task, item.family)
        assert asked.chance == pytest.approx(1 / len(item.options))
        assert asked.right == (item.answer_letter == "A")
        assert asked.right_without_space == (item.answer_letter == "B")
    assert len(model.listened) == 2
    np.testing.assert_array_equal(model.listened[0], foa)
    np.testing.assert_array_equal(model.listened[1][0], foa[0])
    assert not model.listened[1][1:].any()
    assert (result.errors.true_count, result.errors.heard_count) == (2, 1)
    np.testing.assert_allclose(result.errors.angle_deg, [10.0], atol=1e-6)
    np.testing.assert_allclose(result.errors.distance_relative, [0.5])


def test_only_so_many_questions_are_asked_and_none_twice() -> None:
    result = evaluate_scene(Ruled(), SCENE, noise(), np.random.default_rng(7), 3, False)
    assert len(result.asked) == 3
    assert len({asked.task for asked in result.asked}) == 3
    assert all(asked.right_without_space is None for asked in result.asked)


def test_a_silent_scene_is_heard_but_not_asked_about() -> None:
    model = Ruled()
    result = evaluate_scene(model, SCENE.model_copy(update={"events": ()}), noise(), np.random.default_rng(7), 4, True)
    assert result.asked == ()
    assert (result.errors.true_count, result.errors.heard_count) == (0, 1)
    assert model.listened == []


def test_the_model_itself_can_be_measured_and_gives_the_same_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twnm.model.twnm._MAX_WHY_TOKENS", 5)
    model = tiny_twnm()
    first, second = (evaluate_scene(model, SCENE, noise(), np.random.default_rng(7), 2, True) for _ in range(2))
    assert isinstance(model.listen(torch.from_numpy(noise())), Listening)
    assert first.asked == second.asked
    assert len(first.asked) == 2
    assert first.errors.heard_count >= 1


def asked(level: str, task: str, family: str, right: bool, flat: bool | None, chance: float = 0.25) -> Asked:
    return Asked(level, task, family, chance, right, flat)


def test_groups_are_counted_by_hand() -> None:
    none = clip_errors([], [])
    results = [
        SceneResult(none, (asked("L1", "side", "spatial", True, False), asked("L1", "count", "semantic", True, True, 0.5))),
        SceneResult(none, ()),
        SceneResult(none, (asked("L2", "nearer", "spatial", False, None, 0.5), asked("L1", "side", "spatial", True, False))),
    ]
    groups = _by_group(results)
    assert set(groups) == {"all", "L1", "L2", "spatial", "semantic", "side", "count", "nearer"}
    assert next(iter(groups)) == "all"
    assert {name: group["n"] for name, group in groups.items()} == {"all": 4, "L1": 3, "L2": 1, "spatial": 3, "semantic": 1, "side": 2, "count": 1, "nearer": 1}
    assert groups["all"]["accuracy"] == 75.0
    assert groups["all"]["without_space"] == pytest.approx(33.3)
    assert groups["all"]["chance"] == pytest.approx(37.5)
    assert groups["spatial"]["accuracy"] == pytest.approx(66.7)
    assert groups["side"] | {"interval": None} == {
        "n": 2,
        "accuracy": 100.0,
        "interval": None,
        "without_space": 0.0,
        "without_space_interval": [0.0, 0.0],
        "chance": 25.0,
    }
    assert groups["nearer"]["without_space"] is None
    assert groups["nearer"]["without_space_interval"] == [None, None]
    low, high = groups["all"]["interval"]
    assert low <= 75.0 <= high
