"""What external systems are given: one wording that can be read back, and the recording in one, two or four channels."""

import io

import hypothesis
import numpy as np
import pytest
import soundfile
from hypothesis import strategies as st

from twnm.ambisonics import encode
from twnm.bench.prompts import AUDIO_FORMS, SPATIAL_ACCESS, form_given, read_prompt, render_audio, wav_bytes, write_prompt
from twnm.bench.systems.base import Recording

NOISE = (0.2 * np.random.default_rng(1).standard_normal(24_000)).astype(np.float32)


def test_the_prompt_says_what_is_given_and_how_to_answer() -> None:
    assert write_prompt("Where is the dog?", ("front", "left"), "foa").splitlines() == [
        "The recording has four channels: first-order Ambisonics, AmbiX (W, Y, Z, X; SN3D). "
        "Directions are the listener's: 0° is in front, positive to the left, elevation is positive upwards.",
        "Question: Where is the dog?",
        "A. front",
        "B. left",
        "Answer with the letter of one option only.",
    ]
    assert write_prompt("How far?", (), None).startswith("There is no recording")
    assert write_prompt("How far?").endswith("Question: How far?\nGive the answer only.")


texts = st.text(min_size=1).map(lambda text: " ".join(text.split())).filter(bool)


@hypothesis.given(question=texts, options=st.lists(texts, max_size=8), audio=st.sampled_from([*AUDIO_FORMS, None]))
def test_question_and_options_are_read_back(question: str, options: list[str], audio: str | None) -> None:
    assert read_prompt(write_prompt(question, options, audio)) == (question, tuple(options))


def test_any_other_text_is_a_question_of_its_own() -> None:
    assert read_prompt("Where is\nthe dog?") == ("Where is the dog?", ())
    assert read_prompt("Question: Where?\nB. left\nA. right") == ("Where?", ())


@pytest.mark.parametrize(("form", "channels"), [("mono", 1), ("binaural", 2), ("foa", 4)])
def test_every_form_keeps_a_sound_at_another_rate(form: str, channels: int) -> None:
    tone = np.sin(2 * np.pi * 500 * np.arange(24_000) / 24_000).astype(np.float32) * 0.3
    audio = render_audio(encode(tone, 40.0, 20.0), form, 16_000)
    assert audio.shape == (channels, 16_000)
    spectrum = np.abs(np.fft.rfft(audio, axis=1))
    assert (spectrum.argmax(axis=1) == 500).all()


def test_binaural_is_louder_at_the_near_ear_and_mono_has_no_side() -> None:
    left, right = (render_audio(encode(NOISE, azimuth_deg, 0.0), "binaural", 24_000) for azimuth_deg in (90.0, -90.0))
    assert np.std(left[0]) > 1.5 * np.std(left[1])
    assert np.std(right[1]) > 1.5 * np.std(right[0])
    np.testing.assert_array_equal(*(render_audio(encode(NOISE, azimuth_deg, 0.0), "mono", 24_000) for azimuth_deg in (90.0, -90.0)))


def test_a_wav_that_would_clip_is_lowered_by_one_gain_for_all_channels() -> None:
    foa = encode(5 * NOISE / np.abs(NOISE).max(), 90.0, 0.0) * np.array([[1], [0.5], [1], [1]], np.float32)
    samples, rate_hz = soundfile.read(io.BytesIO(wav_bytes(foa, "foa", 24_000)))
    assert rate_hz == 24_000
    np.testing.assert_allclose(samples.T, foa / 5, atol=2**-15)


def test_the_four_channels_of_a_recording_pass_through_unchanged() -> None:
    foa = encode(NOISE, 30.0, 10.0)
    samples, _ = soundfile.read(io.BytesIO(wav_bytes(foa, "foa", 24_000)), dtype="float32")
    np.testing.assert_allclose(samples.T, foa / max(1.0, float(np.abs(foa).max())), atol=2**-15)


def test_silence_of_no_length_is_a_wav_too() -> None:
    assert soundfile.read(io.BytesIO(wav_bytes(np.zeros((4, 0), np.float32), "mono", 24_000)))[0].size == 0


def test_every_form_has_a_label_of_what_reaches_the_system() -> None:
    assert tuple(SPATIAL_ACCESS) == AUDIO_FORMS


def test_two_channels_are_given_as_they_are_or_as_their_mean():
    pair = np.random.default_rng(1).uniform(-1, 1, (2, 240)).astype(np.float32)
    np.testing.assert_array_equal(render_audio(pair, "binaural", 24_000), pair)
    np.testing.assert_array_equal(render_audio(pair, "mono", 24_000), pair.mean(axis=0, keepdims=True))
    ears, four = Recording(None, pair=pair, kind="stereo"), Recording(np.zeros((4, 9), np.float32))
    assert [form_given(ears, form) for form in ("mono", "binaural", "stereo")] == ["mono", "stereo", "stereo"]
    assert [form_given(four, form) for form in ("mono", "binaural", "foa")] == ["mono", "binaural", "foa"]
    assert form_given(Recording(None), "mono") is None
    assert "The recording is stereo: left and right." in write_prompt("Where?", ("a", "b"), "stereo")
