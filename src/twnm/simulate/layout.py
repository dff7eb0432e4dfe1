"""The folder of a data set: which files it has, what is finished in it, its checksums and what is wrong with it.

    OUT/config.json                 what the scenes were drawn from, and how many there are
    OUT/data/shard-00000.parquet    64 scenes (`shards`)
    OUT/manifest/shard-00000.json   checksum and size of that shard and whose sounds it holds: written after the shard, so a shard with it is whole
    OUT/README.md                   data card
    OUT/SHA256SUMS                  written last: a folder with it is complete

Checksums and card are made from the manifest: the data, which may be terabytes, are not read again.
"""

import bisect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, ValidationError

from twnm.errors import InputError
from twnm.files import CHECKSUMS_NAME, atomic_write, sha256_file, verify_checksums
from twnm.simulate.shards import parse_scene, read_rows

FORMAT: Final = "twnm-scenes-2"
CONFIG_NAME: Final = "config.json"
CARD_NAME: Final = "README.md"
QUESTIONS_NAME: Final = "questions.jsonl"
_Read = TypeVar("_Read", bound=BaseModel)


class Config(BaseModel):
    """What a data set was made from. Two folders with the same configuration hold the same bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["twnm-scenes-2"] = FORMAT
    twnm: str
    recipe: dict[str, Any]
    seed: NonNegativeInt
    split: Literal["train", "val", "test", "none"]
    renderer: Literal["native", "pyroomacoustics"]
    responses: str = Field(default="", description="digest of the measured room responses the scenes are heard through; empty: rooms are simulated")
    sound_bank: str
    procedural_sounds: bool
    classes: tuple[str, ...]
    shard_scenes: PositiveInt
    scenes: PositiveInt
    chosen: tuple[NonNegativeInt, ...] = Field(default=(), description="numbers of the drawn scenes that it holds, ascending; empty: the first `scenes`")

    @property
    def shards(self) -> int:
        """How many shards a complete set has."""
        return -(-self.scenes // self.shard_scenes)

    def indices(self, shard: int) -> Sequence[int]:
        """The numbers of a shard's scenes."""
        rows = range(shard * self.shard_scenes, min((shard + 1) * self.shard_scenes, self.scenes))
        return self.chosen[rows.start : rows.stop] if self.chosen else rows

    def row_of(self, scene_id: str) -> int:
        """The row of a scene, by the number that its id ends in, so that a million rows need not be searched; -1 for a scene that cannot be in the set."""
        digits = scene_id.rpartition("-")[2]
        number = int(digits) if digits.isdecimal() else -1
        if not self.chosen:
            return number if number < self.scenes else -1
        row = bisect.bisect_left(self.chosen, number)
        return row if row < self.scenes and self.chosen[row] == number else -1


class Use(BaseModel):
    """How often sounds of one package and licence are heard: as events, or as clips of the ambience."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    package: str
    licence: str
    generated: bool
    events: NonNegativeInt
    ambiences: NonNegativeInt


class ManifestRow(BaseModel):
    """What is known of a finished shard."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    sha256: str
    bytes: NonNegativeInt
    scenes: PositiveInt
    sounds: tuple[Use, ...]


def shard_path(folder: Path, shard: int) -> Path:
    """The data of a shard."""
    return folder / "data" / f"shard-{shard:05d}.parquet"


def manifest_path(folder: Path, shard: int) -> Path:
    """The manifest row of a shard."""
    return folder / "manifest" / f"shard-{shard:05d}.json"


def read_config(folder: Path) -> Config:
    """The configuration of a data set; raises InputError when there is none or it is damaged."""
    path = folder / CONFIG_NAME
    if not path.is_file():
        raise InputError(f"{folder} has no {CONFIG_NAME}: it is no data set of simulated scenes; give a folder that `twnm simulate` wrote")
    return _parse(Config, path, "choose another folder")


