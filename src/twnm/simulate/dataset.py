"""Scenes on disk: a folder of FLAC audio and Scene JSON that can be stopped, resumed, checked and extended.

    OUT/config.json            recipe, seed, split, version, the sound bank's digest, number of scenes
    OUT/audio/scene_000000.flac  AmbiX (W, Y, Z, X; SN3D), 24 kHz, PCM16
    OUT/scenes/scene_000000.json everything that is true of it
    OUT/licences.md            data card: every package and licence, and whether sounds were generated
    OUT/SHA256SUMS

The same arguments give the same files, whatever the number of processes and however often the work was stopped and resumed.
"""

import json
import multiprocessing
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import twnm
from twnm.audio import write_audio
from twnm.errors import InputError
from twnm.files import atomic_write, write_checksums
from twnm.scene import Scene
from twnm.simulate.render import render
from twnm.simulate.sampler import Recipe, draw_scene
from twnm.sounds.catalogue import Catalogue, load_catalogue

FORMAT = "twnm-scenes-1"
CHUNK = 8
MAX_WORKERS = 256


def write(
    out: Path | str,
    scenes: int,
    seed: int = 0,
    recipe: Recipe | str = "indoor",
    catalogue: Catalogue | None = None,
    split: str = "none",
    workers: int = 1,
) -> Path:
    """Draw, render and store scenes 0 ... `scenes` - 1 in the folder `out`; scenes that are already there are kept.

    Args:
        out: a new or empty folder, or one that an earlier call with the same recipe, seed, split and sound bank began.
        scenes: how many; more than before extends the folder.
        seed: of all draws.
        recipe: a recipe or the name of a built-in one.
        catalogue: the sound bank; None opens what the user has.
        split: the clips to draw from: "train", "val", "test" or "none" (all).
        workers: processes; 1 works in this one.

    Returns:
        The folder.

    Raises:
        InputError: an argument is out of range, `out` holds something else or cannot be written.
    """
    out, recipe = Path(out), Recipe.of(recipe)
    if scenes < 1 or not 1 <= workers <= MAX_WORKERS:
        raise InputError(f"{scenes} scenes with {workers} workers: scenes must be 1 or more, workers 1 to {MAX_WORKERS}")
    bank = load_catalogue() if catalogue is None else catalogue
    draw_scene(bank, recipe, seed, 0, split)  # shows bad arguments before anything is on disk
    _prepare(out, _config(recipe, seed, split, bank, scenes))
    missing = [index for index in range(scenes) if not (_scene_path(out, index).exists() and _audio_path(out, index).exists())]
    _show_progress(_work(out, missing, seed, recipe, bank, split, workers), len(missing))
    with atomic_write(out / "licences.md") as temporary:
        temporary.write_text(_data_card(out, scenes), encoding="utf-8")
    write_checksums(out)
    return out


def read_scenes(folder: Path | str) -> Iterator[tuple[Path, Scene]]:
    """The audio file and the scene of each index, in order; raises InputError when `folder` is no such data set or is incomplete."""
    folder = Path(folder)
    config = _read_config(folder)
    if config is None:
        raise InputError(f"{folder} has no config.json: it is not a folder of simulated scenes; give one that `write` made")
    for index in range(config["scenes"]):
        scene, audio = _scene_path(folder, index), _audio_path(folder, index)
        if not (scene.exists() and audio.exists()):
            raise InputError(f"{folder} lacks scene {index} of {config['scenes']}; run the simulation again with the same arguments to complete it")
        yield audio, Scene.from_json(scene.read_text(encoding="utf-8"))


def _audio_path(out: Path, index: int) -> Path:
    return out / "audio" / f"scene_{index:06d}.flac"


def _scene_path(out: Path, index: int) -> Path:
    return out / "scenes" / f"scene_{index:06d}.json"


def _config(recipe: Recipe, seed: int, split: str, bank: Catalogue, scenes: int) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "twnm": twnm.__version__,
        "recipe": recipe.model_dump(mode="json"),
        "seed": seed,
        "split": split,
        "sound_bank": bank.digest(),
        "procedural_sounds": any(clip.procedural for clip in bank.clips),
        "scenes": scenes,
    }


