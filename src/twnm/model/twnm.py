"""The whole model: it hears a recording, says what it heard as evidence, and answers questions about it.

The language model reads one stream of text and vectors, whose parts are divided by newlines and chat tokens:

    <|im_start|> AUDIO \n evidence \n notes <|im_end|>  <|im_start|> question (options) \n why \n answer <|im_end|>  <|im_start|> question ...

AUDIO is one dense token per 0.4 s, four tokens per object heard and one for the room. The evidence is what the slots say, in words, and the notes
(`twnm.model.notes`) are what it has no room for; the language model learns to say both, but the slots spell numbers better, so theirs are read. They come
before the question, which departs from question-first designs: one recording is heard once, and any number of questions read the same prefix.
What a user reads is the tagged form `<evidence>...</evidence><why>...</why><answer>...</answer>` (twnm.questions.answer); plain newlines cost the
language model fewer tokens. An answer to options is the option whose words are most probable after the reasoning, and code gives its letter.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from twnm.audio import SAMPLE_RATE_HZ
from twnm.errors import InputError
from twnm.model.audio_tower import with_tower
from twnm.model.binding import bind, called, names_in
from twnm.model.hear import WINDOW_S, HeardObject, HeardRoom, hear_clips, sounds_of
from twnm.model.hearing import Hearing, choose_window
from twnm.model.language import Guide, LanguageModel, Prefix, greedy_batch, read, read_batch, score_batch, stop_at
from twnm.model.notes import tell
from twnm.model.projector import HeardBatch, Projector, summarise_slots
from twnm.model.reckoning import Reckoner, asks_for_motion
from twnm.model.semantic import SemanticEncoder, WaveEncoder
from twnm.model.slots import SlotEncoder
from twnm.model.turned import ALL_POSES, QUARTER_TURNS, Pose
from twnm.questions.answer import LETTERS, check_question, write_output
from twnm.sounds.classes import spoken

_MAX_WHY_TOKENS = 70
_MAX_ANSWER_TOKENS = 40
_MOST_TOGETHER = 24  # questions, whose prefixes are held several times over: some 10 MB each


@dataclass(frozen=True)
class Answer:
    """An answer with what it rests on.

    `letter` is None without options; `text` is the tagged form; `start_s` is where the heard 5 s begin; `grounded` says whether the reasoning names only
    sounds and figures that were heard (`Reckoner.supports`).
    """

    answer: str
    letter: str | None
    evidence: str
    why: str
    seconds: float
    start_s: float = 0.0
    grounded: bool = False
    scores: tuple[float, ...] = field(default=(), compare=False)

    @property
    def text(self) -> str:
        """`<evidence>...</evidence><why>...</why><answer>...</answer>`; without evidence the answer alone."""
        evidence, why, answer = (part.replace("<", "(").replace(">", ")") for part in (self.evidence, self.why, self.answer))
        return write_output(evidence, why, answer) if evidence else write_output(None, None, answer)


@dataclass(frozen=True)
class Listening:
    """A recording that the language model has read together with its own evidence and notes; questions start from here.

    `audio` is what it had read before them, for a question whose names call the `objects` otherwise (`twnm.model.binding`). For one question alone evidence
    and notes are not read before it is known (`evidence_read`).
    """

    prefix: Prefix
    evidence: str
    notes: str = ""
    audio: Prefix | None = None
    objects: tuple[HeardObject, ...] = ()
    room: HeardRoom | None = None
    duration_s: float = WINDOW_S
    evidence_read: bool = True


class Asked(NamedTuple):
    """A question about a recording that was heard."""

    listening: Listening
    question: str
    options: tuple[str, ...] = ()


class Twnm(Hearing):
    """Ears (encoders), bridge (projector) and mind (language model); `load` gives the shipped one.

    With a `tower` the projector reads what that hears (`with_tower`), and the encoder alone hears by `semantic`.
    `reckons`: the figures of a reasoning are computed (`twnm.model.reckoning`), not spelt by the language model.
    It hears in all poses, since it takes longer to think than to hear; for an answer at once in four.
    Raises InputError for a tokenizer without the chat tokens.
    """

    reckons = True
    poses = ALL_POSES

    def __init__(
        self, encoder: SlotEncoder, semantic: SemanticEncoder, projector: Projector, language: LanguageModel, tower: WaveEncoder | None = None
    ) -> None:
        super().__init__(encoder, semantic)
        self.projector, self.language, self.tower = projector, language, tower
        self.start_id, self.end_id = (self._chat_id(token) for token in ("<|im_start|>", "<|im_end|>"))
        self.newline_id = self.ids("\n")[-1]

    def _chat_id(self, token: str) -> int:
        ids = self.ids(token)
        if len(ids) != 1:
            raise InputError(f"the language model's tokenizer has no {token}; give a model that is tuned to chat with it, as SmolLM2-Instruct and Qwen are")
        return ids[0]

    def ids(self, text: str) -> list[int]:
        """Token ids of plain text."""
        ids: list[int] = self.language.tokenizer(text, add_special_tokens=False).input_ids
        return ids

    def text(self, ids: list[int]) -> str:
        """Token ids as text."""
        return str(self.language.tokenizer.decode(ids))

    def told_ids(self, evidence: str, notes: str) -> list[int]:
        """What is read of a recording behind its audio tokens."""
        return [*self.ids(evidence), self.newline_id, *self.ids(notes), self.end_id]

    def asked_ids(self, question: str, options: Sequence[str] = ()) -> list[int]:
        """A question as it is read."""
        text = f"{question} ({'; '.join(options)})" if options else question
        return [self.start_id, *self.ids(text), self.newline_id]

    def embed(self, ids: list[int]) -> Float[Tensor, "tokens width"]:
        """The language model's embeddings of token ids."""
        table = self.language.model.get_input_embeddings()
        embedded: Tensor = table(torch.tensor(ids, device=table.get_parameter("weight").device))
        return embedded

    def audio_prefix(self, heard: HeardBatch | None) -> Float[Tensor, "tokens width"]:
        """What stands before the evidence, as embeddings; without audio tokens if nothing is heard and the evidence only read."""
        tokens = [] if heard is None else [self.projector(heard)]
        return torch.cat([self.embed([self.start_id]), *tokens, self.embed([self.newline_id])])

    @torch.no_grad()
    def listen(self, audio: Float[Tensor, "4 samples"], poses: Sequence[Pose] = (), read_evidence: bool = True) -> Listening:
        """Hear one window, in `poses` in place of its own; the slots say the evidence, and the language model reads it behind the audio tokens.

        Without `read_evidence` it reads it with each question, which for one alone takes less time.
        """
        output, semantic = hear_clips(self.encoder, self.semantic, audio[None], poses or self.poses)
        duration_s = audio.shape[-1] / SAMPLE_RATE_HZ
        objects, room = self.read_slots(output, duration_s)
        heard = summarise_slots(output, semantic)
        if self.tower is not None:
            heard = with_tower(self.tower, heard, torch.from_numpy(sounds_of(output, 0, audio.numpy())))
        evidence, notes = tell(objects, room, duration_s)
        begun = read(self.language.model, self.audio_prefix(heard))
        whole = read(self.language.model, self.embed(self.told_ids(evidence, notes)), begun) if read_evidence else begun
        return Listening(whole, evidence, notes, begun, tuple(objects), room, duration_s, read_evidence)

    def _read_questions(self, asked: Sequence[Asked], *, reasons: bool) -> list[tuple[Prefix, Reckoner]]:
        """What has been read when each question was asked, the objects called as it calls them, and what its reasoning is reckoned from.

        Where the options are sounds, how the reasoning would begin tells whether they are all among the options: not if it lists what was heard. Without
        reasons they are taken as they come, which spares a second reading.
        """
        classes, lists = self.encoder.config.classes, self.ids("heard")[0]
        labels = [bind(one.listening.objects, one.question, one.options, classes) for one in asked]
        known = self._read_with(asked, labels)
        if not reasons:
            return known
        others = {
            row: bind(one.listening.objects, one.question, one.options, classes, among_options=True)
            for row, one in enumerate(asked)
            if names_in("; ".join(one.options), classes) and int(self.with_a_word(known[row][0]).logits.argmax()) != lists
        }
        again = [row for row, found in others.items() if found != labels[row]]
        for row, better in zip(again, self._read_with([asked[row] for row in again], [others[row] for row in again]), strict=True):
            known[row] = better
        return known

    def _read_with(self, asked: Sequence[Asked], labels: Sequence[list[str]]) -> list[tuple[Prefix, Reckoner]]:
        """What has been read when each question was asked, the objects called by its labels."""
        classes = self.encoder.config.classes
        prefixes, texts, reckoners = [], [], []
        for one, named in zip(asked, labels, strict=True):
            listening, ids, told = one.listening, self.asked_ids(one.question, one.options), (one.listening.evidence, one.listening.notes)
            follow = names_in(one.question, classes) if asks_for_motion(one.options) else []
            prefix, own = listening.prefix, not follow and named == [item.label for item in listening.objects]
            if listening.audio is not None and listening.room is not None and not (own and listening.evidence_read):
                told = told if own else tell(called(listening.objects, named), listening.room, listening.duration_s, follow)
                prefix, ids = listening.audio, [*self.told_ids(*told), *ids]
            prefixes.append(prefix)
            texts.append(self.embed(ids))
            chances = [dict(zip(map(spoken, classes), item.chances, strict=True)) for item in listening.objects if item.chances]
            reckoners.append(Reckoner(*told, one.options, chances))
        return list(zip(read_batch(self.language.model, texts, prefixes), reckoners, strict=True))

    def with_a_word(self, prefix: Prefix) -> Prefix:
        """The same, but what comes next is a reasoning of at least a word, since an empty line is for answers at once."""
        logits = prefix.logits.clone()
        logits[[self.newline_id, self.end_id]] = -torch.inf
        return prefix._replace(logits=logits)

    def guide(self, reckoner: Reckoner) -> Guide | None:
        """What lets a reasoning go on as it is reckoned; None if the language model does its own figures."""

        def guide(said: list[int], token: int) -> list[list[int]]:
            return [self.ids(text) for text in reckoner.follows(self.text(said), self.text([token]))]

        return guide if self.reckons else None

    @torch.no_grad()
    def answers(self, asked: Sequence[Asked], evidence: bool = True) -> list[Answer]:
        """Answer questions about recordings that were heard; several are reasoned about together, which takes less time.

        With options, the answer is the one whose words are most probable after the reasoning. The evidence is what the language model read: it calls the
        objects as the question does, if they may well be that (`twnm.model.binding`). `seconds` is shared among the answers.

        Args:
            asked: the questions.
            evidence: False answers at once, without reasoning: in less time, less often right, and with neither evidence nor reasons given.
        """
        began = time.perf_counter()
        answers: list[Answer] = []
        for first in range(0, len(asked), _MOST_TOGETHER):
            part = asked[first : first + _MOST_TOGETHER]
            known = self._read_questions(part, reasons=evidence)
            answers += self._conclude(part, known, self._reasonings(known) if evidence else [[] for _ in known])
        seconds = (time.perf_counter() - began) / max(1, len(asked))
        return [replace(answer, seconds=seconds) if evidence else replace(answer, seconds=seconds, evidence="") for answer in answers]

    def _reasonings(self, known: Sequence[tuple[Prefix, Reckoner]]) -> list[list[int]]:
        """What is said between each question and its answer."""
        prefixes, guides = [self.with_a_word(prefix) for prefix, _ in known], [self.guide(reckoner) for _, reckoner in known]
        stop = stop_at(self.language.tokenizer, ids=[self.newline_id, self.end_id])
        return greedy_batch(self.language.model, prefixes, stop=stop, max_new_tokens=_MAX_WHY_TOKENS, guides=guides) if known else []

    def _conclude(self, asked: Sequence[Asked], known: Sequence[tuple[Prefix, Reckoner]], said: Sequence[list[int]]) -> list[Answer]:
        """The answers behind the reasonings."""
        model, ends = self.language.model, (self.newline_id, self.end_id)
        whys = [[token for token in ids if token not in ends] for ids in said]
        reasoned = read_batch(model, [self.embed([*why, self.newline_id]) for why in whys], [prefix for prefix, _ in known])
        choices = [row for row, one in enumerate(asked) if one.options]
        options = [[[*self.ids(option), self.end_id] for option in asked[row].options] for row in choices]
        scores = dict(zip(choices, score_batch(model, [reasoned[row] for row in choices], options) if choices else [], strict=True))
        open_ones = [row for row in range(len(asked)) if row not in scores]
        stop = stop_at(self.language.tokenizer, ids=ends)
        free = greedy_batch(model, [reasoned[row] for row in open_ones], stop=stop, max_new_tokens=_MAX_ANSWER_TOKENS) if open_ones else []
        spoken_ids = dict(zip(open_ones, free, strict=True))
        answers = []
        for row, (one, (_, reckoner), why) in enumerate(zip(asked, known, whys, strict=True)):
            reasoning, letter, values = self.text(why), None, ()
            if row in scores:
                best = int(scores[row].argmax())
                text, letter, values = one.options[best], LETTERS[best], tuple(round(value, 3) for value in scores[row].tolist())
            else:
                text = self.text([token for token in spoken_ids[row] if token not in ends])
            answers.append(Answer(text, letter, reckoner.evidence, reasoning, 0.0, grounded=reckoner.supports(reasoning), scores=values))
        return answers

    def answer(self, listening: Listening, question: str, options: tuple[str, ...] = ()) -> Answer:
        """Answer one question about what was heard (`answers`)."""
        return self.answers([Asked(listening, question, options)])[0]

    def ask(
        self,
        foa: Float32[np.ndarray, "4 samples"],
        question: str,
        options: tuple[str, ...] = (),
        start_s: float | None = None,
        evidence: bool = True,
    ) -> Answer:
        """Hear 5 s of a recording (from `start_s`, or its loudest 5 s) and answer a question about it; without `evidence` at once (`answers`).

        Raises InputError for a question without text, options that are not 2 to 8 different texts, or a start beyond the end.
        """
        check_question(question, options)
        began = time.perf_counter()
        start, window = choose_window(foa, start_s)
        listening = self.listen(torch.from_numpy(window), () if evidence else QUARTER_TURNS, read_evidence=False)
        (given,) = self.answers([Asked(listening, question.strip(), options)], evidence)
        return replace(given, seconds=time.perf_counter() - began, start_s=start)


def answer_json(answer: Answer) -> dict[str, Any]:
    """The fields of an answer that the command line prints."""
    return {name: value for name, value in asdict(answer).items() if name in ("answer", "letter", "evidence", "why", "grounded", "seconds")}
