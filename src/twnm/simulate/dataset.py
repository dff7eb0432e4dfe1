"""Data sets of scenes: written in shards that can be stopped, resumed and extended, and read again as audio and scenes.

`layout` says which files a folder has. The same arguments give the same bytes, whatever the engine, the number of workers and however often the work was
killed and resumed. Memory holds one group of rows per worker, at any number of scenes.
"""

import importlib.util
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

import numpy as np
from jaxtyping import Float32

import twnm
from twnm.errors import InputError
from twnm.files import CHECKSUMS_NAME, atomic_write, sha256_file
from twnm.scene import Scene
from twnm.simulate import layout, shards
from twnm.simulate.card import data_card
from twnm.simulate.dcase import classes_of
from twnm.simulate.engines import ENGINES, MAX_WORKERS, run
from twnm.simulate.layout import Config, ManifestRow, Use
from twnm.simulate.measured import Responses, place_in
from twnm.simulate.recipe import Recipe
from twnm.simulate.render import Renderer, render
from twnm.simulate.sampler import draw_scene
from twnm.sounds.catalogue import Catalogue, load_catalogue

SHARD_SCENES: Final = 64
_PLACE_STREAM: Final = 4
Progress = Callable[[Iterator[int], int], Iterator[int]]


def write(
    out: Path | str,
    scenes: int | Sequence[int],
    seed: int = 0,
    recipe: Recipe | str = "indoor",
    catalogue: Catalogue | None = None,
    split: str = "none",
    workers: int = 1,
    engine: str = "processes",
    renderer: str = "native",
    progress: Progress | None = None,
    responses: Responses | None = None,
) -> Path:
    """Draw, render and store scenes in the folder `out`; shards that are finished already are kept.

    Args:
        out: a new or empty folder, or one that an earlier call with the same recipe, seed, split, renderer and sound bank began.
        scenes: how many: 0 ... `scenes` - 1, and more than before extends the folder; or the numbers of some, ascending.
        seed: of all draws.
        recipe: a recipe, the name of a built-in one, or a TOML file.
        catalogue: the sound bank; None opens what the user has.
        split: the clips to draw from: "train", "val", "test" or "none" (all).
        workers: processes, or Ray actors; one process works in this one.
        engine: "processes" on this machine, or "ray": the cluster that RAY_ADDRESS names, which must see `out` and the sounds at the same paths, or
            else a Ray of our own on this machine.
        renderer: "native" or "pyroomacoustics".
        responses: put the scenes into this measured room instead of their own (`measured.place_in`).
        progress: given how many scenes each finished shard had, and how many scenes there are to make; passes the counts on.

    Returns:
        The folder.

    Raises:
        InputError: an argument is out of range, `out` holds something else or cannot be made.
        OSError: a shard cannot be written, because the disk is full perhaps. What is finished stays; the same call goes on from there.
        RuntimeError: a worker died; as before.
    """
    out, recipe = Path(out).absolute(), Recipe.of(recipe)
    chosen = () if isinstance(scenes, int) else tuple(scenes)
    if any(a >= b for a, b in itertools.pairwise(chosen)) or (chosen and chosen[0] < 0):
        raise InputError(f"scenes {chosen[:8]}...: give numbers of scenes, 0 or more, ascending")
    scenes = scenes if isinstance(scenes, int) else len(chosen)
    _check_arguments(scenes, workers, engine, renderer)
    bank = load_catalogue() if catalogue is None else catalogue
    draw_scene(bank, recipe, seed, 0, split)  # shows bad arguments before anything is on disk
    config = _configuration(recipe, seed, split, renderer, bank, scenes, chosen, "" if responses is None else responses.digest())
    missing = _prepare(out, config)
    try:
        counts = run(engine, _Job(out, config, recipe, bank, responses).make, missing, workers)
        for _ in counts if progress is None else progress(counts, sum(len(config.indices(shard)) for shard in missing)):
            pass
    finally:
        _sweep(out)
    with atomic_write(out / layout.CARD_NAME) as temporary:
        temporary.write_text(data_card(config, layout.manifest(out, config)), encoding="utf-8")
    layout.write_sums(out)
    return out


def size_bytes(folder: Path | str) -> int:
    """How large the shards of a complete data set are."""
    folder = Path(folder)
    return sum(row.bytes for row in layout.manifest(folder, layout.read_config(folder)))


