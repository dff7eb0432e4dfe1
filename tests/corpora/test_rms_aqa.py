import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from simulated import event, heard, noise, scene_of, write_json, write_wav

from twnm.corpora.rms_aqa import TwoStage, read_rms_aqa, two_stage_accuracy
from twnm.errors import InputError
from twnm.sounds.catalogue import Catalogue


def record(name: str, kind: int = 2) -> dict[str, Any]:
    """A record as the organisers describe it."""
    return {
        "segment_id": f"{name}.json",
        "qa_pairs": [
            {
                "stage": 1,
                "question": "What types of sound events can be heard in this audio?",
                "answer": "B",
                "options": {"A": "The recording includes a bell.", "B": "The audible sound types are door.", "C": "Footsteps.", "D": "Nothing."},
            },
            {
                "stage": 2,
                "question": "Where is the door?",
                "answer": "A",
                "options": {"A": "left", "B": "right", "C": "front", "D": "rear"},
                "category_id": kind,
                "category_name": "Source Localization",
            },
        ],
    }


def publish(folder: Path, bank: Catalogue, count: int = 2, split: str = "dev") -> Path:
    audio = heard(scene_of(event("door", 90.0)), bank)
    for number in range(count):
        name = f"{split}-{number:06d}"
        write_json(folder / f"{split}_QA" / f"{name}.json", {"records": [record(name, 1 + number)]})
        write_wav(folder / f"{split}_audio" / "part-0" / f"{name}.wav", audio)
    write_json(folder / f"{split}_QA" / "metadata.json", {"files": count})
    return folder


def test_both_stages_are_read_and_belong_to_one_recording(tmp_path: Path, bank: Catalogue) -> None:
    corpus = read_rms_aqa(publish(tmp_path, bank, 6))
    assert len(corpus.clips) == 6 and len(corpus.items) == 12
    one, two = corpus.clips[0].items
    assert (one.sample_id, two.sample_id, one.scene_id, two.scene_id) == ("dev-000000-stage1", "dev-000000-stage2", "dev-000000", "dev-000000")
    first, second = corpus.items[:2]
    assert (first.answer_letter, first.answer_text, first.task, first.family) == ("B", "The audible sound types are door.", "rms_aqa_stage_1", "semantic")
    assert (second.answer_letter, second.answer_text, second.options) == ("A", "left", ("left", "right", "front", "rear"))
    kinds = [(item.level, item.task.removeprefix("rms_aqa_"), item.family) for item in corpus.items[1::2]]
    assert kinds == [
        ("L1", "sound_counting", "semantic"),
        ("L1", "source_localization", "spatial"),
        ("L1", "temporal_detection", "temporal"),
        ("L2", "spatial_relations", "spatial"),
        ("L2", "temporal_relations", "temporal"),
        ("L3", "action_prediction", "mixed"),
    ]
    np.testing.assert_allclose(corpus.clips[0].read(), heard(scene_of(event("door", 90.0)), bank), atol=1 / 32768)


def test_splits_a_file_of_many_records_and_audio_paths_are_read(tmp_path: Path, bank: Catalogue) -> None:
    publish(tmp_path, bank, 1, "train")
    write_json(
        tmp_path / "dev_QA" / "all.json", {"records": [record("x") | {"audio_path": "elsewhere/x.wav"}, record("y") | {"audio_path": "elsewhere/y.wav"}]}
    )
    for name in "xy":
        write_wav(tmp_path / "elsewhere" / f"{name}.wav", noise(4))
    assert [clip.name for clip in read_rms_aqa(tmp_path).clips] == ["x", "y", "train-000000"]
    assert [clip.name for clip in read_rms_aqa(tmp_path, "train").clips] == ["train-000000"]


