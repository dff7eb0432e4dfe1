"""One Parquet shard of scenes, in and out: FLAC audio, Scene JSON and DCASE labels in a row each, as Hugging Face `datasets` reads them.

Audio is AmbiX (W, Y, Z, X; SN3D), 24 kHz, 16 bits: a sample is the integer over 32768. Rows lie in small groups, so that a reader who streams, or wants
one scene, reads no more than a few megabytes. The same rows give the same bytes with the same versions of pyarrow and libsndfile.
"""

import contextlib
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
from jaxtyping import Float32

from twnm.audio import SAMPLE_RATE_HZ
from twnm.errors import InputError
from twnm.files import atomic_write
from twnm.scene import Scene
from twnm.simulate.dcase import COLUMNS, dcase_rows
from twnm.simulate.kernels import kernel

FULL_SCALE: Final = 32768
FLAC_LEVEL: Final = 0.0  # a third faster than the usual level, for 4 % more bytes
GROUP_ROWS: Final = 8
GROUP_S: Final = 60.0

_VALUES: Final = {
    "scene_id": ("string", pa.string()),
    "file_name": ("string", pa.string()),
    "scene": ("string", pa.string()),
    "duration_s": ("float64", pa.float64()),
}
_FRAME: Final = pa.struct([(name, pa.int32()) for name in COLUMNS])


def _schema() -> pa.Schema:
    """Columns, with the features that `datasets` looks for: without them it would take the audio for a struct of bytes."""
    plain = {name: {"dtype": dtype, "_type": "Value"} for name, (dtype, _) in _VALUES.items()}
    frame = {name: {"dtype": "int32", "_type": "Value"} for name in COLUMNS}
    features = {
        "scene_id": plain["scene_id"],
        "file_name": plain["file_name"],
        "audio": {"decode": False, "_type": "Audio"},
        "scene": plain["scene"],
        "duration_s": plain["duration_s"],
        "labels": {"feature": {"dtype": "string", "_type": "Value"}, "_type": "List"},
        "dcase": {"feature": frame, "_type": "List"},
    }
    kinds = {name: kind for name, (_, kind) in _VALUES.items()} | {
        "audio": pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
        "labels": pa.list_(pa.string()),
        "dcase": pa.list_(_FRAME),
    }
    return pa.schema([(name, kinds[name]) for name in features], metadata={"huggingface": json.dumps({"info": {"features": features}})})


SCHEMA: Final = _schema()


@kernel
def _to_integers(foa, whole):  # type: ignore[no-untyped-def]  # pragma: no cover
    for channel in range(4):
        for n in range(foa.shape[1]):
            whole[n, channel] = min(int(np.rint(foa[channel, n] * np.float32(FULL_SCALE))), FULL_SCALE - 1)


def encode_audio(foa: Float32[np.ndarray, "4 samples"]) -> bytes:
    """FLAC of 16 bits. Raises InputError for samples that 16 bits cannot hold."""
    peak = max(float(foa.max(initial=0.0)), -float(foa.min(initial=0.0)))
    if not peak <= 1.0:  # not a number, too
        raise InputError(f"the audio peaks at {peak:.3f} and cannot be stored in 16 bits; at most 1.0")
    whole = np.empty((foa.shape[1], 4), np.int16)
    _to_integers(foa, whole)  # libsndfile takes milliseconds more to make integers from floats
    stream = io.BytesIO()
    soundfile.write(stream, whole, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16", compression_level=FLAC_LEVEL)
    return stream.getvalue()


def decode_audio(data: bytes, name: str) -> Float32[np.ndarray, "4 samples"]:
    """Samples of a FLAC, in [-1, 1). Raises InputError, which calls it `name`, when it is damaged or no recording of four channels at 24 kHz."""
    try:
        samples, rate_hz = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
        promised = soundfile.info(io.BytesIO(data)).frames
    except soundfile.LibsndfileError as error:
        raise InputError(f"the audio of {name} is damaged ({error.error_string.rstrip('.')}); delete that shard and simulate again") from None
    if rate_hz != SAMPLE_RATE_HZ or samples.shape != (promised, 4):
        raise InputError(f"the audio of {name} is damaged: {samples.shape[1]} channels of {len(samples)} samples at {rate_hz} Hz; delete that shard")
    return np.ascontiguousarray(samples.T)


def make_row(foa: Float32[np.ndarray, "4 samples"], scene: Scene, classes: Sequence[str]) -> dict[str, Any]:
    """A scene as a row of SCHEMA; `labels` are those of its events, in order."""
    file_name = f"{scene.scene_id}.flac"
    return {
        "scene_id": scene.scene_id,
        "file_name": file_name,
        "audio": {"bytes": encode_audio(foa), "path": file_name},
        "scene": scene.to_json(),
        "duration_s": scene.duration_s,
        "labels": [event.label for event in scene.events],
        "dcase": [dict(zip(COLUMNS, row, strict=True)) for row in dcase_rows(scene, classes)],
    }


def write_shard(path: Path, rows: Iterable[dict[str, Any]], duration_s: float) -> None:
    """Write rows as one file, in one step; `duration_s` of a scene decides how many make a group. Memory holds one group."""
    group_rows = max(1, min(GROUP_ROWS, int(GROUP_S / duration_s)))
    texts = ("scene_id", "file_name", "scene")
    columns = (*texts, "duration_s", "labels.list.element", *(f"dcase.list.element.{name}" for name in COLUMNS))
    packed = dict.fromkeys((*columns, "audio.path"), "zstd") | {"audio.bytes": "none"}
    numbers = [name for name in columns if name not in texts]
    with (
        atomic_write(path) as temporary,
        pq.ParquetWriter(temporary, SCHEMA, compression=packed, use_dictionary=numbers, write_statistics=["scene_id"]) as writer,
    ):
        group: list[dict[str, Any]] = []
        for row in rows:
            group.append(row)
            if len(group) == group_rows:
                writer.write_table(pa.Table.from_pylist(group, SCHEMA))
                group.clear()
        if group:
            writer.write_table(pa.Table.from_pylist(group, SCHEMA))


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows of a shard in order, a group in memory at a time. Raises InputError naming a shard that is missing or damaged."""
    with _named(path), pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            yield from file.read_row_group(group, columns=list(columns), use_threads=False).to_pylist()


def read_row(path: Path, place: int, columns: Sequence[str]) -> dict[str, Any]:
    """Row `place` of a shard, reading its group only; errors as of `read_rows`."""
    with _named(path), pq.ParquetFile(path) as file:
        if place >= file.metadata.num_rows:
            raise InputError(f"{path} has {file.metadata.num_rows} rows and lacks row {place}; simulate again with the same arguments to complete it")
        group_rows = file.metadata.row_group(0).num_rows
        group = file.read_row_group(place // group_rows, columns=list(columns), use_threads=False)
        return dict(group.slice(place % group_rows, 1).to_pylist()[0])


def parse_scene(row: dict[str, Any], path: Path) -> Scene:
    """The scene of a row; raises InputError naming the shard."""
    try:
        return Scene.from_json(row["scene"])
    except InputError as error:
        raise InputError(f"{path}, {row.get('file_name')}: {error}") from None


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; simulate again with the same arguments to complete the data set") from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is damaged ({' '.join(str(error).split())[:160]}); delete it and simulate again with the same arguments") from None
