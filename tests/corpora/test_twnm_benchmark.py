import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from simulated import drawn_scene, heard, noise, write_lines, write_wav

from twnm.ambisonics import from_ambix
from twnm.audio import read_foa
from twnm.corpora.shared import family_of
from twnm.corpora.twnm_benchmark import read_twnm_benchmark
from twnm.errors import InputError
from twnm.questions.schema import Item
from twnm.scene import Scene
from twnm.sounds.catalogue import Catalogue

ANSWERS = ("answer_letter", "answer_text")


def binding(scene: Scene, number: int, clockwise: bool) -> dict[str, Any]:
    """A question as published: azimuths from 0 to 360, the other option swaps the places."""
    sign = -1 if clockwise else 1
    placed = [scene.place(event) for event in scene.events]
    places = [f"azimuth {sign * azimuth % 360:.2f}°, elevation {elevation:.2f}°, {far:.2f}m" for azimuth, elevation, far in placed]
    labels = [event.label for event in scene.events]
    options = ["; ".join(f"{label}: {place}" for label, place in zip(labels, order, strict=True)) for order in (places, places[::-1])]
    answer = number % 2
    options = options if answer == 0 else options[::-1]
    return {
        "file_name": f"audio/{number:03d}.wav",
        "sample_id": f"{number:03d}",
        "question": "Identify the correct binding of sound source identity to its spatial location and distance.",
        "option_a": options[0],
        "option_b": options[1],
        "option_c": "None of these",
        "option_d": "All of these",
        "answer_letter": "AB"[answer],
        "answer_text": options[answer],
        "level": "L2",
        "task": "l2_bind_identity_location_distance",
    }


def without_answers(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ANSWERS}


def publish(folder: Path, bank: Catalogue, clockwise: bool = False, layout: str = "ambix", count: int = 12) -> list[dict[str, Any]]:
    """data/dev with answers and data/test without, as KonoyoBC/TWNM-FOA-Benchmark has them."""
    rows = []
    for number in range(count):
        scene = drawn_scene(np.random.default_rng([8, number]), 2)
        rows.append(binding(scene, number, clockwise))
        write_wav(folder / "data" / "dev" / rows[-1]["file_name"], from_ambix(heard(scene, bank), layout))
    write_lines(folder / "data" / "dev" / "metadata.jsonl", rows)
    write_wav(folder / "data" / "test" / "audio" / "000.wav", noise(4))
    write_lines(folder / "data" / "test" / "metadata.jsonl", [without_answers(rows[0])])
    return rows


def test_both_splits_are_read_word_for_word_and_the_test_split_has_no_answers(tmp_path: Path, bank: Catalogue) -> None:
    rows = publish(tmp_path, bank)
    corpus = read_twnm_benchmark(tmp_path)
    assert len(corpus.items) == 12 and len(corpus.unanswered) == 1
    first = corpus.items[0]
    assert [first.question, *first.options, first.answer_letter, first.answer_text] == [
        rows[0][name] for name in ("question", "option_a", "option_b", "option_c", "option_d", "answer_letter", "answer_text")
    ]
    assert (first.sample_id, first.level, first.task, first.family) == ("dev-000", "L2", "l2_bind_identity_location_distance", "mixed")
    assert corpus.unanswered[0].sample_id == "test-000"
    assert first.file_name == "audio/dev-audio_000.flac" and Item.from_row(first.to_row()) == first
    np.testing.assert_array_equal(corpus.clips[0].read(), read_foa(tmp_path / "data" / "dev" / "audio" / "000.wav"))


@pytest.mark.parametrize("clockwise", [False, True])
@pytest.mark.parametrize("layout", ["ambix", "fuma"])
def test_the_sense_of_rotation_and_the_layout_are_reported(tmp_path: Path, bank: Catalogue, clockwise: bool, layout: str) -> None:
    publish(tmp_path, bank, clockwise, layout)
    for given in ("ambix", layout):
        found = read_twnm_benchmark(tmp_path, layout=given).notes["convention"]
        assert found["sense"] == ("clockwise" if clockwise else "anticlockwise")
        assert found["layout"] == layout and found["recordings"] == 12 and found["share"] > 0.9


