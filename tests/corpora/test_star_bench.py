from pathlib import Path
from typing import Any

import pytest
from simulated import event, heard, noise, scene_of, write_json, write_wav

from twnm.ambisonics import decode_binaural
from twnm.audio import read_stereo
from twnm.corpora.star_bench import read_star_bench
from twnm.errors import InputError
from twnm.sounds.catalogue import Catalogue

SPATIAL, PERCEPTION = Path("meta_info/holistic_reasoning_spatial.json"), Path("meta_info/foundation_perception.json")


def question(number: int, category: str, *audio: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"sr_{number}",
        "task": "Spatial Reasoning",
        "category": category,
        "sub-category": None,
        "question": "Where is the bell?",
        "options": ["on the left", "on the right", "in front"],
        "answer": "on the left",
        "audio_paths": list(audio),
    } | fields


def publish(folder: Path, bank: Catalogue) -> Path:
    binaural = decode_binaural(heard(scene_of(event("bell", 80.0)), bank))
    space = folder / "starbench_audios" / "holistic_reasoning" / "spatial"
    write_wav(space / "1.wav", binaural)
    write_wav(space / "2.wav", noise(2), 48_000)
    write_wav(folder / "starbench_audios" / "perception" / "mono.wav", noise(1))
    here = "starbench_audios/holistic_reasoning/spatial"
    write_json(
        folder / SPATIAL,
        [
            question(1, "Single-Source Static Localization", f"{here}/1.wav"),
            question(2, "Multi-Source Spatial Relation", f"{here}/1.wav", answer="in front"),
            question(3, "Dynamic Trajectory Tracking", f"{here}/2.wav"),
        ],
    )
    rows = [
        question(1, "Absolute Perception Range", f"{here}/2.wav", **{"sub-category": "azimuth"}),
        question(2, "Relative Discrimination", f"{here}/1.wav", f"{here}/2.wav"),
        question(3, "Absolute Perception Range", "starbench_audios/perception/mono.wav", **{"sub-category": "loudness"}),
    ]
    write_json(folder / PERCEPTION, rows)
    return folder


def test_binaural_questions_are_read_and_others_are_counted(tmp_path: Path, bank: Catalogue) -> None:
    corpus = read_star_bench(publish(tmp_path, bank))
    assert corpus.kind == "binaural"
    found = [(item.sample_id, item.level, item.task, item.family, item.answer_letter) for item in corpus.items]
    assert found == [
        ("spatial-sr_1", "L1", "star_bench_single-source_static_localization", "spatial", "A"),
        ("spatial-sr_2", "L2", "star_bench_multi-source_spatial_relation", "spatial", "C"),
        ("spatial-sr_3", "L2", "star_bench_dynamic_trajectory_tracking", "spatial", "A"),
        ("perception-sr_1", "L1", "star_bench_absolute_perception_range", "spatial", "A"),
    ]
    assert corpus.notes["left_out"] == {"perception: several recordings": 1, "perception: a recording with another number of channels": 1}
    assert "first-order Ambisonics" in corpus.notes["not_applicable"]
    assert [len(clip.items) for clip in corpus.clips] == [2, 2]


def test_both_ears_are_kept_apart_at_24_khz(tmp_path: Path, bank: Catalogue) -> None:
    first, second = read_star_bench(publish(tmp_path, bank)).clips
    left, right = first.read()
    assert (left**2).sum() > 2 * (right**2).sum()  # the bell was simulated at the left
    assert second.read().shape == (2, 6000)


def test_a_question_without_an_answer_is_kept_as_unanswered(tmp_path: Path, bank: Catalogue) -> None:
    publish(tmp_path, bank)
    row = question(1, "Dynamic", "starbench_audios/holistic_reasoning/spatial/1.wav")
    del row["answer"]
    write_json(tmp_path / SPATIAL, [row])
    corpus = read_star_bench(tmp_path, "spatial")
    assert corpus.items == () and corpus.unanswered[0].options == ("on the left", "on the right", "in front")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"answer": "behind"}, r"question 1: the answer 'behind' is none of the options"),
        ({"options": None}, r"question 1 lacks options; is it a question of STAR-Bench"),
        ({"options": "left or right"}, r"question 1 lacks a list of options"),
        ({"audio_paths": []}, r"question 1 names no recording"),
        ({"audio_paths": ["starbench_audios/9.wav"]}, r"9.wav does not exist, but a question names it"),
        ({"audio_paths": ["a.wav", "b.wav"]}, r"question 1 has several recordings; this part of STAR-Bench has one recording of two channels"),
        ({"audio_paths": ["starbench_audios/perception/mono.wav"]}, r"question 1 has a recording with another number of channels"),
        ({"audio_paths": ["meta_info/foundation_perception.json"]}, r"foundation_perception.json cannot be read as audio"),
    ],
)
def test_a_question_that_cannot_be_used_is_named(tmp_path: Path, bank: Catalogue, fields: dict[str, Any], message: str) -> None:
    publish(tmp_path, bank)
    write_json(tmp_path / SPATIAL, [question(1, "Dynamic", "starbench_audios/holistic_reasoning/spatial/1.wav") | fields])
    with pytest.raises(InputError, match=message):
        read_star_bench(tmp_path)


def test_a_folder_without_the_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"meta_info has none of holistic_reasoning_spatial.json, foundation_perception.json"):
        read_star_bench(tmp_path)
    with pytest.raises(InputError, match=r"no split 'temporal' that is read here; allowed: spatial, perception"):
        read_star_bench(tmp_path, "temporal")
    write_json(tmp_path / SPATIAL, {"rows": []})
    with pytest.raises(InputError, match=r"is no file of STAR-Bench: it needs a list of objects"):
        read_star_bench(tmp_path)


def test_only_two_channels_are_read_as_left_and_right(tmp_path: Path) -> None:
    assert read_stereo(write_wav(tmp_path / "two.wav", noise(2))).shape == (2, 12_000)
    for channels, given in ((1, "1 channel;"), (4, "4 channels;")):
        with pytest.raises(InputError, match=rf"{given} needs 2 .left, right."):
            read_stereo(write_wav(tmp_path / "other.wav", noise(channels)))
