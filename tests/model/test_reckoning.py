"""Tests of twnm.model.reckoning: every true reasoning is continued as it is, whatever can be computed is, and false figures are found out."""

import re

import numpy as np
import pytest
from scene_drawing import seeded_scenes

from twnm.model.notes import note_of_motion
from twnm.model.reckoning import Reckoner
from twnm.questions.ask import ask_all
from twnm.questions.evidence import write_evidence
from twnm.questions.facts import Facts, facts_of
from twnm.questions.level1 import ROOMS
from twnm.questions.level2 import CHANGES, RELATIONS
from twnm.questions.stories import ASIDE, BETWEEN, call_text

EVIDENCE = "dog | front-left 45° | level 5° | 2.1 m | 0.4-2.3 s; bell | right -90° | above 30° | 3.0 m | 1.0-4.2 s"
NOTES = "RT60 0.6 s; dog moves 20° 2.5 m, 45° 2.1 m, 90° 2.8 m"
SECTORS = ("front", "left", "back", "right")
CALLS = tuple(call_text(*pair, side) for pair in (("dog", "bell"), ("bell", "dog")) for side in ("same", "opposite"))
BETWEEN_OR_ASIDE = tuple(story.format(a="bell", b="dog") for story in (*BETWEEN, ASIDE))


def notes_of(facts: Facts) -> str:
    room = "open air" if facts.rt60_s is None else f"RT60 {facts.rt60_s:.1f} s"
    return "; ".join([room, *(note_of_motion(source.label, source.motion) for source in facts.sources if source.motion)])


def test_true_reasonings_are_continued_as_they_are() -> None:
    concluded, wrong = set(), []
    for number, scene in enumerate(seeded_scenes(120)):
        facts, rng = facts_of(scene), np.random.default_rng(number)
        evidence, notes = write_evidence(tuple(source.heard for source in facts.sources)), notes_of(facts)
        for item in ask_all(scene, rng) + ask_all(scene, rng, form="open"):
            reckoner, why = Reckoner(evidence, notes, item.options), item.derivation
            assert reckoner.supports(why), why
            for space in [match.start() for match in re.finditer(" ", why)] + [len(why)]:
                rest = why[space:] + "\n"
                begins = re.match(r" -| (?=\d)| ?\S+", rest)
                allowed = reckoner.follows(why[:space], begins[0] if begins else "")
                if allowed and not any(re.match(re.escape(text) + r"[ :;,\n]", rest) for text in allowed):
                    wrong.append((why[:space], allowed))
                elif len(allowed) == 1 and rest == f"{allowed[0]}\n":
                    concluded.add(item.task)
    assert wrong == []
    assert len(concluded) >= 18  # of 23 tasks: what is left depends on the question's words


