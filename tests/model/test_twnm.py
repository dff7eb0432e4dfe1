"""The whole model in miniature: what it says is what plain greedy decoding and brute-force scoring of the same sequence give; its evidence is the slots'."""

import functools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tiny_model import CLASSES, CONFIG, noise, tiny_encoder, tiny_twnm

from twnm.errors import InputError
from twnm.model import twnm as twnm_module
from twnm.model.binding import bind
from twnm.model.hear import HeardObject, hear_clips
from twnm.model.hearing import as_heard, choose_window
from twnm.model.language import LoraSettings
from twnm.model.loading import ModelConfig, class_anchors, load, load_encoder, load_strictly
from twnm.model.notes import tell
from twnm.model.twnm import Answer, Asked, Twnm, answer_json
from twnm.questions.answer import check_question, parse_output
from twnm.questions.evidence import parse_evidence
from twnm.sounds.classes import spoken
from twnm.train.encoder import save_encoder

OPTIONS = ("on your left", "behind you", "in front", "on your right")
WHY_TOKENS = 6


@pytest.fixture(scope="module")
def model() -> Twnm:
    return tiny_twnm()


@pytest.fixture(scope="module")
def audio() -> torch.Tensor:
    return torch.from_numpy(noise())


@pytest.fixture(autouse=True)
def _brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """A random model never ends by itself."""
    monkeypatch.setattr("twnm.model.twnm._MAX_WHY_TOKENS", WHY_TOKENS)
    monkeypatch.setattr("twnm.model.twnm._MAX_ANSWER_TOKENS", 8)


@torch.no_grad()
def logits_after(model: Twnm, embeddings: torch.Tensor) -> torch.Tensor:
    """(time, vocabulary) of one plain pass over the whole sequence."""
    return model.language.model(inputs_embeds=embeddings[None], use_cache=False).logits[0]


def plain_greedy(model: Twnm, embeddings: torch.Tensor, ends: tuple[int, ...], limit: int) -> list[int]:
    ids: list[int] = []
    while len(ids) < limit and (not ids or ids[-1] not in ends):
        ids.append(int(logits_after(model, torch.cat([embeddings, model.embed(ids)]) if ids else embeddings)[-1].argmax()))
    return [token for token in ids if token not in ends]


@functools.cache
def heard_prefix(model: Twnm) -> tuple[str, torch.Tensor]:
    """The evidence in the words of the slots, and everything read up to its end."""
    with torch.no_grad():
        heard, objects, room = model.hear_window(torch.from_numpy(noise()))
        evidence, notes = tell(objects, room, 5.0)
        told = [*model.ids(evidence), model.newline_id, *model.ids(notes), model.end_id]
        return evidence, torch.cat([model.audio_prefix(heard), model.embed(told)])


def asked_prefix(model: Twnm, question: str, options: str = "") -> tuple[list[int], torch.Tensor]:
    """The reasoning by plain greedy decoding, and everything read up to its end."""
    asked = torch.cat([heard_prefix(model)[1], model.embed([model.start_id, *model.ids(question + options), model.newline_id])])
    why = plain_greedy(model, asked, (model.newline_id, model.end_id), WHY_TOKENS)
    return why, torch.cat([asked, model.embed([*why, model.newline_id])])


def test_the_language_model_reads_the_evidence_of_the_slots_behind_the_audio_tokens(model: Twnm, audio: torch.Tensor) -> None:
    evidence, sequence = heard_prefix(model)
    listening = model.listen(audio)
    assert listening.evidence == evidence
    assert len(parse_evidence(evidence) or ()) == 6
    assert listening.prefix.length == len(sequence)
    torch.testing.assert_close(listening.prefix.logits, logits_after(model, sequence)[-1], rtol=0, atol=1e-3)


def test_the_audio_tokens_are_dense_map_objects_and_room(model: Twnm, audio: torch.Tensor) -> None:
    heard, objects, _ = model.hear_window(audio)
    assert len(objects) == 6
    assert model.audio_prefix(heard).shape == (1 + 13 + 4 * len(objects) + 1 + 1, 32)


