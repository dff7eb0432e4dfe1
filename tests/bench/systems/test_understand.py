import pytest

from twnm.bench.understand import fits, understand
from twnm.questions.level3 import CLAIMS, GOALS, TURNS
from twnm.questions.wordings import WORDINGS

WORDS = {"a": "sheep or goat", "b": "phone or alarm", "where": "behind you", "side": "back", "turn": next(iter(TURNS)), "kind": "last to start"}
CONDITIONS = "is closer than the dog, starts after 1.5 s and would be on your left if you turned around"


def filled(task: str, sentence: str) -> str:
    """A wording with its fields filled in."""
    more = "higher" if "elevations" in task else "farther"
    phrases = {"goal": list(GOALS)[1], "claim": CLAIMS["cause"].words, "walk": "walk 1.5 m to the left", "conditions": CONDITIONS, "more": more}
    return sentence.format(**WORDS, **{name: phrase.format(**WORDS) for name, phrase in phrases.items()})


@pytest.mark.parametrize("task", sorted(WORDINGS))
def test_every_wording_gives_back_its_task_and_its_words(task: str) -> None:
    for sentence in (*WORDINGS[task].train, *WORDINGS[task].held_out):
        for text in (filled(task, sentence), filled(task, sentence).lower() + " "):
            found = understand(text)
            assert found is not None and found.task == task, text
            for name in ("a", "b", "where", "side", "turn", "kind"):
                if f"{{{name}}}" in sentence or (name in "ab" and "{claim}" in sentence) or (name == "a" and "{goal}" in sentence):
                    assert found.words[name] == WORDS[name]
            assert ("{goal}" in sentence) == (found.words.get("goal") == list(GOALS)[1])
            assert ("{claim}" in sentence) == (found.words.get("claim") == "cause")
            assert ("{walk}" in sentence) == ((found.words.get("step"), found.words.get("way")) == ("1.5", "to the left"))
            assert ("{conditions}" in sentence) == (found.words.get("conditions") == CONDITIONS)


def test_what_options_look_like() -> None:
    assert fits("l1_estimate_azimuth", ("front-left", "back"))
    assert not fits("l1_estimate_azimuth", ("front-left", "2.0 m"))
    assert fits("l2_compare_object_distances", ("dog", "bell", "equidistant"))
    assert not fits("l2_compare_object_distances", ("dog", "bell", "same height"))
    assert fits("l1_describe_room", ())


def test_other_texts_are_not_understood() -> None:
    assert understand("") is None
    assert understand("What is the meaning of life?", ("42", "43")) is None
    assert understand("Who is the dog's owner?", ("Ann", "Ben")) is None
