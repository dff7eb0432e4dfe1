"""The whole model: it hears a recording, says what it heard as evidence, and answers questions about it.

The language model reads one stream of text and vectors, whose parts are divided by newlines and chat tokens:

    <|im_start|> AUDIO \\n evidence \\n notes <|im_end|>  <|im_start|> question (options) \\n why \\n answer <|im_end|>  <|im_start|> question ...

AUDIO is one dense token per 0.4 s, four tokens per object heard and one for the room. The evidence is what the slots say, in words, and the notes
(`twnm.model.notes`) are what it has no room for; the language model learns to say both, but the slots spell numbers better, so theirs are read. They come
before the question, which departs from question-first designs: one recording is heard once, and any number of questions read the same prefix.
What a user reads is the tagged form `<evidence>...</evidence><why>...</why><answer>...</answer>` (twnm.questions.answer); plain newlines cost the
language model fewer tokens. An answer to options is the option whose words are most probable after the reasoning, and code gives its letter.
"""

import functools
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32
from safetensors.torch import load_file
from torch import Tensor, nn

from twnm.audio import SAMPLE_RATE_HZ
from twnm.errors import InputError
from twnm.model.audio_tower import AudioTower, load_tower
from twnm.model.binding import bind, called
from twnm.model.hear import EXISTS_ABOVE, WINDOW_S, HeardObject, HeardRoom, hear_clips, mean_room, read_objects, read_room, sounds_of
from twnm.model.language import (
    Guide,
    LanguageModel,
    LoraSettings,
    Prefix,
    greedy,
    greedy_batch,
    load_language_model,
    load_lora_weights,
    merge_lora,
    read,
    score_continuations,
    stop_at,
)
from twnm.model.link import later, link, windows
from twnm.model.notes import tell
from twnm.model.projector import DenseHybridProjector, HeardBatch, SlotProjector, summarise_slots
from twnm.model.reckoning import Reckoner
from twnm.model.recording import usable
from twnm.model.semantic import SemanticEncoder, WaveEncoder, default_semantic
from twnm.model.slots import SlotEncoder, SlotOutput
from twnm.model.spatial_encoder import EncoderConfig
from twnm.questions.answer import LETTERS, check_question, write_output
from twnm.questions.evidence import Heard
from twnm.sounds.classes import spoken

Semantic = Literal["yamnet", "own"]
"""Whose semantic vectors the projector reads: YAMNet's, or those of the language model's own audio tower."""
SHIPPED = Path(__file__).parent.parent / "weights"
_MAX_WHY_TOKENS = 70
_MAX_ANSWER_TOKENS = 40


@dataclass(frozen=True)
class HeardScene:
    """Objects of a recording by onset, the room, and the recording's length in seconds."""

    duration_s: float
    objects: tuple[HeardObject, ...]
    room: HeardRoom


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
        """`<evidence>...</evidence><why>...</why><answer>...</answer>`."""
        return write_output(*(part.replace("<", "(").replace(">", ")") for part in (self.evidence, self.why, self.answer)))


@dataclass(frozen=True)
class Listening:
    """A recording that the language model has read together with its own evidence and notes; questions start from here.

    `audio` is what it had read before them, for a question whose names call the `objects` otherwise (`twnm.model.binding`).
    """

    prefix: Prefix
    evidence: str
    notes: str = ""
    audio: Prefix | None = None
    objects: tuple[HeardObject, ...] = ()
    room: HeardRoom | None = None
    duration_s: float = WINDOW_S


