"""What the recipes 7b and 7b-omni need: parameters, memory of a GPU, operations and hours, as a table in Markdown; no weights are read.

    python benchmarks/sizing.py [--gpus 8] [--tokens 315] [--longest 510] [--targets 175] [--sounds 2.8] [--utilisation 0.35]

Parameters are counted in the real classes of transformers with the published sizes, LoRA and projector included, on the device "meta". What the backward
pass keeps is measured: two layers against one of the real width, as they are trained, read a few tokens on the processor, and the bytes that autograd
saves are counted. Operations follow from the parameters. The rest is assumed, and the table says which is which. A gigabyte is 10^9 bytes.
"""

import argparse
import json
import math
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from torch import nn

from twnm.model.language import add_lora, lora_weights
from twnm.model.loading import SHIPPED
from twnm.model.projector import Projector
from twnm.model.spatial_encoder import EncoderConfig
from twnm.train.instruct import INSTRUCT_RECIPES, InstructRecipe

PEAK_FLOPS = 989e12  # H100 SXM, bfloat16 without sparsity: NVIDIA's data sheet
GATHER_BYTES_PER_S = 200e9  # what NVLink gives an all-gather, assumed
TRAINED_BYTES = 4 + 4 + 8 + 4  # float32: weight, gradient, two moments of AdamW, the copy in which gradients are added up
LOGIT_BYTES = 2 + 4 + 4 + 4 + 2  # bfloat16 logits, float32 ones, their log-softmax, and the gradients of both
_SHORT, _FEW_WORDS = 48, 64
_CLIP_S, _WHISPER_S = 5.0, 30.0


@dataclass(frozen=True)
class Given:
    """What a lesson is, and the machine: assumed or measured elsewhere. Lessons that go through at once are padded to the `longest`."""

    gpus: int
    tokens: float
    longest: float
    targets: float
    sounds: float
    utilisation: float


@dataclass(frozen=True)
class Sizes:
    """Counts of one recipe.

    Attributes:
        layers, embeddings, tower: frozen parameters of the decoder's layers, of the two vocabulary tables, of the audio tower.
        lora, projector: trained parameters.
        depth, width, vocabulary: of the decoder.
        tower_depth, tower_width, tower_positions: of the tower, positions for each sound.
        kept_bytes: what the backward pass keeps, for each token and layer.
    """

    layers: int
    embeddings: int
    tower: int
    lora: int
    projector: int
    depth: int
    width: int
    vocabulary: int
    tower_depth: int
    tower_width: int
    tower_positions: int
    kept_bytes: float


def qwen2_audio(**text: int) -> Any:
    """Sizes of config.json of Qwen/Qwen2-Audio-7B-Instruct; what it leaves out are the defaults of transformers (4096 wide, 32 layers, 32 heads)."""
    return transformers.Qwen2AudioConfig(text_config={"model_type": "qwen2", "intermediate_size": 11008, "vocab_size": 156032} | text)


def qwen_omni(**text: int) -> Any:
    """Sizes of thinker_config in config.json of Qwen/Qwen2.5-Omni-7B, which are the defaults of transformers; its two vocabulary tables are not tied."""
    return transformers.Qwen2_5OmniThinkerConfig(
        text_config={"model_type": "qwen2_5_omni_text", "tie_word_embeddings": False} | text, tie_word_embeddings=False
    )


MODELS: dict[str, tuple[Any, Any, Any]] = {
    "7b": (qwen2_audio, transformers.Qwen2AudioForConditionalGeneration, transformers.Qwen2Model),
    "7b-omni": (qwen_omni, transformers.Qwen2_5OmniThinkerForConditionalGeneration, transformers.Qwen2_5OmniThinkerTextModel),
}


def count(module: nn.Module) -> int:
    """Parameters of a module."""
    return sum(one.numel() for one in module.parameters())


