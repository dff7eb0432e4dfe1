"""Packed lessons: many questions behind one prefix cost exactly what each would cost alone, and training looks exactly like asking."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tiny_model import EVIDENCE, LoudnessSemantic, heard_arrays, item, tiny_encoder, tiny_twnm

from twnm.model.hear import HeardObject
from twnm.model.language import read, score_continuations
from twnm.model.spatial_encoder import EncoderConfig
from twnm.model.twnm import Twnm
from twnm.scene import Event, Room, Scene, Waypoint
from twnm.sounds.classes import CLASSES
from twnm.train.instruct import lessons_loss
from twnm.train.lessons import IGNORED, Lesson, LessonMaker, LessonPlan, Packed, doubted, heard_by, pack, thinned, true_labels
from twnm.train.stream import StreamSpec

SIDE = item("Where is the dog?", "dog 90° is left", "on your left")
COUNT = item("How many sounds are there?", "heard dog: 1", "1")
NOTES = "RT60 0.4 s; dog or pig"
LOUD = item("Is the dog near?", "dog 2.0 m is nearer than 5 m", "yes")


@pytest.fixture(scope="module")
def model() -> Twnm:
    return tiny_twnm()


@pytest.fixture(scope="module")
def lesson_of(model: Twnm) -> Callable[..., Lesson]:
    return lambda *items: Lesson(heard_arrays(model), EVIDENCE, items, NOTES)


@pytest.fixture(scope="module")
def loss_of(model: Twnm, lesson_of: Callable[..., Lesson]) -> Callable[..., float]:
    return lambda *items: lessons_loss(model, [pack(model, lesson_of(*items))])[0].item()


def test_a_packed_lesson_costs_what_its_questions_cost_alone_with_the_evidence_counted_once(loss_of: Callable[..., float]) -> None:
    alone = loss_of(SIDE) + loss_of(COUNT) + loss_of(LOUD)
    assert loss_of(SIDE, COUNT, LOUD) == pytest.approx(alone - 2 * loss_of(), rel=1e-5)


def test_the_evidence_weighs_as_much_as_asked_and_questions_weigh_one(model: Twnm, lesson_of: Callable[..., Lesson], loss_of: Callable[..., float]) -> None:
    loss, weight = lessons_loss(model, [pack(model, lesson_of(SIDE), 0.25)])
    assert loss.item() == pytest.approx(loss_of(SIDE) - 0.75 * loss_of(), rel=1e-5)
    said = len(model.ids(SIDE.derivation)) + len(model.ids(SIDE.answer_text)) + 2
    assert weight.item() == pytest.approx(0.25 * (len(model.ids(EVIDENCE)) + len(model.ids(NOTES)) + 2) + said)


def test_a_question_does_not_see_its_neighbour(model: Twnm, lesson_of: Callable[..., Lesson]) -> None:
    alone, packed = pack(model, lesson_of(COUNT)), pack(model, lesson_of(COUNT, SIDE))
    end = len(alone.targets)
    targets = packed.targets.clone()
    targets[end:] = IGNORED
    expected = lessons_loss(model, [alone])[0]
    torch.testing.assert_close(lessons_loss(model, [replace(packed, targets=targets)])[0], expected, rtol=1e-5, atol=0)
    other = pack(model, lesson_of(LOUD, COUNT))
    first = len(pack(model, lesson_of(LOUD)).targets)
    prefix = len(pack(model, lesson_of()).targets)
    noisy = other.embeddings.clone()
    noisy[prefix:first] += torch.randn(first - prefix, noisy.shape[1])  # all of the first question
    targets = other.targets.clone()
    targets[prefix:first] = IGNORED
    torch.testing.assert_close(lessons_loss(model, [replace(other, embeddings=noisy, targets=targets)])[0], expected, rtol=1e-5, atol=0)


def test_a_question_sees_the_recording_and_its_evidence(model: Twnm, lesson_of: Callable[..., Lesson]) -> None:
    sequence = pack(model, lesson_of(SIDE))
    prefix = len(pack(model, lesson_of()).targets)
    targets = sequence.targets.clone()
    targets[:prefix] = IGNORED
    embeddings = sequence.embeddings.clone().requires_grad_()
    lessons_loss(model, [replace(sequence, embeddings=embeddings, targets=targets)])[0].backward()
    assert embeddings.grad is not None
    assert (embeddings.grad[:prefix].abs().amax(dim=1) > 0).all()


def test_targets_are_the_evidence_then_reasoning_and_answer_of_each_question(model: Twnm, lesson_of: Callable[..., Lesson]) -> None:
    sequence = pack(model, lesson_of(SIDE, COUNT))
    wanted = sequence.targets[sequence.targets != IGNORED].tolist()
    end = "<|im_end|>"
    expected = f"{EVIDENCE}\n{NOTES}{end}{SIDE.derivation}\n{SIDE.answer_text}{end}{COUNT.derivation}\n{COUNT.answer_text}{end}"
    assert model.language.tokenizer.decode(wanted) == expected


def test_every_target_is_the_token_that_stands_next(model: Twnm, lesson_of: Callable[..., Lesson]) -> None:
    sequence = pack(model, lesson_of(SIDE, COUNT))
    wanted = torch.nonzero(sequence.targets != IGNORED).squeeze(1)
    torch.testing.assert_close(sequence.embeddings[wanted + 1], model.embed(sequence.targets[wanted].tolist()), rtol=0, atol=0)
    assert (sequence.positions[wanted + 1] == sequence.positions[wanted] + 1).all()


def test_positions_of_every_question_go_on_from_the_prefix(model: Twnm, lesson_of: Callable[..., Lesson]) -> None:
    prefix = len(pack(model, lesson_of()).targets)
    first = len(pack(model, lesson_of(SIDE)).targets)
    positions = pack(model, lesson_of(SIDE, COUNT)).positions.tolist()
    assert positions[:first] == list(range(first))
    assert positions[first:] == list(range(prefix, prefix + len(positions) - first))


def test_training_costs_what_asking_finds_improbable(model: Twnm, lesson_of: Callable[..., Lesson], loss_of: Callable[..., float]) -> None:
    language = model.language.model
    with torch.no_grad():
        start = read(language, model.audio_prefix(lesson_of().heard_batch()))
        evidence = [*model.ids(EVIDENCE), model.newline_id, *model.ids(NOTES), model.end_id]
        question = f"{SIDE.question} ({'; '.join(SIDE.options)})"
        asked = torch.cat([model.embed(evidence), model.embed([model.start_id, *model.ids(question), model.newline_id])])
        said = [*model.ids(SIDE.derivation), model.newline_id, *model.ids(SIDE.answer_text), model.end_id]
        total = score_continuations(language, start, [evidence])[0] + score_continuations(language, read(language, asked, start), [said])[0]
    assert loss_of(SIDE) == pytest.approx(-total.item(), rel=1e-5)


def test_the_loss_is_the_sum_over_its_targets_in_one_plain_pass(model: Twnm, lesson_of: Callable[..., Lesson]) -> None:
    sequence: Packed = pack(model, lesson_of(SIDE))
    with torch.no_grad():
        logs = model.language.model(inputs_embeds=sequence.embeddings[None], use_cache=False).logits[0].log_softmax(-1)
    wanted = torch.nonzero(sequence.targets != IGNORED).squeeze(1)
    loss, count = lessons_loss(model, [sequence])
    assert int(count) == len(wanted)
    torch.testing.assert_close(loss, -logs[wanted, sequence.targets[wanted]].sum(), rtol=1e-5, atol=0)


def heard(label: str, azimuth_deg: float, **changes: Any) -> HeardObject:
    return replace(HeardObject(label, 0.8, 0.5, 2.0, azimuth_deg, 10.0, 3.0, 0.3, (azimuth_deg,), (10.0,)), **changes)


def true_scene(**azimuths_deg: float) -> Scene:
    events = []
    for label, azimuth_deg in azimuths_deg.items():
        position_m = (float(2 * np.cos(np.radians(azimuth_deg))), float(2 * np.sin(np.radians(azimuth_deg))), 0.0)
        events.append(Event(label=label, clip="c.wav", onset_s=0.0, offset_s=4.0, path=(Waypoint(time_s=0.0, position_m=position_m),)))
    return Scene(scene_id="s", room=Room(kind="free"), events=tuple(events))


def test_what_was_heard_is_named_as_it_truly_is() -> None:
    assert true_labels([heard("pig", 100.0), heard("bell", -80.0)], true_scene(bell=-95.0, dog=90.0)) == ["dog", "bell"]


def test_what_was_heard_far_from_any_true_sound_keeps_its_name() -> None:
    assert true_labels([heard("pig", 0.0)], true_scene(dog=90.0)) == ["pig"]
    assert true_labels([heard("pig", 0.0)], true_scene()) == ["pig"]


def test_a_question_asked_bare_is_read_without_its_options(model: Twnm, lesson_of: Callable[..., Lesson]) -> None:
    shown, bare = pack(model, lesson_of(SIDE)), pack(model, replace(lesson_of(SIDE), bare=frozenset({0})))
    assert len(shown.targets) - len(bare.targets) == len(model.ids(f"{SIDE.question} ({'; '.join(SIDE.options)})")) - len(model.ids(SIDE.question))
    assert shown.targets[shown.targets != IGNORED].tolist() == bare.targets[bare.targets != IGNORED].tolist()


def test_a_direct_question_is_answered_on_an_empty_line_of_reasoning(model: Twnm, lesson_of: Callable[..., Lesson]) -> None:
    packed = pack(model, replace(lesson_of(SIDE), direct=frozenset({0})))
    assert packed.targets[packed.targets != IGNORED].tolist()[-len(model.ids(SIDE.answer_text)) - 2 :] == [
        model.newline_id,
        *model.ids(SIDE.answer_text),
        model.end_id,
    ]
    assert len(pack(model, lesson_of(SIDE)).targets) - len(packed.targets) == len(model.ids(SIDE.derivation))


def test_a_lesson_that_is_read_has_no_audio_tokens(model: Twnm, lesson_of: Callable[..., Lesson]) -> None:
    heard, read = lesson_of(SIDE), replace(lesson_of(SIDE), heard={})
    tokens = len(model.projector(heard_by(model, heard)))
    assert len(pack(model, heard).targets) - len(pack(model, read).targets) == tokens


def test_lessons_in_a_batch_cost_what_they_cost_alone(model: Twnm, lesson_of: Callable[..., Lesson], loss_of: Callable[..., float]) -> None:
    packed = [pack(model, lesson_of(SIDE, COUNT)), pack(model, lesson_of(LOUD)), pack(model, lesson_of())]
    loss, weight = lessons_loss(model, packed)
    assert loss.item() == pytest.approx(loss_of(SIDE, COUNT) + loss_of(LOUD) + loss_of(), rel=1e-4)
    assert weight.item() == pytest.approx(sum(lessons_loss(model, [one])[1].item() for one in packed))


def test_questions_lose_words_but_never_what_they_are_about() -> None:
    question = "In which direction does the male speech on your left lie at 2.5 s, seen from where you are?"
    seen = {thinned(question, np.random.default_rng(seed)) for seed in range(300)}
    assert question in seen and len(seen) > 25
    for text in seen:
        assert {"male", "speech", "left", "2.5", "s,", "are?"} <= set(text.split(" "))
    assert 100 < sum(thinned(question, np.random.default_rng(seed)) == question for seed in range(300)) < 260


def test_doubt_makes_names_less_sure_and_sometimes_wrong() -> None:
    sure = torch.zeros(1, 400, 36)
    sure[..., 3] = 6.0
    doubted_by = {seed: doubted(sure, np.random.default_rng(seed)) for seed in range(30)}
    wrong = {seed: float((logits.argmax(dim=-1) != 3).float().mean()) for seed, logits in doubted_by.items()}
    doubts = {seed: np.random.default_rng(seed).random() for seed in doubted_by}
    assert max(wrong.values()) > 0.3
    assert all(wrong[seed] < 0.02 for seed in wrong if doubts[seed] < 0.2)
    assert all(logits.softmax(dim=-1)[..., 3].mean() < 0.92 for logits in doubted_by.values())


def test_lessons_are_functions_of_their_number_and_end_in_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twnm.model.semantic.default_semantic", LoudnessSemantic)
    monkeypatch.setattr("twnm.train.lessons._COUNTED_SCENES", 10)
    encoder = tiny_encoder(config=EncoderConfig(CLASSES, width=32, layers=1, stem=(8, 8, 8, 8), semantic_size=16))
    spec = StreamSpec("", "anechoic", "train", 5, 1, CLASSES)
    maker = LessonMaker(spec, encoder, LessonPlan(2))
    lessons = [maker.make(number) for number in (3, 0, 3)]
    assert lessons[0].items == lessons[2].items
    assert lessons[0].evidence == lessons[2].evidence
    assert lessons[0].sounds.size == 0
    with_sounds = LessonMaker(spec, encoder, LessonPlan(2, sounds=True)).make(3)
    assert with_sounds.items == lessons[0].items
    assert with_sounds.sounds.shape == (1 + (with_sounds.heard["exists"] > 0.5).sum(), 120_000)
    np.testing.assert_array_equal(lessons[0].heard["place"], lessons[2].heard["place"])
    assert not np.array_equal(lessons[0].heard["place"], lessons[1].heard["place"])
    read = LessonMaker(spec, encoder, LessonPlan(50, text=True, level_every=4))
    levels = [{item.level for item in read.make(number).items} for number in (3, 7, 8)]
    assert read.make(3).heard == {}
    assert levels[0] == {"L1"} and "L3" not in levels[1] and "L3" in levels[2]
    assert all(len(lesson.items) <= 2 for lesson in lessons)
    assert any(lesson.items for lesson in lessons)
    for lesson in lessons:
        for one in lesson.items:
            assert one.derivation.casefold().rstrip(".").endswith(one.answer_text.casefold()), (one.derivation, one.answer_text)
