"""Situations cover the classes, and sounds tell of the situation that has them."""

import pytest

from twnm.errors import InputError
from twnm.simulate.background import BACKGROUNDS
from twnm.simulate.rooms import GROUNDS
from twnm.simulate.situations import SITUATIONS, best_situation, of_setting, plausible_situations, situation_probabilities
from twnm.sounds.classes import CLASSES


def test_every_class_belongs_somewhere_and_nothing_else_is_named() -> None:
    assert len(SITUATIONS) >= 12
    assert {label for situation in SITUATIONS.values() for label in situation.weights} == set(CLASSES)
    for situation in SITUATIONS.values():
        assert len(situation.weights) >= 5 and all(0 < weight <= 1 for weight in situation.weights.values())
        assert set(situation.backgrounds) <= set(BACKGROUNDS) <= set(CLASSES)
        assert set(situation.grounds) <= set(GROUNDS) and bool(situation.grounds) == ("outdoor" in situation.settings)


def test_a_situation_is_plausible_when_it_has_all_the_sounds() -> None:
    assert plausible_situations(("cow", "pig")) == ("farm",)
    assert "kitchen" in plausible_situations(("running_water", "dog")) and "office" not in plausible_situations(("running_water", "dog"))
    assert plausible_situations(("keyboard_typing", "thunder")) == ()
    assert plausible_situations(()) == tuple(SITUATIONS)
    assert set(of_setting("indoor")) | set(of_setting("outdoor")) == set(SITUATIONS)


def test_probabilities_follow_bayes_rule() -> None:
    probabilities = situation_probabilities(("thunder",))
    assert sum(probabilities.values()) == pytest.approx(1.0)
    storm = SITUATIONS["storm"].weights
    chance = storm["thunder"] / sum(storm.values())
    assert probabilities["storm"] / probabilities["kitchen"] == pytest.approx(chance / 0.005)
    assert next(iter(probabilities)) == "storm"
    assert list(situation_probabilities(()).values()) == pytest.approx([1 / len(SITUATIONS)] * len(SITUATIONS))


def test_the_best_situation_is_named_only_with_a_margin() -> None:
    assert best_situation(("cow", "horse")) == "farm"
    assert best_situation(("gunshot", "explosion")) == "battlefield"
    assert best_situation(("footsteps",)) is None
    assert best_situation(("keyboard_typing", "thunder")) is None
    assert best_situation(("guitar", "drums"), margin=2.0) == "concert" and best_situation(("guitar", "drums"), margin=100.0) is None
    with pytest.raises(InputError, match="give 1 or more"):
        best_situation(("cow",), margin=0.5)
