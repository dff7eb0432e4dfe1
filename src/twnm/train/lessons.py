"""What the language model learns from one scene: to say what the trained ears hear of it, and to reason from that to the answers of a few questions.

The evidence is what the slots say, errors included, as in use. Questions are made from the same numbers, so that reasoning always follows from the
evidence that stands before it, but they name the sounds as they truly are: a dog that was heard as a pig is asked for as a dog. What was not heard
is not asked.

Most questions are shown with their options, as a benchmark asks them; some without, and some are open ones, as people ask. A few are answered at once,
without reasoning. They are asked in many ways (`twnm.questions.paraphrases`), and some lose words, because those in use are others again. In most lessons
the evidence calls the sounds as they truly are too, as in use the names in a question are bound to the objects first (`twnm.model.binding`).

Lessons may also be read, not heard: then the evidence is that of the scene itself, and there is no sound.

A lesson becomes one sequence: the recording, its evidence and notes first, then every question behind that shared prefix. A block mask lets a question see the
prefix and itself, not its neighbours, and its positions continue from the prefix, so that training looks exactly like asking one question.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from twnm.ambisonics import angle_between_deg, unit_vector
from twnm.model.audio_tower import with_tower
from twnm.model.binding import called
from twnm.model.hear import HeardObject, hear_clips, read_objects, read_room, sounds_of
from twnm.model.notes import heard_scene, tell, tell_facts
from twnm.model.projector import HeardBatch, summarise_slots
from twnm.model.slots import SlotEncoder
from twnm.model.twnm import Twnm
from twnm.questions.ask import ask_all
from twnm.questions.facts import facts_of
from twnm.questions.schema import Item
from twnm.scene import Scene
from twnm.sounds.classes import CLASSES, spoken
from twnm.train.stream import ChunkMaker, StreamSpec, draw_training_scene

IGNORED = -100
_COUNTED_SCENES = 150
_SAME_WITHIN_DEG = 60.0
_OPEN_SHARE, _BARE_SHARE, _BOUND_SHARE, _DIRECT_SHARE = 0.3, 0.2, 0.7, 0.15
_NAME_WORDS = frozenset(word for label in CLASSES for word in spoken(label).split()) | {"left", "right", "front", "behind", "back", "forward", "above", "below"}
_LESS_SURE, _GUMBEL_SCALE = 0.6, 1.5


@dataclass(frozen=True)
class Lesson:
    """One scene: slot summary as arrays (none if it is read, not heard), evidence and notes as the slots say them, and questions.

    Questions numbered in `bare` are asked without their options, those in `direct` answered without reasoning.
    `sounds` is for a model whose own audio tower hears: W and a beam towards each object (`twnm.model.hear.sounds_of`) in half precision; else without samples.
    """

    heard: dict[str, np.ndarray]
    evidence: str
    items: tuple[Item, ...]
    notes: str = ""
    bare: frozenset[int] = frozenset()
    direct: frozenset[int] = frozenset()
    sounds: np.ndarray = field(default_factory=lambda: np.zeros((1, 0), np.float16), repr=False)

    def heard_batch(self, device: torch.device | str = "cpu") -> HeardBatch:
        """The slot summary as tensors with a batch of one."""
        return HeardBatch(**{name: torch.from_numpy(value).float().to(device) for name, value in self.heard.items()})


@dataclass(frozen=True)
class LessonPlan:
    """What lessons are about.

    Attributes:
        questions: of a lesson, at most.
        text: of the scene's metadata alone: nothing is rendered, nothing heard.
        sounds: whether lessons keep them for an audio tower.
        level_every: lessons after which questions of the next level are mixed in; 0: all levels from the first one on.
        thinned, lost: the share of the questions that lose words, and how probably they lose each (`thinned`).
    """

    questions: int
    text: bool = False
    sounds: bool = False
    level_every: int = 0
    thinned: float = 1 / 3
    lost: float = 0.1


class LessonMaker:
    """Makes lessons of one stream in this process; `encoder` is the trained one."""

    def __init__(self, spec: StreamSpec, encoder: SlotEncoder, plan: LessonPlan) -> None:
        self.source = ChunkMaker(spec)
        self.encoder = encoder.eval()
        self.plan = plan
        self._words = "lessons" if spec.split == "train" else spec.split
        self._share = self._task_share()

    def make(self, index: int) -> Lesson:
        """Lesson about scene `index`."""
        scene = draw_training_scene(self.source.catalogue, self.source.spec, index)
        return self._read(scene, index) if self.plan.text else self._heard(scene, index)

    def _read(self, scene: Scene, index: int) -> Lesson:
        evidence, notes = tell_facts(facts_of(scene))
        return self._asking(Lesson({}, evidence, (), notes), scene, index, self._rng(index, 3))

    def _heard(self, scene: Scene, index: int) -> Lesson:
        from twnm.simulate.render import render

        foa, scene = render(scene, self.source.catalogue)
        audio = torch.from_numpy(foa)[None]
        with torch.inference_mode():
            output, semantic = hear_clips(self.encoder, self.source.semantic, audio)
            output = replace(output, label=doubted(output.label, self._rng(index, 5)))
            heard = summarise_slots(output, semantic)
            objects = read_objects(output, 0, self.encoder.config.classes, duration_s=scene.duration_s)
            room = read_room(output, 0)
        rng = self._rng(index, 3)
        truly = true_labels(objects, scene)
        asked = heard_scene(objects, room, duration_s=scene.duration_s, scene_id=scene.scene_id, situation=scene.situation, labels=truly)
        evidence, notes = tell(called(objects, truly) if rng.random() < _BOUND_SHARE else objects, room, scene.duration_s)
        lesson = Lesson(
            heard={each.name: getattr(heard, each.name).numpy().astype(np.float32) for each in fields(HeardBatch)},
            evidence=evidence,
            items=(),
            notes=notes,
            sounds=(sounds_of(output, 0, foa) if self.plan.sounds else foa[:1, :0]).astype(np.float16),
        )
        return self._asking(lesson, asked, index, rng)

    def _asking(self, lesson: Lesson, scene: Scene, index: int, rng: np.random.Generator) -> Lesson:
        """The lesson with questions about a scene."""
        items = ask_all(scene, rng, split=self._words) if scene.events else []
        items += [item for item in ask_all(scene, rng, split=self._words, form="open") if rng.random() < _OPEN_SHARE] if scene.events else []
        if self.plan.level_every:
            items = [item for item in items if int(item.level[1:]) <= 1 + index // self.plan.level_every]
        chosen = tuple(
            item.model_copy(update={"question": thinned(item.question, rng, self.plan.thinned, self.plan.lost)}) for item in self._choose(items, rng)
        )
        return replace(lesson, items=chosen, bare=_some(rng, len(chosen), _BARE_SHARE), direct=_some(rng, len(chosen), _DIRECT_SHARE))

    def _rng(self, index: int, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.source.spec.seed, index, purpose])

    def _task_share(self) -> Counter[str]:
        """How often each task can be asked, counted on the first scenes of the stream."""
        spec = self.source.spec
        scenes = (draw_training_scene(self.source.catalogue, spec, index) for index in range(_COUNTED_SCENES))
        asked = (ask_all(scene, np.random.default_rng([spec.seed, index, 3]), split=spec.split) for index, scene in enumerate(scenes))
        return Counter(item.task for items in asked for item in items)

    def _choose(self, items: list[Item], rng: np.random.Generator) -> tuple[Item, ...]:
        """A few questions, rare tasks rather than common ones, so that all are learnt about equally."""
        rarity = np.array([1.0 / (1 + self._share[item.task]) for item in items])
        if not items:
            return ()
        chosen = rng.choice(len(items), min(self.plan.questions, len(items)), replace=False, p=rarity / rarity.sum())
        return tuple(items[index] for index in chosen)


def _some(rng: np.random.Generator, count: int, share: float) -> frozenset[int]:
    return frozenset(np.flatnonzero(rng.random(count) < share).tolist())


def doubted(logits: Float[Tensor, "batch slots classes"], rng: np.random.Generator) -> Float[Tensor, "batch slots classes"]:
    """Class logits made less sure, and sometimes wrong, by a random amount for the whole clip.

    The encoder knows the recordings of training by heart and names them more surely than it will name others; the language model shall not trust names more
    than they will deserve.
    """
    doubt = rng.random()
    noise = torch.from_numpy(rng.gumbel(size=tuple(logits.shape))).to(logits)
    return logits * (1 - _LESS_SURE * doubt) + _GUMBEL_SCALE * doubt * noise


def thinned(question: str, rng: np.random.Generator, share: float = 1 / 3, lost: float = 0.1) -> str:
    """A question that in a `share` of the cases lost some of its words, each as probably; names of sounds, figures and what ends a sentence stay."""
    words = question.split(" ")
    if rng.random() > share:
        return question
    kept = [word for word in words if rng.random() > lost or not word.isalpha() or word.casefold() in _NAME_WORDS]
    return " ".join(kept)


def true_labels(objects: Sequence[HeardObject], scene: Scene) -> list[str]:
    """What heard objects truly are: those within 60° of a true event carry its label (optimal assignment by angle), others what they were heard as."""
    truth = np.array([unit_vector(*scene.place(event)[:2]) for event in scene.events]).reshape(-1, 3)
    heard = np.array([unit_vector(item.azimuth_deg, item.elevation_deg) for item in objects]).reshape(-1, 3)
    angles = angle_between_deg(heard[:, None], truth[None])
    labels = [item.label for item in objects]
    for row, column in zip(*linear_sum_assignment(angles), strict=True):
        if angles[row, column] < _SAME_WITHIN_DEG:
            labels[row] = scene.events[column].label
    return labels


def lesson_factory(spec: StreamSpec, encoder_folder: Any, plan: LessonPlan) -> Callable[[int], Lesson]:
    """For worker processes: a maker with the encoder of a weights folder."""
    from twnm.model.loading import load_encoder

    return LessonMaker(spec, load_encoder(encoder_folder), plan).make


def heard_by(model: Twnm, lesson: Lesson) -> HeardBatch:
    """What a model's projector reads of a lesson, where the projector is."""
    heard = lesson.heard_batch(next(model.projector.parameters()).device)
    return heard if model.tower is None else with_tower(model.tower, heard, torch.from_numpy(lesson.sounds).float())


