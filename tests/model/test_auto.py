"""Tests of twnm.model.auto: a folder gives back the same model, batches answer as one by one, and what does not fit is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_model import CLASSES, byte_tokenizer, noise, tiny_language
from transformers import AutoModel, AutoProcessor

from twnm.errors import InputError
from twnm.model.auto import TwnmModel, TwnmProcessor, save_for_transformers, split_options
from twnm.model.loading import class_anchors
from twnm.model.projector import Projector
from twnm.model.semantic import YamNetSemantic
from twnm.model.slots import SlotEncoder
from twnm.model.spatial_encoder import EncoderConfig
from twnm.model.twnm import Twnm
from twnm.model.yamnet import CLASS_COUNT, YamNet
from twnm.questions.answer import parse_output

QUESTIONS = ["Where is the dog?", "How many sounds?"]
OPTIONS = [("front", "left", "right"), ("1", "2")]


@pytest.fixture(scope="module")
def whole() -> Twnm:
    torch.manual_seed(4)
    config = EncoderConfig(CLASSES, width=32, layers=1, stem=(8, 8, 8, 8))
    encoder, language = SlotEncoder(config), tiny_language(tied=True)
    with torch.no_grad():
        encoder.existence.bias.fill_(2.0)
    yamnet = YamNet(tuple(f"sound {number}" for number in range(CLASS_COUNT))).eval()
    return Twnm(encoder.eval(), YamNetSemantic(yamnet), Projector(config, class_anchors(language, CLASSES)).eval(), language)


@pytest.fixture(scope="module")
def folder(whole: Twnm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("saved")
    save_for_transformers(whole, place)
    return place


def recordings() -> list[np.ndarray]:
    return [noise(5.0, seed=7), noise(7.0, seed=3)]


def test_the_auto_classes_find_all_of_it(whole: Twnm, folder: Path) -> None:
    model, processor = AutoModel.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
    assert isinstance(model, TwnmModel) and isinstance(processor, TwnmProcessor)
    audio = torch.from_numpy(recordings()[0])[None]
    assert model.hear(audio)[0] == whole.hear_window(audio[0])[1]
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in TwnmModel.of(whole).state_dict().items())


def test_a_batch_is_answered_as_each_alone(whole: Twnm, folder: Path) -> None:
    model, processor = TwnmModel.from_pretrained(folder), TwnmProcessor.from_pretrained(folder)
    inputs = processor(text=QUESTIONS, audio=recordings(), options=OPTIONS)
    assert inputs["audio"].shape == (2, 4, 120_000)
    said = processor.batch_decode(model.generate(**inputs, tokenizer=processor.tokenizer), skip_special_tokens=True)
    for text, foa, question, options in zip(said, recordings(), QUESTIONS, OPTIONS, strict=True):
        alone = whole.ask(foa, question, options)
        parsed = parse_output(text)
        assert (parsed.answer, parsed.evidence) == (alone.answer, alone.evidence)
        assert text == alone.text


def test_labels_give_a_loss_that_trains_the_projector(folder: Path) -> None:
    model, processor = TwnmModel.from_pretrained(folder), TwnmProcessor.from_pretrained(folder)
    inputs = processor(text=QUESTIONS, audio=recordings())
    labels = inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, -100)
    output = model(**inputs, labels=labels)
    assert output.logits.shape[:2] == labels.shape
    output.loss.backward()
    assert max(float(weight.grad.abs().max()) for weight in model.projector.parameters() if weight.grad is not None) > 0
    shifted = torch.nn.functional.cross_entropy(output.logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
    assert output.loss.item() == pytest.approx(shifted.item(), rel=1e-5)


def test_padding_on_the_left_changes_no_logits(folder: Path) -> None:
    model, processor = TwnmModel.from_pretrained(folder), TwnmProcessor.from_pretrained(folder)
    both = processor(text=["Where?", "A much longer question?"], audio=recordings())
    alone = processor(text=["Where?"], audio=recordings()[:1])
    with torch.no_grad():
        padded, plain = model(**both).logits[0], model(**alone).logits[0]
    torch.testing.assert_close(padded[-len(plain) :], plain, atol=1e-4, rtol=1e-4)


def test_half_precision_is_asked_for(folder: Path) -> None:
    model = TwnmModel.from_pretrained(folder, dtype=torch.bfloat16)
    assert next(model.language.parameters()).dtype == torch.bfloat16
    assert next(model.projector.parameters()).dtype == torch.float32


@pytest.mark.parametrize("change", ["missing", "extra", "misshaped"])
def test_tensors_that_do_not_fit_are_refused(folder: Path, tmp_path: Path, change: str) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    tensors = load_file(tmp_path / "model.safetensors")
    name = next(name for name in tensors if name.startswith("projector."))
    if change == "missing":
        del tensors[name]
    elif change == "extra":
        tensors["projector.more"] = torch.zeros(1)
    else:
        tensors[name] = torch.zeros(3)
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="missing, extra or misshaped"):
        TwnmModel.from_pretrained(tmp_path)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="twnm models save"):
        TwnmModel.from_pretrained(tmp_path)


def test_what_a_processor_cannot_take() -> None:
    processor = TwnmProcessor(byte_tokenizer())
    with pytest.raises(InputError, match="24000 Hz"):
        processor(text=["a"], audio=[noise()], sampling_rate=16_000)
    with pytest.raises(InputError, match="one of each"):
        processor(text=["a", "b"], audio=[noise()])
    with pytest.raises(InputError):
        processor(text=["  "], audio=[noise()])
    with pytest.raises(InputError):
        processor(text=["where?"], audio=[noise()], options=[("left", "left")])


def test_options_are_told_from_the_question() -> None:
    assert split_options("Where (roughly) is it? (left; right)") == ("Where (roughly) is it?", ("left", "right"))
    assert split_options("Where is it (roughly)") == ("Where is it (roughly)", ())
