"""Names in a question are bound to the objects that they most probably mean, each its own."""

from dataclasses import replace
from typing import Any

import pytest

from twnm.model.binding import bind, called, names_in
from twnm.model.hear import HeardObject

CLASSES = ("dog", "pig", "male_speech", "female_speech", "bell")


def heard(**chances: float) -> HeardObject:
    values: Any = tuple(chances.get(label, 0.0) for label in CLASSES)
    return HeardObject(max(chances, key=lambda label: chances[label]), 0.9, 0.0, 1.0, 0.0, 0.0, 2.0, 0.3, (0.0,), (0.0,), chances=values)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Where is the dog?", ["dog"]),
        ("Is the male speech left of the bell, or the bell of the dog?", ["male_speech", "bell", "dog"]),
        ("How many sounds do you hear?", []),
        ("Is the dogfight near?", []),
    ],
)
def test_names_are_found_in_their_order(text: str, names: list[str]) -> None:
    assert names_in(text, CLASSES) == names


def test_a_name_means_the_object_that_it_most_probably_is() -> None:
    objects = [heard(pig=0.6, dog=0.3), heard(bell=0.9, dog=0.05)]
    assert bind(objects, "Where is the dog?", (), CLASSES) == ["dog", "bell"]
    assert bind(objects, "Where is it?", ("left", "right"), CLASSES) == ["pig", "bell"]


def test_every_name_means_an_object_of_its_own() -> None:
    objects = [heard(dog=0.5, pig=0.4), heard(dog=0.6, pig=0.05)]
    assert bind(objects, "Is the pig or the dog nearer?", (), CLASSES) == ["pig", "dog"]


def test_names_in_the_options_take_what_is_left_unless_they_are_improbable() -> None:
    objects = [heard(dog=0.6, pig=0.3), heard(male_speech=0.6, female_speech=0.4)]
    assert bind(objects, "What sounds with the pig?", ("female speech", "bell"), CLASSES) == ["pig", "female_speech"]
    assert bind(objects, "What is heard?", ("bell", "pig"), CLASSES) == ["pig", "male_speech"]


def test_another_object_that_was_heard_alike_is_called_by_its_next_name() -> None:
    objects = [heard(dog=0.5, pig=0.3, bell=0.1), heard(dog=0.8)]
    assert bind(objects, "Where is the dog?", (), CLASSES) == ["pig", "dog"]
    everything = "Where is the dog, with the pig, the male speech, the female speech and the bell?"
    assert bind([heard(dog=0.5)] * 6, everything, (), CLASSES).count("dog") == 2  # no name is left


def test_where_an_option_is_heard_another_must_be_more_probable() -> None:
    train, footsteps = heard(pig=0.6, bell=0.1), heard(dog=0.9)
    assert bind([train, footsteps], "What is heard?", ("bell", "dog"), CLASSES) == ["pig", "dog"]
    assert bind([train], "What is heard?", ("bell", "male speech"), CLASSES) == ["bell"]


def test_names_that_all_options_hold_are_asked_for() -> None:
    stories = ("the bell calls and the pig answers", "the pig calls and the bell answers")
    assert bind([heard(dog=0.9, pig=0.01), heard(dog=0.5, bell=0.02)], "What happens?", stories, CLASSES) == ["pig", "bell"]


def test_objects_that_are_among_the_options_take_their_names_however_improbable() -> None:
    objects = [heard(dog=0.9, bell=0.01), heard(pig=0.9)]
    assert bind(objects, "What is on your left?", ("bell", "pig", "male speech"), CLASSES) == ["dog", "pig"]
    assert bind(objects, "What is on your left?", ("bell", "pig", "male speech"), CLASSES, among_options=True) == ["bell", "pig"]


def test_an_object_that_is_called_otherwise_has_no_other_names() -> None:
    dog, bell = replace(heard(dog=0.6, pig=0.3), others=("pig",)), replace(heard(bell=0.6, dog=0.3), others=("dog",))
    assert called([dog, bell], ["pig", "bell"]) == [replace(dog, label="pig", others=()), bell]


def test_without_objects_or_chances_nothing_is_bound() -> None:
    assert bind([], "Where is the dog?", (), CLASSES) == []
    plain = HeardObject("pig", 0.9, 0.0, 1.0, 0.0, 0.0, 2.0, 0.3, (0.0,), (0.0,))
    assert bind([plain], "Where is the dog?", (), CLASSES) == ["pig"]