class SceneSet:
    """A data set on disk, as a sequence of (audio, scene): iterate, or take one by index or scene_id.

    Audio is AmbiX at 24 kHz, float32 of shape (4, samples). Iterating holds one group of rows in memory, and never decodes ahead.

    Raises:
        InputError: `folder` is no data set; later, when a scene is read, a shard is missing or damaged, or there is no such scene.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.config = layout.read_config(self.folder)

    def __len__(self) -> int:
        return self.config.scenes

    def __iter__(self) -> Iterator[tuple[Float32[np.ndarray, "4 samples"], Scene]]:
        for path, row in self._rows("file_name", "audio", "scene"):
            yield shards.decode_audio(row["audio"]["bytes"], f"{path}, {row['file_name']}"), shards.parse_scene(row, path)

    def __getitem__(self, which: int | str) -> tuple[Float32[np.ndarray, "4 samples"], Scene]:
        path, row = self._row(which, "file_name", "audio", "scene")
        return shards.decode_audio(row["audio"]["bytes"], f"{path}, {row['file_name']}"), shards.parse_scene(row, path)

    def stored_audio(self, which: int | str) -> bytes:
        """The FLAC file of one scene."""
        return bytes(self._row(which, "audio")[1]["audio"]["bytes"])

    def scenes(self) -> Iterator[tuple[str, Scene]]:
        """The file name and scene of every row, without reading audio."""
        for path, row in self._rows("file_name", "scene"):
            yield row["file_name"], shards.parse_scene(row, path)

    def raw(self) -> Iterator[tuple[bytes, Scene]]:
        """The FLAC file and scene of every row."""
        for path, row in self._rows("file_name", "audio", "scene"):
            yield row["audio"]["bytes"], shards.parse_scene(row, path)

    def _rows(self, *columns: str) -> Iterator[tuple[Path, dict[str, Any]]]:
        for shard in range(self.config.shards):
            path, count = layout.shard_path(self.folder, shard), 0
            for row in shards.read_rows(path, columns):
                yield path, row
                count += 1
            if count != len(self.config.indices(shard)):
                raise InputError(f"{path} has {count} of {len(self.config.indices(shard))} scenes; simulate again with the same arguments to complete it")

    def _row(self, which: int | str, *columns: str) -> tuple[Path, dict[str, Any]]:
        at = self.config.row_of(which) if isinstance(which, str) else which
        if not 0 <= at < len(self):
            raise InputError(f"{self.folder} has no scene {which!r}; give 0 to {len(self) - 1} or a scene_id of it")
        path = layout.shard_path(self.folder, at // self.config.shard_scenes)
        row = shards.read_row(path, at % self.config.shard_scenes, ("scene_id", *columns))
        if isinstance(which, str) and row["scene_id"] != which:
            raise InputError(f"{self.folder} has no scene {which!r}; its scene {at} is {row['scene_id']!r}")
        return path, row


def read_scenes(folder: Path | str) -> Iterator[tuple[str, Scene]]:
    """The file name and scene of every row of a data set, in order, without reading audio; errors as of `SceneSet`."""
    return SceneSet(folder).scenes()


@dataclass(frozen=True)
class _Job:
    """What all shards of a data set have in common."""

    out: Path
    config: Config
    recipe: Recipe
    bank: Catalogue
    responses: Responses | None

    def make(self, shard: int) -> int:
        """Make a shard and then its manifest row; gives the number of its scenes."""
        path = layout.shard_path(self.out, shard)
        uses: Counter[tuple[str, str, bool, str]] = Counter()
        try:
            shards.write_shard(path, self._rows(shard, uses), self.recipe.duration_s)
            row = ManifestRow(
                file=path.relative_to(self.out).as_posix(),
                sha256=sha256_file(path),
                bytes=path.stat().st_size,
                scenes=len(self.config.indices(shard)),
                sounds=_uses(uses),
            )
            layout.write_model(layout.manifest_path(self.out, shard), row)
        except OSError as error:
            reason = error.strerror or " ".join(str(error).split())
            raise OSError(f"{path} cannot be written: {reason}; free space if the disk is full, and run the same command again: it goes on here") from None
        return row.scenes

    def _rows(self, shard: int, uses: Counter[tuple[str, str, bool, str]]) -> Iterator[dict[str, Any]]:
        for index in self.config.indices(shard):
            scene = draw_scene(self.bank, self.recipe, self.config.seed, index, self.config.split)
            if self.responses is not None:
                scene = place_in(scene, self.responses, np.random.default_rng([*scene.seed, _PLACE_STREAM]))
            audio, scene = render(scene, self.bank, self.config.renderer, self.responses)
            for event in scene.events:
                uses.update({self._origin(name, "events") for name in event.clips or (event.clip,)})
            uses.update({self._origin(name, "ambiences") for name in scene.ambience.clips})
            yield shards.make_row(audio, scene, self.config.classes)

    def _origin(self, name: str, role: str) -> tuple[str, str, bool, str]:
        clip = self.bank.clip(name)
        return clip.package, clip.licence, clip.procedural, role


def _uses(uses: Counter[tuple[str, str, bool, str]]) -> tuple[Use, ...]:
    keys = sorted({key[:3] for key in uses})
    return tuple(Use(package=key[0], licence=key[1], generated=key[2], events=uses[*key, "events"], ambiences=uses[*key, "ambiences"]) for key in keys)


def _check_arguments(scenes: int, workers: int, engine: str, renderer: str) -> None:
    if engine not in ENGINES:
        raise InputError(f"unknown engine {engine!r}; choose one of {', '.join(ENGINES)}")
    if renderer not in get_args(Renderer):
        raise InputError(f"unknown renderer {renderer!r}; choose one of {', '.join(get_args(Renderer))}")
    if renderer == "pyroomacoustics" and importlib.util.find_spec("pyroomacoustics") is None:
        raise InputError("the renderer 'pyroomacoustics' is not installed; pip install pyroomacoustics, or use 'native'")
    if scenes < 1 or not 1 <= workers <= MAX_WORKERS[engine]:
        raise InputError(f"{scenes} scenes with {workers} workers: scenes must be 1 or more, workers 1 to {MAX_WORKERS[engine]}")


def _configuration(recipe: Recipe, seed: int, split: str, renderer: str, bank: Catalogue, scenes: int, chosen: tuple[int, ...], responses: str) -> Config:
    return Config.model_validate(
        {
            "twnm": twnm.__version__,
            "recipe": recipe.model_dump(mode="json"),
            "seed": seed,
            "split": split,
            "renderer": renderer,
            "responses": responses,
            "sound_bank": bank.digest(),
            "procedural_sounds": any(clip.procedural for clip in bank.clips),
            "classes": classes_of(bank),
            "shard_scenes": SHARD_SCENES,
            "scenes": scenes,
            "chosen": chosen,
        }
    )


def _prepare(out: Path, config: Config) -> list[int]:
    """Create the folder, or check that it was begun with the same configuration, and remove what a killed run left; gives the shards to make."""
    if out.is_dir() and any(not path.name.startswith(".twnm-") for path in out.iterdir()):
        _check_same(out, layout.read_config(out), config)
    missing = [shard for shard in range(config.shards) if not layout.is_finished(out, config, shard)]
    try:
        out.mkdir(parents=True, exist_ok=True)
        if missing:
            (out / CHECKSUMS_NAME).unlink(missing_ok=True)  # a folder with checksums is complete
        _sweep(out)
        layout.write_model(out / layout.CONFIG_NAME, config)
        for name in ("data", "manifest"):
            (out / name).mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write to {out}: {error.strerror}; choose another folder") from None
    return missing


def _check_same(out: Path, before: Config, config: Config) -> None:
    other = [name for name in Config.model_fields if name != "scenes" and getattr(before, name) != getattr(config, name)]
    if other:
        raise InputError(f"{out} holds scenes of another configuration ({', '.join(other)} differ); choose another folder or remove it")
    if before.scenes > config.scenes:
        raise InputError(f"{out} holds {before.scenes} scenes, more than the {config.scenes} asked for; choose another folder or remove it")


def _sweep(out: Path) -> None:
    """Remove the temporary files of workers that were killed."""
    for folder in (out, out / "data", out / "manifest"):
        for leftover in folder.glob(".twnm-*"):
            leftover.unlink(missing_ok=True)