def test_csv_parquet_and_jsonl_give_the_same_questions_and_recordings(tmp_path: Path, bank: Catalogue) -> None:
    rows = publish(tmp_path / "jsonl", bank, count=3)
    audio = tmp_path / "jsonl" / "data" / "dev"
    for row in rows:
        write_wav(tmp_path / "csv" / "dev" / row["file_name"], soundfile.read(audio / row["file_name"])[0].T)
    with (tmp_path / "csv" / "dev" / "metadata.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    packed = [
        {name: value for name, value in row.items() if name != "file_name"} | {"audio": {"bytes": (audio / row["file_name"]).read_bytes(), "path": None}}
        for row in rows
    ]
    (tmp_path / "parquet" / "data").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(packed), tmp_path / "parquet" / "data" / "dev-00000-of-00001.parquet", row_group_size=2)
    jsonl, by_csv, parquet = (read_twnm_benchmark(tmp_path / kind, "dev") for kind in ("jsonl", "csv", "parquet"))
    assert jsonl.items == by_csv.items
    named = {"scene_id", "file_name"}
    assert [item.model_dump(exclude=named) for item in parquet.items] == [item.model_dump(exclude=named) for item in jsonl.items]
    for one, other in zip(jsonl.clips, parquet.clips, strict=True):
        np.testing.assert_array_equal(one.read(), other.read())
    assert parquet.notes == jsonl.notes


@pytest.mark.parametrize(
    ("task", "family"),
    [
        ("l2_relative_direction_between_objects", "spatial"),
        ("l2_compare_object_distances", "spatial"),
        ("l2_bind_identity_location_distance", "mixed"),
        ("l1_classify_event", "semantic"),
        ("l1_detect_onset_time", "temporal"),
        ("l1_estimate_source_azimuth", "spatial"),
        ("l3_counterfactual_source_removal", "mixed"),
        ("something else", "mixed"),
    ],
)
def test_a_task_gets_its_family_by_its_name(task: str, family: str) -> None:
    assert family_of(task) == family


def changed(**fields: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda row: {name: value for name, value in (row | fields).items() if value is not ...}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (changed(question=...), r"metadata.jsonl row 1 lacks question; is it the metadata of the TWNM benchmark"),
        (changed(answer_letter="E"), r"row 1: the answer 'E' is none of its 4 options, which are A, B, C, D"),
        (changed(answer_letter="C"), r"row 1: the option C is 'None of these', but answer_text is"),
        (changed(option_d="None of these"), r"row 1 is no question: .*are not distinct"),
        (changed(level="L4"), r"row 1 is no question: .*level"),
        (changed(file_name="audio/999.wav"), r"999.wav does not exist, but a question names it"),
        (changed(file_name="../../other.wav"), r"'../../other.wav' lies outside .*dev; allowed are paths below it"),
        (changed(file_name=...), r"row 1 names no recording: it has neither file_name nor audio"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path: Path, bank: Catalogue, change: Callable[[dict[str, Any]], dict[str, Any]], message: str) -> None:
    rows = publish(tmp_path, bank, count=1)
    write_lines(tmp_path / "data" / "dev" / "metadata.jsonl", [change(rows[0])])
    with pytest.raises(InputError, match=message):
        read_twnm_benchmark(tmp_path)


def test_recordings_that_are_no_first_order_ambisonics_are_refused(tmp_path: Path, bank: Catalogue) -> None:
    rows = publish(tmp_path, bank, count=1)
    write_wav(tmp_path / "data" / "dev" / "audio" / "000.wav", noise(2))
    with pytest.raises(InputError, match=r"000.wav has 2 channels; this corpus has 4"):
        read_twnm_benchmark(tmp_path)
    stereo = io.BytesIO()
    soundfile.write(stereo, noise(1).T, 24_000, format="WAV")
    (tmp_path / "packed").mkdir()
    pq.write_table(pa.Table.from_pylist([rows[0] | {"audio": {"bytes": stereo.getvalue(), "path": "a.wav"}}]), tmp_path / "packed" / "dev-0.parquet")
    with pytest.raises(InputError, match=r"^the audio of .*dev-0.parquet row 1 has 1 channel; this corpus has 4$"):
        read_twnm_benchmark(tmp_path / "packed")


def test_a_folder_without_the_benchmark_or_its_split_is_refused(tmp_path: Path, bank: Catalogue) -> None:
    with pytest.raises(InputError, match=r"has not questions; wanted: metadata.jsonl, metadata.csv or .parquet files"):
        read_twnm_benchmark(tmp_path)
    with pytest.raises(InputError, match=r"is not a folder"):
        read_twnm_benchmark(tmp_path / "nowhere")
    publish(tmp_path, bank, count=1)
    with pytest.raises(InputError, match=r"has not the split 'train'; it has: dev, test"):
        read_twnm_benchmark(tmp_path, "train")
    (tmp_path / "data" / "dev" / "metadata.jsonl").write_text("{not json}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"metadata.jsonl line 1 is no JSON object"):
        read_twnm_benchmark(tmp_path)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "dev-0.parquet").write_bytes(b"no parquet")
    with pytest.raises(InputError, match=r"dev-0.parquet cannot be read as Parquet"):
        read_twnm_benchmark(tmp_path / "broken")
