from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_model import CLASSES, LoudnessSemantic, noise, slot_output, tiny_encoder

from twnm.bench.systems import cascade
from twnm.bench.systems.base import Question, Recording
from twnm.errors import InputError
from twnm.model.features import turn_directions
from twnm.model.slots import SlotEncoder, SlotOutput
from twnm.model.turned import ALL_POSES
from twnm.questions.evidence import SECTORS, parse_evidence

QUESTION = Question("1", "Where is the bell?", SECTORS, "choice")


class Says(SlotEncoder):
    """An encoder that says what it is told to, turned as the recording is in each of all poses, and counts how often."""

    def __init__(self, output: SlotOutput) -> None:
        super().__init__(tiny_encoder().config)
        self.output, self.calls = output, 0

    def forward(self, features: torch.Tensor, semantic: torch.Tensor) -> SlotOutput:
        self.calls += 1
        said = {each.name: getattr(self.output, each.name) for each in fields(SlotOutput)}
        in_poses = {name: torch.cat([value] * len(ALL_POSES)) for name, value in said.items()}
        return SlotOutput(**in_poses | {"direction": torch.cat([turn_directions(self.output.direction, *pose) for pose in ALL_POSES])})

    def name(self, label: torch.Tensor, evidence: torch.Tensor, beams: torch.Tensor) -> torch.Tensor:
        return label


def two_slots() -> SlotOutput:
    """A dog, perhaps a bell, at the left from 1 s to 2 s, and a bell behind, moving there from the right, from 0 s to 5 s."""
    existence, activity = torch.full((1, 6), -9.0), torch.full((1, 6, 50), -9.0)
    existence[0, [1, 4]] = 9.0
    activity[0, 1, 10:20] = 9.0
    activity[0, 4] = 9.0
    label = torch.zeros(1, 6, len(CLASSES))
    label[0, 1] = torch.tensor([3.0, 2.0, -9.0])
    label[0, 4] = torch.tensor([1.0, 4.0, -9.0])
    direction = torch.tensor([1.0, 0.0, 0.0]).repeat(1, 6, 50, 1)
    direction[0, 1] = torch.tensor([0.0, 1.0, 0.0])
    azimuth = torch.linspace(-torch.pi / 2, -torch.pi, 50)
    direction[0, 4] = torch.stack([azimuth.cos(), azimuth.sin(), torch.zeros(50)], dim=-1)
    return slot_output(existence=existence, activity=activity, label=label, direction=direction)


def test_slots_become_objects_with_the_probabilities_of_their_own_slot() -> None:
    scene = cascade.Cascade(Says(two_slots()), LoudnessSemantic()).listen(noise())
    bell, dog = scene.objects
    assert (bell.heard.label, dog.heard.label) == ("bell", "dog")
    assert dog.chances["bell"] == pytest.approx(float(torch.tensor([3.0, 2.0, -9.0]).softmax(0)[1]))
    assert (dog.heard.onset_s, dog.heard.offset_s, dog.heard.azimuth_deg) == (1.0, 2.0, pytest.approx(90.0))
    assert bell.motion is not None
    assert (bell.motion.begin.azimuth_deg, bell.motion.end.azimuth_deg) == (pytest.approx(-94, abs=2), pytest.approx(-177, abs=3))


def test_all_questions_of_a_recording_share_one_listening() -> None:
    encoder = Says(two_slots())
    path = Question("2", "How does the bell move?", ("from the back to the right", "from the right to the back"), "choice")
    count = Question("3", "Count the sounds.", ("1", "2", "3"), "choice")
    replies = cascade.Cascade(encoder, LoudnessSemantic()).answer(Recording(noise()), [QUESTION, path, count])
    assert [reply.text for reply in replies] == ["back-right", "from the right to the back", "2"]
    assert encoder.calls == 1
    assert parse_evidence(replies[0].evidence or "") is not None


def test_a_long_recording_is_heard_in_windows() -> None:
    encoder = Says(two_slots())
    scene = cascade.Cascade(encoder, LoudnessSemantic()).listen(noise(10.0))
    assert encoder.calls == 2
    assert scene.duration_s == 10.0
    assert max(it.heard.offset_s for it in scene.objects) == pytest.approx(10.0)


@pytest.mark.parametrize(("walls", "open_air"), [(9.0, False), (-9.0, True)])
def test_a_place_without_walls_has_no_reverberation(walls: float, open_air: bool) -> None:
    encoder = Says(replace(two_slots(), walls=torch.tensor([walls])))
    assert (cascade.Cascade(encoder, LoudnessSemantic()).listen(noise()).rt60_s is None) == open_air


def test_without_audio_it_answers_the_first_option() -> None:
    (reply,) = cascade.Cascade(tiny_encoder(), LoudnessSemantic()).answer(Recording(None), [QUESTION])
    assert (reply.text, reply.evidence) == (SECTORS[0], "nothing")


def test_the_encoder_hears_real_audio() -> None:
    (reply,) = cascade.Cascade(tiny_encoder(), LoudnessSemantic()).answer(Recording(np.tile(noise(1.0), 5)), [QUESTION])
    assert reply.text in SECTORS
    assert reply.seconds > 0


def test_a_folder_without_an_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no encoder"):
        cascade.load(tmp_path)