def sizes_of(recipe: InstructRecipe) -> Sizes:
    """Build a recipe's model on the device "meta" and count."""
    make, kind, _ = MODELS[recipe.name]
    config = make()
    audio, text = config.audio_config, config.get_text_config()
    tower_size = getattr(audio, "output_dim", audio.d_model)
    encoder = EncoderConfig.from_dict(json.loads((SHIPPED / "encoder.json").read_text()))
    with torch.device("meta"):
        model = kind(config)
        layers = count(model.get_decoder().layers)
        add_lora(model, recipe.lora)
        projector = Projector(encoder, torch.empty(len(encoder.classes), text.hidden_size), tower_size)
    fixed = recipe.name == "7b"  # its tower always reads a window of 30 s
    return Sizes(
        layers=layers,
        embeddings=count(model.get_input_embeddings()) + count(model.get_output_embeddings()),
        tower=count(model.base_model.audio_tower),
        lora=sum(one.numel() for one in lora_weights(model).values()),
        projector=count(projector),
        depth=text.num_hidden_layers,
        width=text.hidden_size,
        vocabulary=text.vocab_size,
        tower_depth=audio.encoder_layers,
        tower_width=audio.d_model,
        tower_positions=round((_WHISPER_S if fixed else _CLIP_S) * 50),
        kept_bytes=(kept(recipe, 2, 2 * _SHORT) - kept(recipe, 1, 2 * _SHORT) - kept(recipe, 2, _SHORT) + kept(recipe, 1, _SHORT)) / _SHORT,
    )