def test_objects_become_tokens_in_the_order_of_their_onsets(model: Twnm, audio: torch.Tensor) -> None:
    heard = model.hear_window(audio)[0]
    exists = torch.tensor([[0.9, 0.1, 0.9, 0.9, 0.1, 0.1]])
    onset = torch.tensor([3.0, 0.0, 1.0, 2.0, 0.0, 0.0])
    heard = replace(heard, exists=exists, span=torch.stack([onset, onset + 1], dim=-1)[None])
    expected = model.projector.slots(heard)[0][0, [2, 3, 0]].flatten(0, 1)
    torch.testing.assert_close(model.projector(heard)[13:-1], expected)


def test_the_answer_is_the_option_that_brute_force_finds_most_probable(model: Twnm, audio: torch.Tensor) -> None:
    question = "Where is it?"
    why, reasoned = asked_prefix(model, question, " (on your left; behind you; in front; on your right)")
    totals = []
    for option in OPTIONS:
        ids = [*model.ids(option), model.end_id]
        logs = logits_after(model, torch.cat([reasoned, model.embed(ids)])).log_softmax(-1)
        totals.append(sum(logs[len(reasoned) - 1 + index, token].item() for index, token in enumerate(ids)))
    answer = model.answer(model.listen(audio), question, OPTIONS)
    assert answer.scores == pytest.approx(totals, abs=0.01)
    assert answer.answer == OPTIONS[int(np.argmax(totals))]
    assert answer.letter == "ABCD"[int(np.argmax(totals))]
    assert answer.why == model.language.tokenizer.decode(why)


def test_without_evidence_the_options_are_scored_right_behind_the_question(model: Twnm, audio: torch.Tensor) -> None:
    listening = model.listen(audio)
    asked = torch.cat([heard_prefix(model)[1], model.embed([*model.asked_ids("Where is it?", OPTIONS), model.newline_id])])
    totals = []
    for option in OPTIONS:
        ids = [*model.ids(option), model.end_id]
        logs = logits_after(model, torch.cat([asked, model.embed(ids)])).log_softmax(-1)
        totals.append(sum(logs[len(asked) - 1 + index, token].item() for index, token in enumerate(ids)))
    (answer,) = model.answers([Asked(listening, "Where is it?", OPTIONS)], evidence=False)
    assert answer.scores == pytest.approx(totals, abs=0.01)
    assert (answer.evidence, answer.why, answer.text) == ("", "", f"<answer>{answer.answer}</answer>")