@pytest.mark.parametrize(
    ("said", "options", "next_words"),
    [
        ("dog 45° - 90° =", (), "-45°"),
        ("bell -90° - 180° =", (), "-270° = 90°"),
        ("bell -90° - dog 45° =", (), "-135°"),
        ("dog 45° - 90° = -45° is", ("front-left", "front-right", "back-left", "back-right"), "front-right"),
        ("bell -90° is", SECTORS, "right"),
        ("dog 45° - bell -90° = 135° is", RELATIONS, "to the left"),
        ("dog 45°, bell -90° differ by", (), "135°"),
        ("dog 150°, bell -90° differ by", (), "240° = 120°"),
        ("dog 45°, bell -90° differ by 135°, nearest", ("100°", "140°", "180°"), "140°"),
        ("dog 2.1 m, nearest", ("0.8 m", "1.9 m", "3.3 m"), "1.9 m"),
        ("RT60 0.4 s is", ROOMS, "dry room"),
        ("RT60 0.6 s is", ROOMS, "live room"),
        ("dog 45° is", ("closer", "farther"), "left"),
        ("dog 60° is left, walk is right:", ("closer", "farther"), "farther"),
        ("dog 2.1 m, bell 3.0 m: closer is", ("dog", "bell", "equidistant"), "dog"),
        ("dog 2.1 m, bell 2.2 m:", ("dog", "bell", "equidistant"), "equidistant"),
        ("without dog: bell 1.0 s, dog 3.0 s: last to start is", ("bell", "dog"), "dog"),
        ("dog 45°:", ("turn left by about 45°", "turn right by about 45°", "turn around"), "turn left by about 45°"),
        ("dog 45° left, bell -90° right:", ("yes", "no"), "no"),
        ("dog 2.5 m, then 1.1 m:", CHANGES, "comes closer"),
        ("after 0.5 s:", ("dog", "bell"), "bell"),
        ("closer than the bell:", ("dog", "pig"), "dog"),
        ("after 0.5 s: bell; right: bell; both:", ("dog", "bell"), "bell"),
        ("heard", ("1", "2", "3", "4"), "dog, bell:"),
        ("right:", ("bell", "pig"), "bell"),
        ("heard dog, bell:", ("1", "2", "3", "4"), "2"),
        ("heard dog, bell: not", ("dog", "pig", "bell"), "pig"),
    ],
)
def test_what_follows_is_reckoned(said: str, options: tuple[str, ...], next_words: str) -> None:
    assert Reckoner(EVIDENCE, NOTES, options).follows(said) == (f" {next_words}",)


@pytest.mark.parametrize(
    ("options", "first_words"),
    [
        (("1", "2", "3", "4"), "heard"),
        (("a farm", "an opera"), ""),
        (("a farm", "a forest"), "heard"),
        (ROOMS, "RT60 0.6 s is"),
        (CALLS, "dog 0.4 s 45°, bell 1.0 s -90°:"),
        (BETWEEN_OR_ASIDE, "bell -90° 3.0 m, dog 45° 2.1 m:"),
        (tuple(call.replace("bell", "pig") for call in CALLS), ""),
        (("dog", "bell"), ""),
        ((), ""),
    ],
)
def test_a_reasoning_begins_with_what_the_options_alone_say(options: tuple[str, ...], first_words: str) -> None:
    assert Reckoner(EVIDENCE, NOTES, options).follows("") == ((first_words,) if first_words else ())


def test_a_comparison_ties_or_goes_on_in_either_sense() -> None:
    assert Reckoner(EVIDENCE, NOTES, ("dog", "bell", "equidistant")).follows("dog 2.1 m, bell 3.0 m:") == (" closer is", " farther is")
    assert Reckoner(EVIDENCE, NOTES, ("dog", "bell", "same height")).follows("dog 5°, bell 30°:") == (" lower is", " higher is")


def test_where_the_options_have_a_unit_so_have_the_figures() -> None:
    reckoner = Reckoner(EVIDENCE, NOTES, ("0.8 m", "1.9 m"))
    assert reckoner.follows("dog", " ") == (" 2.1 m", " 2.5 m", " 2.8 m")
    assert reckoner.follows("dog 2.1 m") == (", nearest",)
    assert Reckoner(EVIDENCE, NOTES, ("0.5 s", "1.0 s")).follows("bell starts 1.0 s") == (", nearest",)
    assert Reckoner(EVIDENCE, NOTES, ("20°", "120°")).follows("bell", " -") == (" -90°", " 30°")


def test_where_the_options_are_places_the_one_where_such_sounds_are_most_probable_is_concluded() -> None:
    places = ("a kitchen", "a church", "a battlefield")
    assert Reckoner(EVIDENCE, NOTES, places).follows("heard dog, bell:") == (" a church",)
    assert Reckoner(EVIDENCE, NOTES, places, [{"dog": 0.9, "pig": 0.1}, {"bell": 0.3, "gunshot": 0.7}]).follows("heard dog, bell:") == (" a battlefield",)


