import numpy as np
import pytest
from tiny_model import noise, tiny_twnm

from twnm.ambisonics import encode, intensity_direction
from twnm.bench.systems import ours
from twnm.bench.systems.base import Question, Recording
from twnm.errors import InputError
from twnm.questions.answer import parse_output

CHOICE = Question("1", "Where is the dog?", ("left", "right", "front"), "choice")
OPEN = Question("2", "Where is the dog? Answer in degrees of azimuth, positive to the left.", (), "open")


@pytest.mark.parametrize("name", ["twnm", "twnm-mono", "twnm-stereo", "twnm:runs/one"])
def test_it_listens_once_and_answers_each_question_with_evidence(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    system = ours.Ours(name, tiny_twnm())
    listen, heard = system.model.listen, []
    monkeypatch.setattr(system.model, "listen", lambda audio: heard.append(audio) or listen(audio))
    replies = system.answer(Recording(noise()), [CHOICE, OPEN, CHOICE])
    assert len(heard) == 1
    assert parse_output(replies[0].text).answer in CHOICE.options
    assert replies[0].text == replies[2].text
    assert all(reply.evidence and reply.seconds > 0 for reply in replies)
    assert system.name == name


def test_the_answers_are_those_of_the_model_asked_directly() -> None:
    model = tiny_twnm()
    (reply,) = ours.Ours("twnm", model).answer(Recording(noise()), [CHOICE])
    assert reply.text == model.ask(noise(), CHOICE.question, CHOICE.options).text


def test_mono_is_the_same_for_every_direction_and_keeps_w() -> None:
    sound = noise()[0]
    left, right = ours.mono(encode(sound, 90.0, 0.0)), ours.mono(encode(sound, -90.0, 0.0))
    np.testing.assert_array_equal(left, right)
    np.testing.assert_array_equal(left[0], sound)
    assert not left[1:].any()


@pytest.mark.parametrize(
    ("azimuth_deg", "elevation_deg", "heard_deg"), [(0.0, 0.0, 0.0), (90.0, 0.0, 56.3), (-90.0, 0.0, -56.3), (180.0, 0.0, 0.0), (0.0, 60.0, 0.0)]
)
def test_stereo_keeps_left_and_right_and_folds_behind_and_above_to_the_front(azimuth_deg: float, elevation_deg: float, heard_deg: float) -> None:
    given = ours.stereo(encode(noise()[0], azimuth_deg, elevation_deg))
    azimuth, elevation, _ = intensity_direction(given)
    assert azimuth == pytest.approx(heard_deg, abs=0.1)
    assert elevation == pytest.approx(0.0, abs=1e-3)


def test_labels_say_what_is_given() -> None:
    model = tiny_twnm()
    labels = {name: ours.Ours(name, model).labels for name in ours.VIEWS}
    assert {name: label.input for name, label in labels.items()} == {"twnm": "foa", "twnm-mono": "mono", "twnm-stereo": "stereo"}
    assert labels["twnm-mono"].spatial_access.startswith("none")
    assert all(label.trained_on == "answers of the train split" for label in labels.values())


def test_without_audio_it_hears_silence() -> None:
    (reply,) = ours.Ours("twnm", tiny_twnm()).answer(Recording(None), [CHOICE])
    assert parse_output(reply.text).answer in CHOICE.options


def test_the_confidence_is_the_share_of_the_best_option() -> None:
    assert ours.share_of_best([np.log(0.2), np.log(0.1), np.log(0.1)]) == pytest.approx(0.5)
    assert ours.share_of_best([]) is None
    (closed, free) = ours.Ours("twnm", tiny_twnm()).answer(Recording(noise()), [CHOICE, OPEN])
    assert 1 / 3 <= closed.confidence <= 1 and free.confidence is None


def test_two_channels_are_heard_in_the_middle_or_as_two_waves(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = np.stack([noise()[0], 0.5 * noise()[0]])
    heard = {}
    for name in ours.VIEWS:
        system = ours.Ours(name, tiny_twnm())
        if system.two_channels:
            listen = system.model.listen
            monkeypatch.setattr(system.model, "listen", lambda audio, name=name, listen=listen: heard.setdefault(name, audio.numpy()) is None or listen(audio))
            system.answer(Recording(None, pair=pair, kind="binaural"), [CHOICE])
    assert set(heard) == {"twnm-mono", "twnm-stereo"}
    np.testing.assert_allclose(heard["twnm-mono"][0], pair.mean(axis=0), atol=1e-6)
    assert not heard["twnm-mono"][1:].any()
    azimuth, _, _ = intensity_direction(heard["twnm-stereo"])
    assert azimuth > 15  # louder at the left


@pytest.mark.parametrize("name", ["theirs", "twnm:", "twnm-mono-stereo"])
def test_another_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="unknown system"):
        ours.load(name)
