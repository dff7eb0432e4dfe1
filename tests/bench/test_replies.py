"""Replies are read as they are meant or not at all: every accepted form, every refused one, and no text that raises."""

import string

import hypothesis
import pytest
from hypothesis import strategies as st

from twnm.bench.replies import Unit, declared_answer, read_letter, read_number, same_text, tidy

OPTIONS = ("front", "front-left", "the dog", "back")


def letter(reply: str, options: tuple[str, ...] = OPTIONS) -> str | None:
    answer = declared_answer(reply)
    return None if answer is None else read_letter(answer, options)


def number(reply: str, unit: Unit = "deg") -> float | None:
    answer = declared_answer(reply)
    return None if answer is None else read_number(answer, unit)


@pytest.mark.parametrize(
    "reply",
    [
        "B",
        "b",
        " (B) ",
        "B.",
        "B)",
        "**B**",
        '"B"',
        "Ｂ",
        "Option B",
        "front-left",
        "Front-Left.",
        "front‑left",
        "B) front-left",
        "B. front-left",
        "B: front-left",
        "(B) front-left.",
        "B - front-left",
        "front-left (B)",
        "the front-left",
        "Answer: B",
        "answer is B",
        "The correct answer is (B).",
        "The answer is: B) front-left",
        "I hear it on the left, so the answer is B.",
        "First I listen.\nA dog barks.\nFinal answer: front-left",
        "**Answer:** B",
        "**Answer**: B",
        "Answer:\n\nB",
        "<answer>front-left</answer>",
        "<evidence>dog | front 0°</evidence><why>it is not A</why><answer>B</answer>",
        "<evidence>nothing</evidence><why>because</why>B",
        "Answer: B\nAnswer: B",
    ],
)
def test_a_clear_choice_is_read(reply: str) -> None:
    assert letter(reply) == "B"


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "   ",
        "I think it is B",
        "B or C",
        "A, B",
        "Answer: A\nAnswer: B",
        "The answer is A or B",
        "The answer is not B",
        "The answer is B because the dog barks",
        "B) back",
        "front (B)",
        "E",
        "E) front",
        "front left of you",
        "A B C D",
        "<answer>B",
        "<answer>B</answer><answer>C</answer>",
        "<answer></answer>",
        "<answer>left</answer>",
        "A dog barks",
        "left",
        "none of them",
    ],
)
def test_an_unclear_choice_is_not_guessed(reply: str) -> None:
    assert letter(reply) is None


def test_an_article_is_no_letter() -> None:
    assert letter("a dog") == "C"
    assert letter("A dog.") == "C"
    assert letter("dog") == "C"


def test_options_that_are_letters_themselves_are_read_only_where_both_readings_agree() -> None:
    assert letter("A", ("A", "B")) == "A"
    assert letter("A", ("B", "A")) is None


def test_options_that_are_the_same_to_the_reader_are_not_chosen_by_text() -> None:
    assert letter("dog", ("dog", "The Dog")) is None
    assert letter("B", ("dog", "The Dog")) == "B"


def test_unit_signs_in_options_are_compared_as_they_are_meant() -> None:
    assert letter("45º", ("-45°", "45°")) == "B"
    assert letter("−45 °", ("-45 °", "45 °")) == "A"