def test_a_question_is_read_with_the_objects_called_as_it_calls_them(model: Twnm, audio: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    listening = model.listen(audio)
    own = [item.label for item in listening.objects]
    name = next(label for label in CLASSES if label not in own[:1])
    told: list[str] = []
    monkeypatch.setattr(model, "told_ids", lambda evidence, notes: told.append(evidence) or [model.end_id])
    answer = model.answer(listening, f"Where is the {spoken(name)}?", OPTIONS)
    meant = bind(listening.objects, f"Where is the {spoken(name)}?", OPTIONS, CLASSES)
    assert [line.partition(" | ")[0] for line in told[0].split("; ")] == [spoken(label) for label in meant]
    assert answer.evidence == told[0]  # names in the reasoning are those of the evidence
    told.clear()
    model.answer(listening, "Where is it?", OPTIONS)
    assert told == []


def test_the_sound_that_is_asked_about_its_motion_is_followed(model: Twnm, audio: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    listening = model.listen(audio)
    name = listening.objects[0].label
    followed: list[list[str]] = []
    monkeypatch.setattr(twnm_module, "tell", lambda objects, room, duration_s, follow: followed.append(list(follow)) or ("", ""))
    model.answer(listening, f"Where does the {spoken(name)} go?", ("from the left to the front", "from the front to the left"))
    assert followed == [[name]]


def test_an_answer_at_once_is_heard_in_four_poses_and_others_in_all(model: Twnm, monkeypatch: pytest.MonkeyPatch) -> None:
    poses: list[int] = []

    def hear(*given: Any) -> Any:
        poses.append(len(given[3]))
        return hear_clips(*given)

    monkeypatch.setattr(twnm_module, "hear_clips", hear)
    for evidence in (True, False):
        model.ask(noise(5.0), "Where?", OPTIONS, evidence=evidence)
    assert poses == [16, 4]


def test_the_letter_follows_the_option_when_the_order_changes(model: Twnm, audio: torch.Tensor) -> None:
    listening = model.listen(audio)
    first = model.answer(listening, "Where?", OPTIONS)
    second = model.answer(listening, "Where?", OPTIONS[::-1])
    assert second.answer == first.answer
    assert "ABCD".index(second.letter or "") == 3 - "ABCD".index(first.letter or "")


def test_an_open_answer_is_that_of_plain_greedy_decoding(model: Twnm, audio: torch.Tensor) -> None:
    said = plain_greedy(model, asked_prefix(model, "What is heard?")[1], (model.newline_id, model.end_id), 8)
    answer = model.answer(model.listen(audio), "What is heard?")
    assert answer.answer == model.language.tokenizer.decode(said)
    assert answer.letter is None


def test_questions_do_not_change_what_was_heard(model: Twnm, audio: torch.Tensor) -> None:
    listening = model.listen(audio)
    first = model.answer(listening, "Where is the dog?", OPTIONS)
    model.answer(listening, "How many sounds are there?", ("1", "2"))
    assert model.answer(listening, "Where is the dog?", OPTIONS).scores == first.scores


def test_ask_hears_the_chosen_window(model: Twnm) -> None:
    foa = noise(8.0)
    answer = model.ask(foa, " Where? ", OPTIONS, start_s=2.5)
    direct = model.answer(model.listen(torch.from_numpy(foa[:, 60_000:180_000])), "Where?", OPTIONS)
    assert (answer.start_s, answer.evidence, answer.scores) == (2.5, direct.evidence, direct.scores)
    assert answer.seconds > 0


def test_a_scene_of_one_window_has_the_objects_of_that_window(model: Twnm, audio: torch.Tensor) -> None:
    _, objects, room = model.hear_window(audio)
    scene = model.scene(audio.numpy())
    assert scene.duration_s == 5.0
    assert scene.room.rt60_s == pytest.approx(room.rt60_s)
    assert {item.label for item in scene.objects} == {item.label for item in objects}


def test_a_recording_in_blocks_is_heard_as_the_whole(model: Twnm) -> None:
    foa = noise(12.3)
    assert model.scene_of(iter(np.split(foa, [120_000, 240_000], axis=1))) == model.scene(foa)


@pytest.mark.parametrize("seconds", [4.0, 7.3])
def test_the_objects_of_a_scene_lie_within_it(model: Twnm, seconds: float) -> None:
    scene = model.scene(noise(seconds))
    assert scene.duration_s == pytest.approx(seconds)
    assert scene.objects
    assert all(0 <= item.onset_s < item.offset_s <= seconds + 1e-6 for item in scene.objects)
    assert [item.onset_s for item in scene.objects] == sorted(item.onset_s for item in scene.objects)


def test_class_anchors_are_mean_embeddings_of_the_spoken_names(model: Twnm) -> None:
    anchors = class_anchors(model.language, CLASSES)
    spoken = model.embed(model.ids(" male speech"))
    torch.testing.assert_close(anchors[2], spoken.mean(dim=0))


def test_an_object_is_put_into_the_words_of_the_evidence() -> None:
    item = HeardObject("male_speech", 0.9, 0.4, 2.3, 44.0, 6.0, 2.14, 0.3, (44.0,), (6.0,))
    assert as_heard(item).line() == "male speech | front-left 45° | level 5° | 2.1 m | 0.4-2.3 s"


@pytest.mark.parametrize(
    ("question", "options", "message"),
    [
        ("  ", (), "the question has no text"),
        ("Where?", ("left",), "1 option given; 2 to 8 are allowed"),
        ("Where?", tuple("abcdefghi"), "9 options given; 2 to 8 are allowed"),
        ("Where?", ("left", " Left"), "the options must be different texts"),
        ("Where?", ("left", " "), "none of them empty"),
    ],
)
def test_questions_that_cannot_be_answered_are_refused(model: Twnm, question: str, options: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        model.ask(noise(1.0), question, options)


def test_two_to_eight_options_and_none_are_accepted() -> None:
    for count in (0, 2, 8):
        check_question("Where?", tuple("abcdefgh"[:count]))


def test_the_loudest_five_seconds_are_heard() -> None:
    foa = noise(12.0, gain=0.01)
    foa[:, 7 * 24_000 : 8 * 24_000] += noise(1.0, seed=1)
    foa[:, 10 * 24_000 : 11 * 24_000] += noise(1.0, seed=2)
    start_s, window = choose_window(foa)
    starts = [12_000 * index for index in range(15)]
    energies = [np.square(foa[0, start : start + 120_000].astype(float)).sum() for start in starts]
    assert start_s == starts[int(np.argmax(energies))] / 24_000
    assert 6.0 <= start_s <= 7.0
    np.testing.assert_array_equal(window, foa[:, round(start_s * 24_000) :][:, :120_000])


def test_the_last_five_seconds_can_be_the_loudest() -> None:
    foa = noise(7.3, gain=0.001)
    foa[:, -2400:] += noise(0.1)
    assert choose_window(foa)[0] == pytest.approx(2.3)


def test_a_short_recording_is_heard_whole_and_padded() -> None:
    start_s, window = choose_window(noise(2.0))
    assert (start_s, window.shape) == (0.0, (4, 120_000))
    np.testing.assert_array_equal(window[:, :48_000], noise(2.0))
    assert not window[:, 48_000:].any()


@pytest.mark.parametrize(("seconds", "start_s", "message"), [(8.0, 3.1, "0 to 3.0 s are allowed"), (8.0, -0.1, "outside"), (4.0, 1.0, "heard whole")])
def test_a_start_outside_the_recording_is_refused(seconds: float, start_s: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        choose_window(noise(seconds), start_s)


def test_an_answer_as_tagged_text_parses_even_when_the_model_wrote_tags() -> None:
    answer = Answer("left", "A", "dog <b>", "5 > 3", 0.1)
    parsed = parse_output(answer.text)
    assert (parsed.evidence, parsed.why, parsed.answer) == ("dog (b)", "5 ) 3", "left")
    assert answer_json(answer) == {"answer": "left", "letter": "A", "evidence": "dog <b>", "why": "5 > 3", "grounded": False, "seconds": 0.1}


def test_a_config_survives_json() -> None:
    config = ModelConfig(CONFIG, "some/model", LoraSettings(rank=4, alpha=8, first_layer=1), projector="dual")
    assert ModelConfig.from_json(config.to_json()) == config
    older = {name: value for name, value in json.loads(config.to_json()).items() if name not in ("semantic", "projector")}
    assert ModelConfig.from_json(json.dumps(older)) == ModelConfig(CONFIG, "some/model", config.lora)


@pytest.mark.parametrize("change", ["missing", "extra", "misshaped"])
def test_tensors_that_do_not_fit_are_refused_by_name(change: str) -> None:
    module = torch.nn.Linear(3, 2)
    tensors = {"weight": torch.zeros(2, 3), "bias": torch.zeros(2)}
    name = {"missing": "bias", "extra": "scale", "misshaped": "bias"}[change]
    tensors = {key: value for key, value in tensors.items() if change != "missing" or key != "bias"}
    if change != "missing":
        tensors[name] = torch.zeros(5)
    with pytest.raises(InputError, match=rf"w.safetensors does not fit the model: {name} missing, extra or misshaped"):
        load_strictly(module, tensors, Path("w.safetensors"))


def test_tensors_that_fit_are_loaded_in_the_precision_of_the_model() -> None:
    module = torch.nn.Linear(3, 2)
    load_strictly(module, {"weight": torch.full((2, 3), 0.5, dtype=torch.float16), "bias": torch.ones(2, dtype=torch.float16)}, Path("w"))
    assert module.weight.dtype == torch.float32
    torch.testing.assert_close(module(torch.ones(1, 3)), torch.full((1, 2), 2.5))


def test_a_saved_encoder_hears_the_same(tmp_path: Path) -> None:
    encoder = tiny_encoder()
    save_encoder(encoder, tmp_path)
    features, semantic = torch.randn(1, 7, 50, 64), torch.randn(1, 2, 16)
    torch.testing.assert_close(load_encoder(tmp_path)(features, semantic).direction, encoder(features, semantic).direction, rtol=0, atol=0.02)


def test_folders_without_weights_are_refused_with_what_is_absent(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no trained model \(twnm.json is absent\); `twnm train instruct` makes one"):
        load(tmp_path)
    with pytest.raises(InputError, match=r"holds no encoder \(encoder.json is absent\); train one with `twnm train encoder`"):
        load_encoder(tmp_path)
    (tmp_path / "twnm.json").write_text(ModelConfig(CONFIG).to_json())
    with pytest.raises(InputError, match=r"projector.safetensors is absent"):
        load(tmp_path)
    (tmp_path / "encoder.json").write_text(json.dumps(CONFIG.to_dict()))
    save_file({"weight": torch.zeros(1)}, tmp_path / "encoder.safetensors")
    with pytest.raises(InputError, match=r"encoder.safetensors does not fit the model"):
        load_encoder(tmp_path)
