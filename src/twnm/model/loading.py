"""Models on disk: what a folder of weights holds (twnm.json, encoder, projector, LoRA), and the model made of it."""

import functools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn

from twnm.errors import InputError
from twnm.model.audio_tower import AudioTower, load_tower
from twnm.model.hearing import Hearing
from twnm.model.language import LanguageModel, LoraSettings, half_is_faster, load_language_model, load_lora_weights, merge_lora
from twnm.model.projector import Kind, Projector
from twnm.model.semantic import default_semantic
from twnm.model.slots import SlotEncoder
from twnm.model.spatial_encoder import EncoderConfig
from twnm.model.spoken import tell_scene
from twnm.model.twnm import Answer, Twnm
from twnm.questions.answer import check_question
from twnm.sounds.classes import spoken

Semantic = Literal["yamnet", "own"]
"""Whose semantic vectors the projector reads: YAMNet's, or those of the language model's own audio tower."""
SHIPPED = Path(__file__).parent.parent / "weights"


@dataclass(frozen=True)
class ModelConfig:
    """What is needed beside the tensors to build the model again."""

    encoder: EncoderConfig
    language: str = "smollm2-135m-instruct"
    lora: LoraSettings = field(default_factory=LoraSettings)
    semantic: Semantic = "yamnet"
    projector: Kind = "hybrid"

    def to_json(self) -> str:
        """As JSON text."""
        others = {"language": self.language, "lora": self.lora.model_dump(), "semantic": self.semantic, "projector": self.projector}
        return json.dumps({"encoder": self.encoder.to_dict(), **others}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "ModelConfig":
        """The inverse of `to_json`."""
        data = json.loads(text)
        encoder, lora = EncoderConfig.from_dict(data["encoder"]), LoraSettings(**data["lora"])
        return cls(encoder, data["language"], lora, data.get("semantic", "yamnet"), data.get("projector", "hybrid"))


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
    return tower, Projector(config.encoder, class_anchors(language, config.encoder.classes), 0 if tower is None else tower.size, config.projector)


def folder_of(name_or_folder: str | Path) -> Path:
    """Where the weights of the shipped model ("small") or of one trained into a folder lie."""
    return SHIPPED if str(name_or_folder) == "small" else Path(name_or_folder)


def load_hearing(name_or_folder: str | Path = "small") -> Hearing:
    """The ears of the shipped model ("small") or of one trained into a folder; the language model is not loaded. Raises InputError as `load` does."""
    return Hearing(load_encoder(folder_of(name_or_folder)), default_semantic())


def load_trained(projector: Projector, language: nn.Module, folder: Path, map_anew: bool = False) -> None:
    """Set a projector and the LoRA of a language model to those of a trained model; with `map_anew` the projector's dense map stays as it is.

    Raises InputError when they are absent or do not fit.
    """
    try:
        projector_tensors, lora_tensors = load_file(folder / "projector.safetensors"), load_file(folder / "lora.safetensors")
    except FileNotFoundError as error:
        raise _no_model(folder, Path(error.filename or "projector.safetensors").name) from None
    if map_anew:
        projector_tensors = {name: value for name, value in projector_tensors.items() if not name.startswith("dense.")}
        projector_tensors |= {f"dense.{name}": value for name, value in projector.dense.state_dict().items()}
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


def load(name_or_folder: str | Path = "small", half: bool | None = None) -> Twnm:
    """The shipped model ("small") or one trained into a folder, with its language model and semantic encoder from the cache or a hub.

    Args:
        half: whether the language model is in bfloat16; None for where the processor multiplies faster so (`half_is_faster`).

    Raises:
        InputError: a part is absent or does not fit, with how to get it.
    """
    folder = folder_of(name_or_folder)
    config = read_config(folder)
    language = load_language_model(config.language, lora=config.lora)
    tower, projector = build_bridge(config, language)
    load_trained(projector, language.model, folder)
    merge_lora(language.model)
    if half_is_faster() if half is None else half:
        language.model.to(torch.bfloat16)  # type: ignore[arg-type]
    return Twnm(load_encoder(folder), default_semantic(), projector.eval().requires_grad_(False), language, tower)


@functools.cache
def _shipped() -> Twnm:
    return load("small")


def describe(path: str | Path, layout: str = "ambix") -> str:
    """What the shipped model hears in an Ambisonics file of any length, in sentences. Raises InputError for a file that cannot be used."""
    from twnm.audio import stream_foa

    return tell_scene(load_hearing().scene_of(stream_foa(path, layout=layout)))


def ask(path: str | Path, question: str, options: tuple[str, ...] = (), layout: str = "ambix", evidence: bool = True) -> Answer:
    """Ask the shipped model about an Ambisonics file; without `evidence` it answers at once, in less time.

    Raises InputError for a file or question that cannot be used.
    """
    from twnm.audio import read_foa

    check_question(question, options)
    return _shipped().ask(read_foa(path, layout=layout), question, options, evidence=evidence)