@dataclass(frozen=True)
class Packed:
    """A lesson ready for the language model (T positions): embeddings, positions, who may see whom, the wanted next token (IGNORED: none), its weight."""

    embeddings: Float[Tensor, "time width"]
    positions: Int[Tensor, " time"]
    visible: Bool[Tensor, "time time"]
    targets: Int[Tensor, " time"]
    weights: Float[Tensor, " time"]


def pack(model: Twnm, lesson: Lesson, evidence_weight: float = 1.0) -> Packed:
    """The packed sequence of a lesson; evidence and notes (with their weight), reasoning and answers are learnt, questions are not."""
    replies = []
    for number, item in enumerate(lesson.items):
        asked = model.asked_ids(item.question, () if number in lesson.bare else item.options)
        reasoning = [] if number in lesson.direct else model.ids(item.derivation)
        replies.append((asked, [[*reasoning, model.newline_id, *model.ids(item.answer_text), model.end_id]]))
    return pack_replies(model, lesson, replies, evidence_weight)


def pack_replies(model: Twnm, lesson: Lesson, asked: Sequence[tuple[list[int], Sequence[list[int]]]], evidence_weight: float | None = None) -> Packed:
    """The packed sequence of a recording and questions about it: token ids of what is asked, once, and of each reply to it; none sees another.

    Replies are targets, evidence and notes only if they have a weight.
    """
    device = next(model.projector.parameters()).device
    audio = model.audio_prefix(heard_by(model, lesson) if lesson.heard else None)
    told = model.told_ids(lesson.evidence, lesson.notes)
    read = list(told)
    targets = [IGNORED] * (len(audio) - 1) + (told if evidence_weight is not None else [IGNORED] * len(told)) + [IGNORED]
    prefix = len(audio) + len(told)
    positions = list(range(prefix))
    block, behind = [0] * prefix, [0] * prefix
    for question, replies in asked:
        shared, last = question[:-1], question[-1]  # the last token stands before each reply, whose first one it has for a target
        number = max(block) + 1
        parts = [(shared, [IGNORED] * len(shared), 0), *(([last, *said], [*said, IGNORED], len(shared)) for said in replies)]
        for place, (ids, wanted, begin) in enumerate(parts):
            read += ids
            targets += wanted
            positions += range(prefix + begin, prefix + begin + len(ids))
            block += [number + place] * len(ids)
            behind += [number] * len(ids)
    blocks, questions = (torch.tensor(each, device=device) for each in (block, behind))
    visible = (blocks[:, None] == blocks[None]) | (blocks[None] == 0) | (questions[:, None] == blocks[None])
    weights = torch.where(blocks == 0, evidence_weight or 0.0, 1.0)
    embeddings = torch.cat([audio, model.embed(read)])
    return Packed(embeddings, torch.tensor(positions, device=device), visible.tril(), torch.tensor(targets, device=device), weights)


def padded(lessons: Sequence[Packed]) -> tuple[Float[Tensor, "batch time width"], Int[Tensor, "batch time"], Bool[Tensor, "batch 1 time time"]]:
    """Embeddings, positions and visibility of several lessons as one batch; what is behind a lesson's end sees itself alone."""
    longest = max(len(one.targets) for one in lessons)
    embeddings = nn.utils.rnn.pad_sequence([one.embeddings for one in lessons], batch_first=True)
    positions = nn.utils.rnn.pad_sequence([one.positions for one in lessons], batch_first=True)
    visible = torch.eye(longest, dtype=torch.bool, device=embeddings.device).repeat(len(lessons), 1, 1)
    for row, one in enumerate(lessons):
        visible[row, : len(one.targets), : len(one.targets)] = one.visible
    return embeddings, positions, visible[:, None]
