import pytest
from hypothesis import given
from hypothesis import strategies as st

from twnm.errors import InputError
from twnm.questions.answer import Parsed, letter_of, parse_output, write_output

texts = st.text(st.characters(exclude_characters="<>"))


@given(st.none() | texts, st.none() | texts, st.none() | texts)
def test_parsing_what_was_written_gives_the_parts(evidence, why, answer):
    assert parse_output(write_output(evidence, why, answer)) == Parsed(evidence, why, answer)


@given(st.text() | st.lists(st.sampled_from(["<answer>", "</answer>", "<why>", "</why>", "<evidence>", "A", "<"])).map("".join))
def test_the_parser_never_raises_and_gives_only_what_stands_between_its_tags(text):
    parsed = parse_output(text)
    for tag, part in (("evidence", parsed.evidence), ("why", parsed.why), ("answer", parsed.answer)):
        assert part is None or f"<{tag}>{part}</{tag}>" in text


@pytest.mark.parametrize(
    "text", ["", "dog", "<answer>dog", "dog</answer>", "<answer>a</answer><answer>b</answer>", "<answer><answer>a</answer>", "<answer>a<b</answer>"]
)
def test_a_missing_torn_or_repeated_answer_is_none(text):
    assert parse_output(text).answer is None


def test_one_torn_part_does_not_hide_the_others():
    assert parse_output("<evidence>x<why>y</why><answer>z</answer>") == Parsed(None, "y", "z")


def test_tags_inside_a_part_are_refused():
    with pytest.raises(InputError, match="why"):
        write_output("e", "a <b>", "c")


@pytest.mark.parametrize(
    ("text", "letter"),
    [("dog", "A"), (" Dog. ", "A"), ("male  speech", "B"), ("do", None), ("dog cow", None), ("", None), (".", None), ("A", None), ("2.1 M", "C")],
)
def test_the_letter_needs_the_exact_words(text, letter):
    assert letter_of(text, ("dog", "male speech", "2.1 m")) == letter


def test_two_equal_options_give_no_letter():
    assert letter_of("dog", ("dog", "Dog.")) is None