def _read_config(out: Path) -> dict[str, Any] | None:
    path = out / "config.json"
    if not path.exists():
        return None
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        config = None
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise InputError(f"{path} is not a description of simulated scenes; choose another folder")
    return config


def _prepare(out: Path, config: dict[str, Any]) -> None:
    """Create the folder, or check that it was begun with the same configuration; leftovers of a killed run are removed."""
    before = _read_config(out) if out.is_dir() else None
    if before is not None:
        other = [name for name in config if name != "scenes" and before.get(name) != config[name]]
        if other:
            raise InputError(f"{out} holds scenes of another configuration ({', '.join(other)} differ); choose another folder or remove it")
        if before["scenes"] > config["scenes"]:
            raise InputError(f"{out} holds {before['scenes']} scenes, more than the {config['scenes']} asked for; choose another folder or remove it")
    elif out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out} is not empty and holds no simulated scenes; choose another folder")
    try:
        for folder in (out, out / "audio", out / "scenes"):
            folder.mkdir(parents=True, exist_ok=True)
            for leftover in folder.glob(".twnm-*"):
                leftover.unlink()
    except OSError as error:
        raise InputError(f"cannot write to {out}: {error.strerror}; choose another folder") from None
    with atomic_write(out / "config.json") as temporary:
        temporary.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _make(out: Path, indices: list[int], seed: int, recipe: Recipe, bank: Catalogue, split: str) -> int:
    for index in indices:
        audio, scene = render(draw_scene(bank, recipe, seed, index, split), bank)
        with atomic_write(_audio_path(out, index)) as temporary:
            write_audio(temporary, audio)
        with atomic_write(_scene_path(out, index)) as temporary:
            temporary.write_text(scene.to_json() + "\n", encoding="utf-8")
    return len(indices)


def _work(out: Path, missing: list[int], seed: int, recipe: Recipe, bank: Catalogue, split: str, workers: int) -> Iterator[int]:
    """Make the missing scenes, yielding how many each finished chunk had."""
    chunks = [missing[first : first + CHUNK] for first in range(0, len(missing), CHUNK)]
    if workers == 1:
        for chunk in chunks:
            yield _make(out, chunk, seed, recipe, bank, split)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker, initargs=(out, seed, recipe, bank, split)) as pool:
        try:
            for future in as_completed([pool.submit(_make_in_worker, chunk) for chunk in chunks]):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


_worker_arguments: list[tuple[Path, int, Recipe, Catalogue, str]] = []  # what every chunk of a worker process has in common


def _start_worker(*arguments: Any) -> None:
    _worker_arguments[:] = [arguments]


def _make_in_worker(indices: list[int]) -> int:
    out, seed, recipe, bank, split = _worker_arguments[0]
    return _make(out, indices, seed, recipe, bank, split)


def _show_progress(finished: Iterator[int], total: int) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("simulating"), BarColumn(), MofNCompleteColumn(), TextColumn("scenes"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("simulating", total=total)
        for count in finished:
            progress.advance(task, count)


def _data_card(out: Path, scenes: int) -> str:
    """Which packages and licences the scenes' sounds have."""
    uses: Counter[tuple[str, str, bool]] = Counter()
    clips: dict[tuple[str, str, bool], set[str]] = {}
    for _, scene in read_scenes(out):
        for event in scene.events:
            key = (event.package or "(unnamed)", event.licence or "(unknown)", event.procedural)
            uses[key] += 1
            clips.setdefault(key, set()).add(event.clip)
    generated = sum(count for (_, _, procedural), count in uses.items() if procedural)
    rows = [f"| {key[0]} | {key[1]} | {'generated' if key[2] else 'recorded'} | {len(clips[key])} | {uses[key]} |" for key in sorted(uses)]
    return "\n".join(
        [
            "# Data card",
            "",
            f"{scenes} simulated scenes, first-order Ambisonics (AmbiX: W, Y, Z, X; SN3D), 24 kHz, PCM16 FLAC, made by twnm {twnm.__version__}.",
            f"{generated} of {uses.total()} events are procedurally generated sounds, not recordings.",
            "",
            "| package | licence | sounds | clips | events |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )
