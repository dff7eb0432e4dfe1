import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene_drawing import drawn_scene, event, scene_of

from twnm.questions.evidence import Heard, heard_of, parse_evidence, sector8, side4, write_evidence
from twnm.scene import Ambience

LINE = "dog | front-left 45° | level 5° | 2.1 m | 0.4-2.3 s"

heard_objects = st.builds(
    lambda label, azimuth, elevation, distance, onset, length: Heard(label, azimuth, elevation, distance, onset, onset + length),
    st.sampled_from(["dog", "male speech", "phone or alarm", "é 2"]),
    st.floats(-180, 180),
    st.floats(-90, 90),
    st.floats(0, 900),
    st.floats(0, 3000),
    st.floats(0, 600),
)


def test_one_object_is_written_as_the_documented_line():
    assert write_evidence((Heard("dog", 43.1, 4.0, 2.14, 0.44, 2.26),)) == LINE


@pytest.mark.parametrize(
    ("azimuth_deg", "sector", "side"),
    [
        (0, "front", "front"),
        (44, "front-left", "front"),
        (46, "front-left", "left"),
        (90, "left", "left"),
        (-90, "right", "right"),
        (180, "back", "back"),
        (-180, "back", "back"),
        (-40, "front-right", "front"),
        (140, "back-left", "back"),
        (-130, "back-right", "right"),
        (359, "front", "front"),
    ],
)
def test_sectors_follow_azimuth_positive_to_the_left(azimuth_deg, sector, side):
    assert (sector8(float(azimuth_deg)), side4(float(azimuth_deg))) == (sector, side)


@given(st.lists(heard_objects, max_size=5))
def test_parsing_what_was_written_gives_the_rounded_objects(objects):
    ordered = tuple(it.rounded() for it in sorted(objects, key=lambda it: it.onset_s))
    assert parse_evidence(write_evidence(tuple(objects))) == ordered


@given(st.text() | st.text(alphabet="dog |;-0159.°ms fronlevt", max_size=80))
def test_the_parser_never_raises_and_accepts_only_what_it_would_write(text):
    heard = parse_evidence(text)
    assert heard is None or write_evidence(heard) == text


@given(st.integers(0, len(LINE) - 1), st.characters())
def test_a_line_with_one_changed_character_is_never_read_as_something_else(index, character):
    text = LINE[:index] + character + LINE[index + 1 :]
    heard = parse_evidence(text)
    assert heard is None or write_evidence(heard) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        LINE.replace("front-left", "left"),
        LINE.replace("level", "above"),
        LINE.replace("45°", "405°"),
        LINE.replace("45°", "44°"),
        LINE.replace("0.4-2.3", "2.4-2.3"),
        LINE + ";",
        LINE.replace("2.1", "9" * 5000),
        f"{LINE}; {LINE.replace('0.4', '0.1')}",
    ],
    ids=["empty", "wrong sector", "wrong height word", "azimuth out of range", "not rounded", "ends before it starts", "torn", "huge", "not in order"],
)
def test_texts_outside_the_grammar_are_refused(text):
    assert parse_evidence(text) is None


def test_nothing_heard_has_its_own_word():
    assert write_evidence(()) == "nothing"
    assert parse_evidence("nothing") == ()


def test_an_event_below_the_ambience_is_not_heard():
    scene = scene_of(event("dog", 0, 1.0), event("cow", 90, 8.0), ambience=Ambience(kind="pink", level_db=-40.0))
    assert [it.label for it in heard_of(scene)] == ["dog"]


def test_heard_objects_are_exact_and_ordered_by_onset():
    scene = scene_of(event("cow", 91.0, 3.17, 12.0, 1.0), event("bird_song", -33.0, 1.23, -21.0, 0.5))
    first, second = heard_of(scene)
    assert (first.label, second.label) == ("bird song", "cow")
    np.testing.assert_allclose((second.azimuth_deg, second.distance_m, second.elevation_deg), (91.0, 3.17, 12.0), rtol=1e-9)


@given(st.integers(0, 2**32))
def test_the_evidence_of_any_scene_can_be_read_back(seed):
    heard = heard_of(drawn_scene(np.random.default_rng(seed)))
    assert parse_evidence(write_evidence(heard)) == tuple(it.rounded() for it in heard)