def write_model(path: Path, model: BaseModel) -> None:
    """Write a configuration or manifest row."""
    with atomic_write(path) as temporary:
        temporary.write_text(model.model_dump_json() + "\n", encoding="utf-8")


def manifest(folder: Path, config: Config) -> Iterator[ManifestRow]:
    """The manifest of a complete data set, one row at a time."""
    for shard in range(config.shards):
        yield _parse(ManifestRow, manifest_path(folder, shard), "delete it and simulate again with the same arguments")


def is_finished(folder: Path, config: Config, shard: int) -> bool:
    """True when the shard and its manifest row are there and agree in scenes and size; a short last shard of a smaller set is not finished."""
    try:
        row = _parse(ManifestRow, manifest_path(folder, shard), "")
        return row.scenes == len(config.indices(shard)) and row.bytes == shard_path(folder, shard).stat().st_size
    except (OSError, InputError):
        return False


def write_sums(folder: Path) -> None:
    """Write SHA256SUMS of a complete data set; the sums of the shards come from the manifest, so damage to a shard still shows afterwards."""
    config = read_config(folder)
    with atomic_write(folder / CHECKSUMS_NAME) as temporary, temporary.open("w", encoding="utf-8") as lines:
        for name in (CARD_NAME, CONFIG_NAME):
            lines.write(f"{sha256_file(folder / name)}  {name}\n")
        for shard, row in enumerate(manifest(folder, config)):
            path = manifest_path(folder, shard)
            lines.write(f"{row.sha256}  {row.file}\n{sha256_file(path)}  {path.relative_to(folder).as_posix()}\n")
        if (folder / QUESTIONS_NAME).is_file():
            lines.write(f"{sha256_file(folder / QUESTIONS_NAME)}  {QUESTIONS_NAME}\n")


def verify(folder: Path | str) -> list[str]:
    """What is wrong with a data set, or with any folder that has SHA256SUMS: one line per problem, none if all is well.

    Lines begin with `missing`, `extra` or `changed` (against the checksums), `corrupt` (a shard as it was recorded that cannot be read) or
    `incomplete` (fewer scenes than the configuration says). Raises InputError when there is nothing to compare with.
    """
    folder = Path(folder)
    try:
        config = read_config(folder)
    except InputError:  # another kind of folder, or a configuration that its checksum shows to be damaged
        return verify_checksums(folder)
    if not (folder / CHECKSUMS_NAME).is_file():
        scenes = sum(len(config.indices(shard)) for shard in range(config.shards) if is_finished(folder, config, shard))
        return [f"incomplete: {scenes} of {config.scenes} scenes and no {CHECKSUMS_NAME}; simulate again with the same arguments to complete it"]
    problems = verify_checksums(folder)
    wrong = {problem.partition(": ")[2] for problem in problems}
    for shard in range(config.shards):
        name = shard_path(folder, shard).relative_to(folder).as_posix()
        if name not in wrong:
            problems += _corruption(folder, config, shard, name)
    return problems


def _corruption(folder: Path, config: Config, shard: int, name: str) -> list[str]:
    path = shard_path(folder, shard)
    count = 0
    try:
        for row in read_rows(path, ("scene", "labels", "dcase", "audio")):
            scene = parse_scene(row, path)
            if not row["audio"]["bytes"].startswith(b"fLaC"):
                raise InputError(f"the audio of {scene.scene_id} is no FLAC")
            count += 1
    except InputError as error:
        return [f"corrupt: {name}: {error}"]
    expected = len(config.indices(shard))
    return [] if count == expected else [f"incomplete: {name}: {count} of {expected} scenes"]


def _parse(model: type[_Read], path: Path, remedy: str) -> _Read:
    try:
        return model.model_validate_json(path.read_bytes())
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, item['loc'])) or 'file'}: {item['msg']}" for item in error.errors())
        raise InputError(f"{path} cannot be used ({problems}); {remedy}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; {remedy}") from None
