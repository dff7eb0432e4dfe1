"""The model as classes of transformers: one folder with all its parts, loaded by `AutoModel` and `AutoProcessor` after `import twnm.model.auto`.

    model = TwnmModel.from_pretrained(folder)
    processor = TwnmProcessor.from_pretrained(folder)
    inputs = processor(text=["Where is the dog?"], audio=[foa], options=[("left", "right")])
    said = model.generate(**inputs, tokenizer=processor.tokenizer)
    processor.batch_decode(said)  # <evidence>...</evidence><why>...</why><answer>...</answer>

`twnm models save FOLDER` writes such a folder from the shipped model or one of your own. No code is loaded
from a folder or a hub. The folder holds the language model with the trained updates in its weights, YAMNet, the spatial encoder and the projector;
`twnm.load` needs the first two from the cache instead and is otherwise the same model.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoProcessor, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.feature_extraction_utils import BatchFeature
from transformers.modeling_outputs import CausalLMOutput
from transformers.processing_utils import ProcessorMixin

from twnm.audio import SAMPLE_RATE_HZ
from twnm.errors import InputError
from twnm.files import atomic_write
from twnm.model.hear import HeardObject, hear_clips, read_objects
from twnm.model.hearing import choose_window
from twnm.model.language import LanguageModel
from twnm.model.loading import load_strictly
from twnm.model.projector import Kind, Projector, summarise_slots
from twnm.model.recording import usable
from twnm.model.semantic import YamNetSemantic
from twnm.model.slots import SlotEncoder
from twnm.model.spatial_encoder import EncoderConfig
from twnm.model.twnm import Asked, Twnm
from twnm.model.yamnet import YamNet
from twnm.questions.answer import check_question

WEIGHTS_NAME = "model.safetensors"
_OPTIONS = re.compile(r"(.*) \(([^()]*; [^()]*)\)", re.DOTALL)


class TwnmConfig(PreTrainedConfig):
    """What is needed beside the tensors.

    Args:
        encoder: fields of `EncoderConfig`.
        text_config: the configuration of the language model, with its model_type.
        sound_names: the names of YAMNet's classes.
        projector: its kind (`twnm.model.projector.Kind`).
    """

    model_type = "twnm"

    def __init__(
        self,
        encoder: dict[str, Any] | None = None,
        text_config: dict[str, Any] | None = None,
        sound_names: Sequence[str] = (),
        projector: Kind = "hybrid",
        **others: Any,
    ) -> None:
        self.encoder = dict(encoder or {})
        self.text_config = dict(text_config or {})
        self.sound_names = list(sound_names)
        self.projector = projector
        super().__init__(**others)

    @property
    def language(self) -> PreTrainedConfig:
        """The configuration of the language model."""
        fields = dict(self.text_config)
        return AutoConfig.for_model(fields.pop("model_type"), **fields)


class TwnmModel(PreTrainedModel):
    """Spatial encoder, YAMNet, projector and language model.

    `forward` gives logits behind a recording, to train on; `generate` hears, reasons and answers.
    """

    config_class = TwnmConfig
    main_input_name = "audio"

    def __init__(self, config: TwnmConfig) -> None:
        super().__init__(config)
        encoder = EncoderConfig.from_dict(config.encoder)
        self.encoder = SlotEncoder(encoder)
        self.yamnet = YamNet(tuple(config.sound_names))
        self.language = AutoModelForCausalLM.from_config(config.language)
        width = self.language.get_input_embeddings().get_parameter("weight").shape[1]
        self.projector = Projector(encoder, torch.zeros(len(encoder.classes), width), kind=config.projector)

    @classmethod
    def of(cls, model: Twnm) -> "TwnmModel":
        """The classes of a loaded model, whose tensors they share. Raises InputError if another encoder than YAMNet hears what sounds."""
        if not isinstance(model.semantic, YamNetSemantic) or model.tower is not None:
            raise InputError("only a model that hears by YAMNet alone can be saved for transformers; one with an audio tower is loaded by twnm.load")
        text = model.language.model.config.to_dict()
        made = cls(TwnmConfig(model.encoder.config.to_dict(), text, model.semantic.network.class_names, model.projector.kind))
        made.encoder, made.yamnet, made.language, made.projector = model.encoder, model.semantic.network, model.language.model, model.projector
        return made.eval()  # type: ignore[no-untyped-call]

    def twnm(self, tokenizer: PreTrainedTokenizerBase) -> Twnm:
        """The same model as `twnm.load` gives it."""
        return Twnm(self.encoder, YamNetSemantic(self.yamnet), self.projector, LanguageModel(self.language, tokenizer))

    def save_pretrained(self, save_directory: Any, **_: Any) -> None:  # type: ignore[override]
        """Write config.json and model.safetensors; tensors that two layers share once."""
        folder = Path(save_directory)
        folder.mkdir(parents=True, exist_ok=True)
        self.config.architectures = [type(self).__name__]
        self.config.save_pretrained(folder)
        with atomic_write(folder / WEIGHTS_NAME) as path:
            save_file(self._own_tensors(), path, metadata={"format": "pt"})

    def _own_tensors(self) -> dict[str, Tensor]:
        tied = {f"language.{name}" for name in self.language.all_tied_weights_keys}
        return {name: value.detach().contiguous() for name, value in self.state_dict().items() if name not in tied}

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *_: Any, dtype: torch.dtype | None = None, **others: Any) -> "TwnmModel":
        """The model of a folder that `save_pretrained` wrote, or of a hub name ("org/name"), in evaluation mode.

        Args:
            dtype: of the language model; as saved if absent.

        Raises:
            InputError: a file is absent, or a tensor is missing, extra or misshaped.
        """
        folder = _folder_of(str(pretrained_model_name_or_path))
        try:
            config = TwnmConfig.from_pretrained(folder)
            tensors = load_file(folder / WEIGHTS_NAME)
        except OSError as error:
            raise InputError(f"{folder} holds no model for transformers ({str(error).splitlines()[0]}); `twnm models save` writes one") from None
        model = cls(config)
        model.language.to(dtype or tensors[next(name for name in tensors if name.startswith("language."))].dtype)
        own = model.state_dict()
        tied = {f"language.{copy}": f"language.{source}" for copy, source in model.language.all_tied_weights_keys.items()}
        load_strictly(model, tensors | {copy: tensors[source] for copy, source in tied.items() if source in tensors and copy in own}, folder / WEIGHTS_NAME)
        return model.eval()  # type: ignore[no-untyped-call]

    def hear(self, audio: Float[Tensor, "batch 4 samples"]) -> list[list[HeardObject]]:
        """The objects of clips of up to 5 s, AmbiX at 24 kHz, by onset."""
        output, _ = hear_clips(self.encoder, YamNetSemantic(self.yamnet), audio, Twnm.poses)
        duration_s = audio.shape[-1] / SAMPLE_RATE_HZ
        return [read_objects(output, row, self.encoder.config.classes, duration_s=duration_s) for row in range(len(audio))]

    def forward(
        self,
        audio: Float[Tensor, "batch 4 samples"],
        input_ids: Int[Tensor, "batch time"],
        attention_mask: Int[Tensor, "batch time"] | None = None,
        labels: Int[Tensor, "batch time"] | None = None,
        **_: Any,
    ) -> Any:
        """A CausalLMOutput: logits of the text behind the recordings' tokens, and the loss if there are labels (-100: none).

        The encoders are frozen. The text is what the language model shall read behind a recording: evidence, questions, answers.
        """
        output, semantic = hear_clips(self.encoder, YamNetSemantic(self.yamnet), audio, Twnm.poses)
        heard = summarise_slots(output, semantic)
        table = self.language.get_input_embeddings()
        tokens = [self.projector(heard, row).to(table.weight.dtype) for row in range(len(audio))]
        longest = max(len(one) for one in tokens)
        before = torch.stack([nn.functional.pad(one, (0, 0, longest - len(one), 0)) for one in tokens])
        seen = torch.stack([(torch.arange(longest) >= longest - len(one)).long() for one in tokens]).to(input_ids.device)
        mask = torch.cat([seen, torch.ones_like(input_ids) if attention_mask is None else attention_mask], 1)
        states = self.language(inputs_embeds=torch.cat([before, table(input_ids)], 1), attention_mask=mask, position_ids=(mask.cumsum(1) - 1).clamp(min=0))
        logits = states.logits[:, longest:]
        loss = None if labels is None else nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten(), ignore_index=-100)
        return CausalLMOutput(loss=loss, logits=logits)

    @torch.no_grad()
    def generate(
        self, audio: Float[Tensor, "batch 4 samples"], input_ids: Int[Tensor, "batch time"], *, tokenizer: PreTrainedTokenizerBase, **_: Any
    ) -> Int[Tensor, "batch said"]:
        """Token ids of evidence, reasoning and answer to the question of each row, padded on the right; decoding is greedy.

        Args:
            audio: 5 s of each recording.
            input_ids: of the questions, as the processor gives them.
            tokenizer: that of the processor.
        """
        whole = self.twnm(tokenizer)
        questions = [split_options(text) for text in tokenizer.batch_decode(input_ids, skip_special_tokens=True)]
        asked = [Asked(whole.listen(one.cpu()), *parts) for one, parts in zip(audio, questions, strict=True)]
        said = [torch.tensor(tokenizer(answer.text, add_special_tokens=False).input_ids) for answer in whole.answers(asked)]
        return nn.utils.rnn.pad_sequence(said, batch_first=True, padding_value=_padding_of(tokenizer))


class TwnmProcessor(ProcessorMixin):
    """Recordings and questions to what `TwnmModel` takes."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, **others: Any) -> None:
        super().__init__(tokenizer, **others)  # type: ignore[no-untyped-call]

    def __call__(
        self,
        text: Sequence[str],
        audio: Sequence[Float32[np.ndarray, "4 _"]],
        options: Sequence[Sequence[str]] | None = None,
        sampling_rate: int = SAMPLE_RATE_HZ,
        **_: Any,
    ) -> Any:
        """A BatchFeature: audio (batch, 4, 120000), the loudest 5 s of each recording; input_ids and attention_mask of the questions, padded on the left.

        Raises InputError for another sampling rate (`twnm.audio.read_foa` reads any), a question without text, or options that are not 2 to 8 different texts.
        """
        if sampling_rate != SAMPLE_RATE_HZ:
            raise InputError(f"recordings are taken at {SAMPLE_RATE_HZ} Hz, not {sampling_rate}; `twnm.audio.read_foa` brings a file to that rate")
        choices = [tuple(some) for some in options] if options is not None else [()] * len(text)
        if not len(text) == len(audio) == len(choices) > 0:
            raise InputError(f"{len(text)} questions, {len(audio)} recordings and options of {len(choices)}; give one of each for every row")
        for question, some in zip(text, choices, strict=True):
            check_question(question, some)
        windows = [choose_window(usable(one))[1] for one in audio]
        asked = [f"{question.strip()} ({'; '.join(some)})" if some else question.strip() for question, some in zip(text, choices, strict=True)]
        ids = [self.tokenizer(one, add_special_tokens=False).input_ids for one in asked]
        longest = max(len(one) for one in ids)
        padding = _padding_of(self.tokenizer)
        rows = {
            "input_ids": [[padding] * (longest - len(one)) + one for one in ids],
            "attention_mask": [[0] * (longest - len(one)) + [1] * len(one) for one in ids],
        }
        return BatchFeature({"audio": np.stack(windows)} | rows, tensor_type="pt")


def split_options(asked: str) -> tuple[str, tuple[str, ...]]:
    """A question and its options out of "question (one; two)"."""
    match = _OPTIONS.fullmatch(asked)
    return (match[1], tuple(match[2].split("; "))) if match else (asked, ())


def save_for_transformers(model: Twnm, folder: Path) -> None:
    """Write a loaded model and its tokenizer so that `AutoModel` and `AutoProcessor` find all of it in one folder. Raises InputError as `TwnmModel.of`."""
    TwnmModel.of(model).save_pretrained(folder)
    TwnmProcessor(model.language.tokenizer).save_pretrained(folder)


def _folder_of(name: str) -> Path:
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=["*.json", "*.safetensors", "*.txt", "*.jinja"]))
    except (OSError, ValueError) as error:
        raise InputError(f"no model {name!r}: neither a folder nor to be had from the hub ({str(error).splitlines()[0]})") from None


def _padding_of(tokenizer: PreTrainedTokenizerBase) -> int:
    known = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    return int(cast(int, known))


AutoConfig.register("twnm", TwnmConfig, exist_ok=True)
AutoModel.register(TwnmConfig, TwnmModel, exist_ok=True)
AutoProcessor.register(TwnmConfig, TwnmProcessor, exist_ok=True)