def kept(recipe: InstructRecipe, depth: int, tokens: int) -> int:
    """Bytes that autograd keeps in a decoder of a few layers of the real width, its weights left out."""
    make, _, kind = MODELS[recipe.name]
    text = make(num_hidden_layers=depth, vocab_size=_FEW_WORDS).get_text_config()
    decoder: Any = kind._from_config(text, dtype=torch.bfloat16).requires_grad_(False)
    add_lora(decoder, recipe.lora)
    weights = {one.untyped_storage().data_ptr() for one in decoder.parameters()}
    found: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    embeddings = torch.randn(1, tokens, text.hidden_size, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        states = decoder(
            inputs_embeds=embeddings, attention_mask=torch.zeros(1, 1, tokens, tokens), position_ids=torch.arange(tokens)[None], use_cache=False
        ).last_hidden_state
    total = sum(found.values())
    del states  # until here everything that was found is kept
    return total


def memory_gb(sizes: Sizes, recipe: InstructRecipe, given: Given) -> dict[str, float]:
    """What lies on one GPU, by what it is."""
    at_once = recipe.together * given.longest
    every_layer = at_once * sizes.depth * sizes.kept_bytes
    inputs = at_once * sizes.depth * sizes.width * 4
    parts = {
        "decoder layers, bfloat16, its part": 2 * sizes.layers / given.gpus,
        "two layers put together": 2 * 2 * sizes.layers / sizes.depth,
        "vocabulary tables and audio tower, bfloat16, whole": 2 * (sizes.embeddings + sizes.tower),
        "LoRA and projector, float32, with gradients and AdamW": TRAINED_BYTES * (sizes.lora + sizes.projector),
        "logits at the targets, with gradients": recipe.together * given.targets * sizes.vocabulary * LOGIT_BYTES,
        "activations, all kept": every_layer,
        "activations with checkpointing": inputs + every_layer / sizes.depth,
    }
    return {name: size / 1e9 for name, size in parts.items()}


def lesson_flops(sizes: Sizes, given: Given) -> dict[str, float]:
    """Operations of one lesson, padding included, by what they are for."""
    attention = 4 * given.longest * sizes.width * sizes.depth  # scores and weighted sum, for each token over all others
    forward = 2 * sizes.layers + attention
    head = 2 * sizes.vocabulary * sizes.width * given.targets
    tower = sizes.tower_positions * (2 * sizes.tower + 4 * sizes.tower_positions * sizes.tower_width * sizes.tower_depth)
    return {
        "forward": given.longest * forward + head,
        "backward through what is frozen": given.longest * (2 * sizes.layers + 2 * attention) + head,
        "LoRA, forward and backward": given.longest * 6 * sizes.lora,
        "audio tower": given.sounds * tower,
    }


def row(sizes: Sizes, recipe: InstructRecipe, given: Given) -> dict[str, str]:
    """One recipe's column of the table."""
    memory, flops = memory_gb(sizes, recipe, given), lesson_flops(sizes, given)
    *resting, plain, checkpointed = memory.values()
    lesson = sum(flops.values())
    speed = PEAK_FLOPS * given.utilisation
    own = recipe.lessons // given.gpus
    passes = math.ceil(own / recipe.together)
    gathering_s = passes * 2 * 2 * sizes.layers * (1 - 1 / given.gpus) / GATHER_BYTES_PER_S
    step_s = max(own * lesson / speed, gathering_s)
    hours = recipe.steps * step_s / 3600
    counts = {
        "frozen parameters: decoder layers": sizes.layers,
        "frozen parameters: vocabulary tables": sizes.embeddings,
        "frozen parameters: audio tower": sizes.tower,
        f"trained parameters: LoRA of rank {recipe.lora.rank}": sizes.lora,
        "trained parameters: projector": sizes.projector,
    }
    return {
        **{name: f"{number / 1e6:,.1f} M" for name, number in counts.items()},
        **{f"GPU memory: {name}": f"{size:.1f} GB" for name, size in memory.items()},
        "**GPU memory, without and with checkpointing**": f"**{sum(resting) + plain:.0f} and {sum(resting) + checkpointed:.0f} GB**",
        "GPU memory before the layers are dealt out": f"{2 * (sizes.layers + sizes.embeddings + sizes.tower) / 1e9:.0f} GB",
        "operations for a token: forward": f"{flops['forward'] / given.longest / 1e9:.1f} GFLOP",
        "operations for a token: backward through what is frozen": f"{flops['backward through what is frozen'] / given.longest / 1e9:.1f} GFLOP",
        "operations for a token: LoRA, forward and backward": f"{flops['LoRA, forward and backward'] / given.longest / 1e9:.2f} GFLOP",
        "operations for a lesson: audio tower": f"{flops['audio tower'] / 1e12:.1f} TFLOP",
        "operations for a lesson: all": f"{lesson / 1e12:.1f} TFLOP ({(lesson + flops['forward']) / 1e12:.1f} with checkpointing)",
        "a step: computing": f"{own * lesson / speed:.2f} s",
        "a step: putting layers together (beside the computing)": f"{gathering_s:.2f} s",
        "tokens/s of all GPUs, padding left out": f"{recipe.lessons * given.tokens / step_s:,.0f}",
        "lessons/s that the processors must make": f"{recipe.lessons / step_s:.0f}",
        f"**hours for {recipe.steps:,} steps of {recipe.lessons} lessons**": f"**{hours:.1f} h ({hours * given.gpus:.0f} GPU hours)**",
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpus", type=int, default=8)
    parser.add_argument("--tokens", type=float, default=315.0, help="of a lesson, audio and text")
    parser.add_argument("--longest", type=float, default=510.0, help="tokens of the longest of the lessons that go through at once")
    parser.add_argument("--targets", type=float, default=175.0, help="of a lesson")
    parser.add_argument("--sounds", type=float, default=2.8, help="that the tower hears of a lesson: W and the beams")
    parser.add_argument("--utilisation", type=float, default=0.35, help="of the peak of an H100")
    given = Given(**vars(parser.parse_args()))
    columns = [row(sizes_of(INSTRUCT_RECIPES[name]), INSTRUCT_RECIPES[name], given) for name in MODELS]
    print("| | " + " | ".join(f"`{name}`" for name in MODELS) + " |\n|---|" + "---|" * len(columns))
    for name in columns[0]:
        print(f"| {name} | " + " | ".join(column[name] for column in columns) + " |")


if __name__ == "__main__":
    main()