class Asked(NamedTuple):
    """A question about a recording that was heard."""

    listening: Listening
    question: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelConfig:
    """What is needed beside the tensors to build the model again."""

    encoder: EncoderConfig
    language: str = "smollm2-135m-instruct"
    lora: LoraSettings = field(default_factory=LoraSettings)
    semantic: Semantic = "yamnet"

    def to_json(self) -> str:
        """As JSON text."""
        plain = {"encoder": self.encoder.to_dict(), "language": self.language, "lora": self.lora.model_dump(), "semantic": self.semantic}
        return json.dumps(plain, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "ModelConfig":
        """The inverse of `to_json`."""
        data = json.loads(text)
        return cls(EncoderConfig.from_dict(data["encoder"]), data["language"], LoraSettings(**data["lora"]), data.get("semantic", "yamnet"))


def load_encoder(folder: Path) -> SlotEncoder:
    """The spatial encoder of a weights folder (encoder.json, encoder.safetensors), in evaluation mode.

    Raises InputError when a file is absent or a tensor is missing, extra or misshaped.
    """
    try:
        config = EncoderConfig.from_dict(json.loads((folder / "encoder.json").read_text()))
        tensors = load_file(folder / "encoder.safetensors")
    except FileNotFoundError as error:
        absent = Path(error.filename or "encoder.safetensors").name
        raise InputError(f"{folder} holds no encoder ({absent} is absent); train one with `twnm train encoder`") from None
    encoder = SlotEncoder(config)
    load_strictly(encoder, tensors, folder / "encoder.safetensors")
    return encoder.eval().requires_grad_(False)


def load_strictly(module: nn.Module, tensors: dict[str, Tensor], source: Path) -> None:
    """Load a state dict whose names and shapes must fit exactly; raises InputError naming what does not."""
    own = module.state_dict()
    wrong = sorted(name for name in own.keys() | tensors.keys() if name not in own or name not in tensors or own[name].shape != tensors[name].shape)
    if wrong:
        raise InputError(f"{source} does not fit the model: {', '.join(wrong[:4])}{' ...' if len(wrong) > 4 else ''} missing, extra or misshaped")
    module.load_state_dict({name: value.to(own[name].dtype) for name, value in tensors.items()})


class Projector(nn.Module):
    """The trained bridge to the language model: dense map, object and room tokens; `tower_size` is that of the vectors of a tower, 0 without one."""

    def __init__(self, config: EncoderConfig, anchors: Float[Tensor, "classes width"], tower_size: int = 0) -> None:
        super().__init__()
        self.dense = DenseHybridProjector(config.width, tower_size or config.semantic_size, anchors.shape[1])
        self.slots = SlotProjector(anchors, config.width + tower_size)

    def forward(self, heard: HeardBatch, row: int = 0) -> Float[Tensor, "tokens width"]:
        """The audio tokens of one clip: dense map, existing objects by onset, room."""
        objects, room = self.slots(heard)
        kept = torch.nonzero(heard.exists[row] > 0.5).squeeze(1)
        kept = kept[heard.span[row, kept, 0].argsort(stable=True)]
        return torch.cat([self.dense(heard.frames, heard.semantic)[row], objects[row, kept].flatten(0, 1), room[row : row + 1]])


def class_anchors(language: LanguageModel, classes: tuple[str, ...]) -> Float[Tensor, "classes width"]:
    """The mean embedding of each class's spoken name in the language model's own vocabulary."""
    table: Tensor = language.model.get_input_embeddings().get_parameter("weight")
    names = [language.tokenizer(" " + spoken(label), add_special_tokens=False).input_ids for label in classes]
    return torch.stack([table[ids].mean(dim=0) for ids in names]).detach().float()


def build_bridge(config: ModelConfig, language: LanguageModel) -> tuple[AudioTower | None, Projector]:
    """A new projector to the language model, and the tower whose vectors it reads, if it shall read those of the language model's own.

    Raises InputError when the language model has no such tower.
    """
    tower = load_tower(language, config.language) if config.semantic == "own" else None
    return tower, Projector(config.encoder, class_anchors(language, config.encoder.classes), 0 if tower is None else tower.size)


def with_tower(tower: WaveEncoder, heard: HeardBatch, sounds: Float[Tensor, "sounds samples"]) -> HeardBatch:
    """What the projector reads of one clip when a tower hears it: its vectors of W in place of the semantic ones, those of the beams behind the embeddings.

    Args:
        sounds: W and a beam towards each existing slot (`twnm.model.hear.sounds_of`); a beam's vector is the mean over the seconds in which the slot is active.
    """
    vectors = tower(sounds[:, None]).to(heard.frames.device)
    exists = heard.exists[0] > EXISTS_ABOVE
    second = torch.arange(vectors.shape[1], device=vectors.device)
    onset, offset = heard.span[0, exists].T[..., None]
    within = ((second + 1 > onset) & (second < offset)).float()[..., None]
    beams = vectors.new_zeros(len(exists), vectors.shape[-1])
    beams[exists] = (within * vectors[1:]).sum(dim=1) / within.sum(dim=1).clamp_min(1.0)
    parts = (nn.functional.layer_norm(part, part.shape[-1:]) for part in (heard.embedding, beams[None]))
    return replace(heard, semantic=vectors[:1], embedding=torch.cat(list(parts), dim=-1))


class Hearing:
    """Ears (encoders) alone: what sounds where, when and how far."""

    def __init__(self, encoder: SlotEncoder, semantic: SemanticEncoder) -> None:
        self.encoder, self.semantic = encoder, semantic

    @torch.no_grad()
    def hear_window(self, audio: Float[Tensor, "4 samples"]) -> tuple[HeardBatch, list[HeardObject], HeardRoom]:
        """One window of audio through the encoders."""
        output, semantic = hear_clips(self.encoder, self.semantic, audio[None])
        return summarise_slots(output, semantic), *self.read_slots(output, audio.shape[-1] / SAMPLE_RATE_HZ)

    def read_slots(self, output: SlotOutput, duration_s: float) -> tuple[list[HeardObject], HeardRoom]:
        """The objects and the room of one window."""
        return read_objects(output, 0, self.encoder.config.classes, duration_s=duration_s), read_room(output, 0)

    def scene(self, foa: Float32[np.ndarray, "4 samples"]) -> HeardScene:
        """The objects of a recording, AmbiX at 24 kHz; windows of 5 s, linked.

        Raises InputError for an array that is not four channels of finite samples.
        """
        window = round(WINDOW_S * SAMPLE_RATE_HZ)
        return self.scene_of(foa[:, start : start + window] for start in range(0, usable(foa).shape[1], window))

    def scene_of(self, blocks: Iterable[Float32[np.ndarray, "4 samples"]]) -> HeardScene:
        """The objects of a recording of any length that comes in blocks of 5 s (the last may be shorter), as `twnm.audio.stream_foa` gives them."""
        objects: list[HeardObject] = []
        rooms: list[HeardRoom] = []
        samples = 0

        def counted() -> Iterator[Tensor]:
            nonlocal samples
            for block in blocks:
                samples += block.shape[1]
                yield torch.from_numpy(usable(block))

        for start_s, audio in windows(counted()):
            _, found, room = self.hear_window(audio)
            objects += [later(item, start_s, samples / SAMPLE_RATE_HZ) for item in found]
            rooms.append(room)
        duration_s = samples / SAMPLE_RATE_HZ
        return HeardScene(duration_s, tuple(link([item for item in objects if item.onset_s < duration_s])), mean_room(rooms))


class Twnm(Hearing):
    """Ears (encoders), bridge (projector) and mind (language model); `load` gives the shipped one.

    With a `tower` the projector reads what that hears (`with_tower`), and the encoder alone hears by `semantic`.
    `reckons`: the figures of a reasoning are computed (`twnm.model.reckoning`), not spelt by the language model.
    Raises InputError for a tokenizer without the chat tokens.
    """

    reckons = True

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

    def audio_prefix(self, heard: HeardBatch) -> Float[Tensor, "tokens width"]:
        """What stands before the evidence, as embeddings."""
        return torch.cat([self.embed([self.start_id]), self.projector(heard), self.embed([self.newline_id])])

    @torch.no_grad()
    def listen(self, audio: Float[Tensor, "4 samples"]) -> Listening:
        """Hear one window; the slots say the evidence, and the language model reads it behind the audio tokens."""
        output, semantic = hear_clips(self.encoder, self.semantic, audio[None])
        duration_s = audio.shape[-1] / SAMPLE_RATE_HZ
        objects, room = self.read_slots(output, duration_s)
        heard = summarise_slots(output, semantic)
        if self.tower is not None:
            heard = with_tower(self.tower, heard, torch.from_numpy(sounds_of(output, 0, audio.numpy())))
        evidence, notes = tell(objects, room, duration_s)
        begun = read(self.language.model, self.audio_prefix(heard))
        whole = read(self.language.model, self.embed(self.told_ids(evidence, notes)), begun)
        return Listening(whole, evidence, notes, begun, tuple(objects), room, duration_s)

    def _read_question(self, one: Asked) -> tuple[Prefix, Reckoner]:
        """What has been read when a question was asked, the objects called as it calls them, and what its reasoning is reckoned from."""
        listening, told, prefix = one.listening, (one.listening.evidence, one.listening.notes), one.listening.prefix
        if listening.audio is not None and listening.room is not None:
            labels = bind(listening.objects, one.question, one.options, self.encoder.config.classes)
            if labels != [item.label for item in listening.objects]:
                told = tell(called(listening.objects, labels), listening.room, listening.duration_s)
                prefix = read(self.language.model, self.embed(self.told_ids(*told)), listening.audio)
        return read(self.language.model, self.embed(self.asked_ids(one.question, one.options)), prefix), Reckoner(*told, one.options)

    def _guide(self, reckoner: Reckoner) -> Guide | None:
        def guide(said: list[int], token: int) -> list[list[int]]:
            return [self.ids(text) for text in reckoner.follows(self.text(said), self.text([token]))]

        return guide if self.reckons else None

    @torch.no_grad()
    def answers(self, asked: Sequence[Asked]) -> list[Answer]:
        """Answer questions about recordings that were heard; several are reasoned about together, which takes less time.

        With options, the answer is the one whose words are most probable after the reasoning. The evidence that is given back calls the objects what they
        were heard as; the language model reads it with the question's names. `seconds` is shared among the answers.
        """
        began = time.perf_counter()
        known = [self._read_question(one) for one in asked]
        prefixes, guides = [prefix for prefix, _ in known], [self._guide(reckoner) for _, reckoner in known]
        stop = stop_at(self.language.tokenizer, ids=[self.newline_id, self.end_id])
        if len(asked) == 1:
            said = [greedy(self.language.model, prefixes[0], stop=stop, max_new_tokens=_MAX_WHY_TOKENS, guide=guides[0])]
        else:
            said = greedy_batch(self.language.model, prefixes, stop=stop, max_new_tokens=_MAX_WHY_TOKENS, guides=guides) if asked else []
        answers = [self._conclude(one, *parts, why) for one, parts, why in zip(asked, known, said, strict=True)]
        seconds = (time.perf_counter() - began) / max(1, len(asked))
        return [replace(answer, seconds=seconds) for answer in answers]

    def _conclude(self, one: Asked, prefix: Prefix, reckoner: Reckoner, said: list[int]) -> Answer:
        """The answer behind a reasoning."""
        model, ends = self.language.model, (self.newline_id, self.end_id)
        why = [token for token in said if token not in ends]
        reasoned = read(model, self.embed([*why, self.newline_id]), prefix)
        letter, scores = None, ()
        if one.options:
            values = score_continuations(model, reasoned, [[*self.ids(option), self.end_id] for option in one.options])
            best = int(values.argmax())
            text, letter, scores = one.options[best], LETTERS[best], tuple(round(value, 3) for value in values.tolist())
        else:
            spoken_ids = greedy(model, reasoned, stop=stop_at(self.language.tokenizer, ids=ends), max_new_tokens=_MAX_ANSWER_TOKENS)
            text = self.text([token for token in spoken_ids if token not in ends])
        reasoning = self.text(why)
        return Answer(text, letter, one.listening.evidence, reasoning, 0.0, grounded=reckoner.supports(reasoning), scores=scores)

    def answer(self, listening: Listening, question: str, options: tuple[str, ...] = ()) -> Answer:
        """Answer one question about what was heard (`answers`)."""
        return self.answers([Asked(listening, question, options)])[0]

    def ask(self, foa: Float32[np.ndarray, "4 samples"], question: str, options: tuple[str, ...] = (), start_s: float | None = None) -> Answer:
        """Hear 5 s of a recording (from `start_s`, or its loudest 5 s) and answer a question about it.

        Raises InputError for a question without text, options that are not 2 to 8 different texts, or a start beyond the end.
        """
        check_question(question, options)
        began = time.perf_counter()
        start, window = choose_window(foa, start_s)
        given = self.answer(self.listen(torch.from_numpy(window)), question.strip(), options)
        return replace(given, seconds=time.perf_counter() - began, start_s=start)


def as_heard(item: HeardObject) -> Heard:
    """A heard object in the words of the evidence."""
    return Heard(spoken(item.label), item.azimuth_deg, item.elevation_deg, item.distance_m, item.onset_s, item.offset_s)


def choose_window(foa: Float32[np.ndarray, "4 samples"], start_s: float | None = None) -> tuple[float, Float32[np.ndarray, "4 window"]]:
    """The 5 s of a recording that are heard: from `start_s`, else the loudest on a grid of half seconds; a short recording is padded with silence."""
    length = round(WINDOW_S * 24_000)
    if foa.shape[1] <= length:
        if start_s:
            raise InputError(f"a start of {start_s} s was given for a recording of {foa.shape[1] / 24_000:.1f} s; recordings up to 5 s are heard whole")
        return 0.0, np.pad(foa, ((0, 0), (0, length - foa.shape[1])))
    last = foa.shape[1] - length
    if start_s is None:
        energy = np.concatenate([[0.0], np.cumsum(np.square(foa[0], dtype=np.float64))])
        starts = np.append(np.arange(0, last, 12_000), last)
        start = int(starts[np.argmax(energy[starts + length] - energy[starts])])
    else:
        start = round(start_s * 24_000)
        if not 0 <= start <= last:
            raise InputError(f"a start of {start_s} s is outside; 0 to {last / 24_000:.1f} s are allowed in a recording of {foa.shape[1] / 24_000:.1f} s")
    return start / 24_000, foa[:, start : start + length]


def folder_of(name_or_folder: str | Path) -> Path:
    """Where the weights of the shipped model ("small") or of one trained into a folder lie."""
    return SHIPPED if str(name_or_folder) == "small" else Path(name_or_folder)


def load_hearing(name_or_folder: str | Path = "small") -> Hearing:
    """The ears of the shipped model ("small") or of one trained into a folder; the language model is not loaded. Raises InputError as `load` does."""
    return Hearing(load_encoder(folder_of(name_or_folder)), default_semantic())


def load_trained(projector: Projector, language: nn.Module, folder: Path) -> None:
    """Set a projector and the LoRA of a language model to those of a trained model; raises InputError when they are absent or do not fit."""
    try:
        projector_tensors, lora_tensors = load_file(folder / "projector.safetensors"), load_file(folder / "lora.safetensors")
    except FileNotFoundError as error:
        raise _no_model(folder, Path(error.filename or "projector.safetensors").name) from None
    load_strictly(projector, projector_tensors, folder / "projector.safetensors")
    load_lora_weights(language, {name: value.float() for name, value in lora_tensors.items()})


def read_config(folder: Path) -> ModelConfig:
    """What twnm.json of a trained model says; raises InputError when it is absent."""
    try:
        return ModelConfig.from_json((folder / "twnm.json").read_text())
    except FileNotFoundError:
        raise _no_model(folder, "twnm.json") from None


def _no_model(folder: Path, absent: str) -> InputError:
    return InputError(f"{folder} holds no trained model ({absent} is absent); `twnm train instruct` makes one")


def load(name_or_folder: str | Path = "small") -> Twnm:
    """The shipped model ("small") or one trained into a folder, with its language model and semantic encoder from the cache or a hub.

    Raises InputError when a part is absent or does not fit, with how to get it.
    """
    folder = folder_of(name_or_folder)
    config = read_config(folder)
    language = load_language_model(config.language, lora=config.lora)
    tower, projector = build_bridge(config, language)
    load_trained(projector, language.model, folder)
    merge_lora(language.model)
    return Twnm(load_encoder(folder), default_semantic(), projector.eval().requires_grad_(False), language, tower)


@functools.cache
def _shipped() -> Twnm:
    return load("small")


def ask(path: str | Path, question: str, options: tuple[str, ...] = (), layout: str = "ambix") -> Answer:
    """Ask the shipped model about an Ambisonics file. Raises InputError for a file or question that cannot be used."""
    from twnm.audio import read_foa

    check_question(question, options)
    return _shipped().ask(read_foa(path, layout=layout), question, options)


def answer_json(answer: Answer) -> dict[str, Any]:
    """The fields of an answer that the command line prints."""
    return {name: value for name, value in asdict(answer).items() if name in ("answer", "letter", "evidence", "why", "grounded", "seconds")}
