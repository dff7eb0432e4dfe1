"""A shard holds what it was given, in bytes that depend on nothing else, as Hugging Face `datasets` reads it."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from twnm.errors import InputError
from twnm.scene import Ambience, Event, Room, Scene, Waypoint
from twnm.simulate import shards
from twnm.simulate.dcase import COLUMNS
from twnm.simulate.shards import decode_audio, encode_audio, make_row, read_row, read_rows, write_shard
from twnm.sounds.classes import CLASSES


def scene(number: int, labels: tuple[str, ...] = ("dog", "bell")) -> Scene:
    events = tuple(
        Event(label=label, clip=f"{label}/a.wav", onset_s=0.1, offset_s=0.5, path=(Waypoint(time_s=0.0, position_m=(2.0, 1.0, 0.0)),)) for label in labels
    )
    return Scene(scene_id=f"made-none-1-{number:06d}", duration_s=1.0, room=Room(kind="free"), events=events, ambience=Ambience())


def audio(number: int) -> np.ndarray:
    return np.random.default_rng(number).uniform(-1, 1, (4, 24_000)).astype(np.float32)


def rows(count: int) -> Iterator[dict[str, Any]]:
    return (make_row(audio(number), scene(number, ("dog",) * (number % 3)), CLASSES) for number in range(count))


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shard") / "data" / "shard-00000.parquet"
    path.parent.mkdir()
    write_shard(path, rows(19), 1.0)
    return path


def test_audio_is_kept_to_half_a_step_of_16_bits_with_full_scale_at_1() -> None:
    foa = 0.99 * audio(0)
    foa[:, :3] = [1.0, -1.0, 0.5]
    stored = decode_audio(encode_audio(foa), "a")
    np.testing.assert_allclose(stored[:, 1:], foa[:, 1:], atol=0.5001 / 32768)
    np.testing.assert_array_equal(stored[:, :3], np.tile([32767 / 32768, -1.0, 0.5], (4, 1)))
    with soundfile.SoundFile(io.BytesIO(encode_audio(foa))) as stream:
        assert (stream.format, stream.subtype, stream.samplerate, stream.channels, stream.frames) == ("FLAC", "PCM_16", 24_000, 4, 24_000)


@pytest.mark.parametrize("value", [1.001, -1.5, np.nan, np.inf])
def test_samples_that_16_bits_cannot_hold_are_refused(value: float) -> None:
    foa = audio(0)
    foa[2, 7] = value
    with pytest.raises(InputError, match="cannot be stored in 16 bits"):
        encode_audio(foa)


def test_damaged_audio_is_named() -> None:
    flac = encode_audio(audio(0))
    stereo = io.BytesIO()
    soundfile.write(stereo, audio(0)[:2].T, 24_000, format="FLAC")
    for data in (b"", b"no audio", flac[:100], flac[: len(flac) // 2], stereo.getvalue()):
        with pytest.raises(InputError, match=r"the audio of scene 7 is damaged"):
            decode_audio(data, "scene 7")


def test_datasets_takes_the_columns_for_what_they_are(shard: Path) -> None:
    import datasets

    value = datasets.Value
    expected = datasets.Features(
        scene_id=value("string"),
        file_name=value("string"),
        audio=datasets.Audio(decode=False),
        scene=value("string"),
        duration_s=value("float64"),
        labels=datasets.List(value("string")),
        dcase=datasets.List({name: value("int32") for name in COLUMNS}),
    )
    assert datasets.Features.from_arrow_schema(pq.read_schema(shard)) == expected
    assert expected.arrow_schema.remove_metadata() == pq.read_schema(shard).remove_metadata()


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("by_card", [True, False])
def test_datasets_loads_a_folder_and_its_files_streamed_or_whole(shard: Path, tmp_path: Path, streaming: bool, by_card: bool) -> None:
    from datasets import load_dataset

    folder = shard.parent.parent
    (folder / "README.md").write_text("---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: data/*.parquet\n---\n")
    where = {"path": str(folder)} if by_card else {"path": "parquet", "data_files": str(folder / "data" / "*.parquet")}
    loaded = list(load_dataset(**where, split="train", streaming=streaming, cache_dir=str(tmp_path)))
    assert len(loaded) == 19
    for number, row in enumerate(loaded):
        assert Scene.from_json(row["scene"]) == scene(number, ("dog",) * (number % 3))
        assert row["audio"] == {"bytes": encode_audio(audio(number)), "path": f"made-none-1-{number:06d}.flac"}
        assert row["labels"] == ["dog"] * (number % 3)
        assert [tuple(frame.values()) for frame in row["dcase"]] == [
            (frame, CLASSES.index("dog"), source, 27, 0, 224) for frame in (1, 2, 3, 4) for source in range(number % 3)
        ]


def test_rows_come_back_in_order_and_one_by_one(shard: Path) -> None:
    expected = list(rows(19))
    assert list(read_rows(shard, pq.read_schema(shard).names)) == expected
    for place in (0, 7, 8, 18):
        assert read_row(shard, place, ["scene_id", "audio"]) == {name: expected[place][name] for name in ("scene_id", "audio")}


def test_the_same_rows_give_the_same_bytes(shard: Path, tmp_path: Path) -> None:
    write_shard(tmp_path / "other.parquet", rows(19), 1.0)
    assert (tmp_path / "other.parquet").read_bytes() == shard.read_bytes()


@pytest.mark.parametrize(("duration_s", "group"), [(1.0, 8), (5.0, 8), (20.0, 3), (600.0, 1)])
def test_a_group_is_eight_rows_or_a_minute_so_that_streaming_reads_little(tmp_path: Path, duration_s: float, group: int) -> None:
    write_shard(tmp_path / "a.parquet", rows(9), duration_s)
    with pq.ParquetFile(tmp_path / "a.parquet") as file:
        assert file.metadata.row_group(0).num_rows == group


def test_memory_holds_one_group_of_rows_at_any_number(tmp_path: Path) -> None:
    before, most = pa.total_allocated_bytes(), 0
    row = make_row(audio(0), scene(0), CLASSES)

    def watched() -> Iterator[dict[str, Any]]:
        nonlocal most
        for _ in range(200):
            yield row
            most = max(most, pa.total_allocated_bytes() - before)

    write_shard(tmp_path / "a.parquet", watched(), 1.0)
    assert most < 3 * shards.GROUP_ROWS * len(row["audio"]["bytes"])


def test_a_failure_while_rows_are_made_leaves_no_file(tmp_path: Path) -> None:
    def failing() -> Iterator[dict[str, Any]]:
        yield from rows(10)
        raise InputError("no more")

    with pytest.raises(InputError, match="no more"):
        write_shard(tmp_path / "a.parquet", failing(), 1.0)
    assert list(tmp_path.iterdir()) == []


def test_a_shard_that_is_missing_empty_cut_or_altered_is_named(shard: Path, tmp_path: Path) -> None:
    whole, path = shard.read_bytes(), tmp_path / "shard-00007.parquet"
    with pytest.raises(InputError, match=r"shard-00007\.parquet does not exist"):
        list(read_rows(path, ["scene"]))
    for data in (b"", whole[: len(whole) // 2], whole[:-20], whole[:-2000] + bytes(1992) + whole[-8:]):
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"shard-00007\.parquet is damaged"):
            list(read_rows(path, ["scene"]))