@pytest.mark.parametrize(
    ("reply", "unit", "value"),
    [
        ("45°", "deg", 45.0),
        ("45 degrees", "deg", 45.0),
        ("about 45 deg.", "deg", 45.0),
        ("-45°", "deg", -45.0),
        ("−45°", "deg", -45.0),
        ("+45.5 °", "deg", 45.5),
        ("45", "deg", 45.0),
        ("-45.", "deg", -45.0),
        ("315°", "deg", -45.0),
        ("The dog is at 45° and 2.1 m.", "deg", 45.0),
        ("The dog is at 45° and 2.1 m.", "m", 2.1),
        ("front-left 45°", "deg", 45.0),
        ("45° to the left", "deg", 45.0),
        ("30° to the right", "deg", -30.0),
        ("right -30°", "deg", -30.0),
        ("turn 90° clockwise", "deg", -90.0),
        ("90° counter-clockwise", "deg", 90.0),
        ("135° from the front, to the left", "deg", 135.0),
        ("back-right, -135°", "deg", -135.0),
        ("45° (positive to the left)", "deg", 45.0),
        ("-45°, where positive is left", "deg", -45.0),
        ("20° below", "deg", -20.0),
        ("15 degrees upwards", "deg", 15.0),
        ("right, 270°", "deg", -90.0),
        ("behind, 180°", "deg", 180.0),
        ("2.1 m", "m", 2.1),
        ("2.1m", "m", 2.1),
        ("2 metres", "m", 2.0),
        ("2 meters away", "m", 2.0),
        ("210 cm", "m", 2.1),
        ("Sound 2 is 3.5 m away", "m", 3.5),
        ("0.4 s", "s", 0.4),
        ("at 1.2 seconds", "s", 1.2),
        ("400 ms", "s", 0.4),
        ("Answer: 1.2 s", "s", 1.2),
        ("I count.\nThe answer is 1.2", "s", 1.2),
        ("<evidence>dog | front 0° | level 0° | 9.0 m | 0.0-1.0 s</evidence><answer>2.1 m</answer>", "m", 2.1),
        ("2.1 m, that is 210 cm", "m", 2.1),
    ],
)
def test_a_clear_number_is_read_in_the_unit_asked_for(reply: str, unit: Unit, value: float) -> None:
    assert number(reply, unit) == pytest.approx(value)


@pytest.mark.parametrize(
    ("reply", "unit"),
    [
        ("", "deg"),
        ("left", "deg"),
        ("forty-five degrees", "deg"),
        ("30-40°", "deg"),
        ("30 - 40°", "deg"),
        ("30 to 40 degrees", "deg"),
        ("between 30 and 40 degrees", "deg"),
        ("30° or 40°", "deg"),
        ("45° ± 10", "deg"),
        ("not 45°", "deg"),
        ("more than 45°", "deg"),
        ("left -30°", "deg"),
        ("left 315°", "deg"),
        ("right -300°", "deg"),
        ("behind, 20°", "deg"),
        ("front, 135°", "deg"),
        ("30° left or right", "deg"),
        ("30° left and above", "deg"),
        ("45 m", "deg"),
        ("45°C", "deg"),
        ("0.7 rad", "deg"),
        ("about 45", "deg"),
        ("1,5 m", "m"),
        ("1e3 m", "m"),
        ("2 m/s", "m"),
        ("2 m²", "m"),
        ("2 miles", "m"),
        ("7 feet", "m"),
        ("at least 2 m", "m"),
        ("2 m or 3 m", "m"),
        ("0.4-2.3 s", "s"),
        ("1 minute", "s"),
        ("nan s", "s"),
        ("inf", "s"),
        ("99999999999999999999 s", "s"),
    ],
)
def test_an_unclear_number_is_not_guessed(reply: str, unit: Unit) -> None:
    assert number(reply, unit) is None


@hypothesis.settings(max_examples=300)
@hypothesis.given(st.one_of(st.text(max_size=60), st.text(alphabet=string.ascii_letters[:9] + "<>/answeri:.()*-0123456789°ms \n", max_size=60)))
def test_no_text_raises(reply: str) -> None:
    found = letter(reply)
    assert found is None or found in "ABCD"
    for unit in ("deg", "m", "s"):
        value = number(reply, unit)  # type: ignore[arg-type]
        assert value is None or abs(value) < 1e6


@hypothesis.given(st.from_regex(r"[a-z]{2,9}( [a-z]{2,9}){1,5}", fullmatch=True), st.sampled_from("ABCD"))
def test_a_letter_is_never_picked_out_of_prose(prose: str, chosen: str) -> None:
    hypothesis.assume("answer" not in prose and "option" not in prose and "choice" not in prose)
    for reply in (f"{prose} {chosen}", f"{chosen} {prose}", f"{prose} {chosen} {prose}", f"{prose}\n{chosen}\n{prose}"):
        assert letter(reply) is None


@hypothesis.given(st.text(max_size=30))
def test_tidying_twice_changes_nothing_that_is_compared(text: str) -> None:
    once = tidy(text)
    assert same_text(tidy(once), tidy(once)) == bool(tidy(once))