def test_a_record_is_grounded_only_if_both_stages_are_right(tmp_path: Path, bank: Catalogue) -> None:
    items = read_rms_aqa(publish(tmp_path, bank, 4)).items
    right = {
        f"dev-00000{number}-stage{stage}": hit
        for number, hits in enumerate([(1, 1), (1, 0), (0, 1)])
        for stage, hit in zip((1, 2), map(bool, hits), strict=True)
    }
    found = two_stage_accuracy(items, right)
    assert found["all"] == TwoStage(4, 0.5, 0.5, 0.25)
    assert found["rms_aqa_sound_counting"] == TwoStage(1, 1.0, 1.0, 1.0)
    assert found["rms_aqa_spatial_relations"] == TwoStage(1, 0.0, 0.0, 0.0)
    with pytest.raises(InputError, match=r"the record dev-000000 has only stage_1; give the items of whole records"):
        two_stage_accuracy(items[:1], right)


def test_a_hidden_test_set_gives_items_without_answers(tmp_path: Path, bank: Catalogue) -> None:
    publish(tmp_path, bank, 1)
    hidden = record("dev-000000")
    for pair in hidden["qa_pairs"]:
        del pair["answer"]
    write_json(tmp_path / "dev_QA" / "dev-000000.json", {"records": [hidden]})
    corpus = read_rms_aqa(tmp_path)
    assert corpus.items == () and [item.sample_id for item in corpus.unanswered] == ["dev-000000-stage1", "dev-000000-stage2"]


def second(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["qa_pairs"][1].update(fields)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (second(category_id=7), r"dev-000000 stage 2: category_id 7 is unknown; allowed: 1 to 6"),
        (second(answer="E"), r"stage 2: the answer 'E' is none of its 4 options"),
        (second(options=["left", "right"]), r"stage 2: `options` needs a text for each of the letters A, B"),
        (second(options={"A": "left", "C": "right"}), r"stage 2: `options` needs a text for each of the letters A, B"),
        (second(options={"A": "left", "B": "left"}), r"stage 2 is no question: .*not distinct"),
        (second(question=" "), r"stage 2 has no text to ask"),
        (second(stage=1), r"`qa_pairs` needs one question of stage 1 and one of stage 2"),
        (lambda content: content["qa_pairs"].pop(), r"`qa_pairs` needs one question of stage 1 and one of stage 2"),
        (lambda content: content.pop("segment_id"), r"needs a list `records` of objects with a `segment_id`"),
        (lambda content: content.update(segment_id="dev-9.json"), r"dev-9: there is no dev-9.wav; unpack the audio of this split"),
    ],
)
def test_a_record_that_cannot_be_used_is_named(tmp_path: Path, bank: Catalogue, change: Callable[[dict[str, Any]], None], message: str) -> None:
    publish(tmp_path, bank, 1)
    content = copy.deepcopy(record("dev-000000"))
    change(content)
    write_json(tmp_path / "dev_QA" / "dev-000000.json", {"records": [content]})
    with pytest.raises(InputError, match=message):
        read_rms_aqa(tmp_path)


def test_a_folder_that_is_not_unpacked_or_not_four_channels_is_refused(tmp_path: Path, bank: Catalogue) -> None:
    with pytest.raises(InputError, match=r"has no questions; wanted: train_QA or dev_QA with .json files"):
        read_rms_aqa(tmp_path)
    (tmp_path / "dev_QA").mkdir()
    (tmp_path / "dev_QA" / "dev.tar.zst").write_bytes(b"")
    with pytest.raises(InputError, match=r"has no questions of the split 'dev'; unpack dev.tar.zst and the others first .tar --zstd -xf."):
        read_rms_aqa(tmp_path, "dev")
    publish(tmp_path, bank, 1)
    write_wav(tmp_path / "dev_audio" / "part-0" / "dev-000000.wav", noise(1))
    with pytest.raises(InputError, match=r"dev-000000.wav has 1 channel; this corpus has 4"):
        read_rms_aqa(tmp_path)
    (tmp_path / "dev_QA" / "dev-000000.json").write_text("[", encoding="utf-8")
    with pytest.raises(InputError, match=r"dev-000000.json cannot be read as JSON"):
        read_rms_aqa(tmp_path)