@pytest.mark.parametrize(
    ("moves", "moments"),
    [
        ("20° 2.5 m, 45° 2.1 m, 90° 2.8 m", "2.5 m:"),  # within a margin of standing still
        ("20° 2.5 m, 45° 2.0 m, 90° 2.0 m", "2.5 m, then 2.0 m:"),
        ("20° 2.5 m, 45° 1.8 m, 90° 2.4 m", "2.5 m, then 1.8 m, then 2.4 m:"),
    ],
)
def test_where_the_options_are_changes_of_distance_the_distances_that_matter_follow_the_sound(moves: str, moments: str) -> None:
    assert Reckoner(EVIDENCE, f"RT60 0.6 s; dog moves {moves}", CHANGES).follows("dog") == (f" {moments}",)
    assert Reckoner(EVIDENCE, f"RT60 0.6 s; dog moves {moves}", CHANGES).follows("bell") == (" 3.0 m:",)


def test_where_the_options_are_paths_both_ends_follow_the_sound_and_the_nearest_path_both_ends() -> None:
    reckoner = Reckoner(EVIDENCE, NOTES, ("from the front to the left", "from the left to the front", "from the front to the right"))
    assert reckoner.follows("dog") == (" 20°, then 90°:",)
    assert reckoner.follows("bell") == ()
    assert reckoner.follows("dog 50°, then 130°:") == (" from the front to the left",)


def test_a_list_of_all_that_meets_a_condition_is_complete() -> None:
    reckoner = Reckoner(EVIDENCE, NOTES, ("dog", "bell", "pig"))
    assert reckoner.follows("after 0.5 s: bell", ",") == (";",)
    assert reckoner.follows("after 0.1 s: dog", ",") == ()


@pytest.mark.parametrize(
    "said", ["", "dog", "dog 45°", "dog 45°:", "the dog is", "RT60 0.6 s is", "heard dog:", "° - 9° =", "is left, walk is up:", "x: closer is", "after s:"]
)
def test_what_does_not_follow_is_left_to_the_language_model(said: str) -> None:
    assert Reckoner(EVIDENCE, NOTES, ("true", "false")).follows(said) == ()


def test_a_figure_is_chosen_among_those_that_were_heard() -> None:
    reckoner = Reckoner(EVIDENCE, NOTES)
    assert reckoner.follows("bell", " -") == (" -90°", " 30°", " 3.0 m", " 1.0 s")
    assert reckoner.follows("dog elevation", " ") == (" 5°",)
    assert reckoner.follows("bell starts", " ") == (" 1.0 s",)
    assert reckoner.follows("bell 1.0 s", " ") == (" -90°", " 30°", " 3.0 m")
    assert reckoner.follows("dog 20°, then", " ") == (" 20°", " 2.5 m", " 45°", " 2.1 m", " 90°", " 2.8 m")
    assert reckoner.follows("bell", " is") == reckoner.follows("pig", " ") == ()


@pytest.mark.parametrize(
    ("said", "supported"),
    [
        ("dog 45° is front-left", True),
        ("dog 2.8 m", True),
        ("dog 50° is front-left", False),
        ("bell 45°: turn left", False),
        ("heard dog, bell: 2", True),
        ("heard dog, pig: 2", False),
        ("heard dog, bell: not pig", True),
        ("pig 45°, dog 45°: no", False),
        ("RT60 0.6 s is live room", True),
        ("RT60 0.9 s is live room", False),
        ("no reverberation: open air", False),
        ("right: bell", True),
        ("right: dog", False),
        ("it is so", False),
        ("", False),
    ],
)
def test_support(said: str, supported: bool) -> None:
    assert Reckoner(EVIDENCE, NOTES, ROOMS).supports(said) is supported


def test_nothing_heard() -> None:
    reckoner = Reckoner("nothing", "open air", ("1", "2"))
    assert reckoner.follows("heard") == reckoner.follows("dog", " ") == ()
    assert reckoner.supports("no reverberation: open air")
    assert not reckoner.supports("dog 45°")
