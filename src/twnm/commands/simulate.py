"""Commands that make data: simulate, questions, verify, export."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from twnm.ambisonics import Layout
from twnm.commands.shared import Flag, Split, app, open_sounds, print_problems
from twnm.errors import InputError
from twnm.terminal import make_folder, notes, working

if TYPE_CHECKING:
    from twnm.simulate.measured import Responses

Renderer = Literal["native", "pyroomacoustics"]


@app.command
def simulate(
    out: Path,
    *,
    scenes: int | None = None,
    seed: int = 0,
    recipe: str = "indoor",
    sounds: Path | None = None,
    split: Split = "none",
    workers: int = 1,
    engine: Literal["processes", "ray"] = "processes",
    renderer: Renderer = "native",
    responses: Path | None = None,
    layout: Layout = "ambix",
    preview: Flag = False,
) -> None:
    """Draw, render and store scenes; run again to resume, or with more scenes to extend.

    Parameters
    ----------
    out
        A new folder, or one that the same command began.
    scenes
        How many.
    seed
        Of all draws: the same seed and sounds give the same files.
    recipe
        indoor, outdoor, reverberant, moving, anechoic or benchmark, or a file of your own that ends in .toml.
    sounds
        Folder of dry sounds; your own catalogue (`twnm sounds list`) if absent.
    split
        Which recordings to draw from; none: all.
    workers
        Processes, or Ray workers; the files do not depend on it.
    engine
        processes: on this machine; ray: on the cluster that RAY_ADDRESS names, or a local one. The files do not depend on it.
    renderer
        native; or pyroomacoustics: another simulator, much slower, for a foreign test set.
    responses
        Measured room responses, a folder or a file: the scenes are put into that room, and nothing moves.
    layout
        Order and weights of the channels of the responses; no file says which it is.
    preview
        Make no data set: show the first scene as pictures and a binaural file in OUT.
    """
    if preview and scenes is None:
        return _preview(out, seed, recipe, sounds, split, renderer, _measured(responses, layout))
    if preview or scenes is None:
        raise InputError("give --scenes N to make a data set, or --preview to look at the first scene")
    from twnm.simulate.dataset import size_bytes, write
    from twnm.simulate.recipe import Recipe

    drawn_from, room = Recipe.of(recipe), _measured(responses, layout)
    bank = open_sounds(sounds and sounds.absolute())
    rate = _Rate("simulating")
    write(out, scenes, seed, drawn_from, bank, split, workers, engine, renderer, rate, room)
    print(f"{scenes} scenes in {out}, {size_bytes(out) / 1e6:.1f} MB; {rate}")


def _measured(responses: Path | None, layout: Layout) -> "Responses | None":
    from twnm.simulate.measured import load_responses

    return None if responses is None else load_responses(responses, layout)


def _preview(out: Path, seed: int, recipe: str, sounds: Path | None, split: Split, renderer: Renderer, room: "Responses | None") -> None:
    import numpy as np

    from twnm.preview import write_preview
    from twnm.simulate.measured import place_in
    from twnm.simulate.recipe import Recipe
    from twnm.simulate.render import render
    from twnm.simulate.sampler import draw_scene

    drawn_from = Recipe.of(recipe)
    bank = open_sounds(sounds)
    scene = draw_scene(bank, drawn_from, seed, 0, split)
    if room is not None:
        scene = place_in(scene, room, np.random.default_rng(seed))
    make_folder(out)
    with working("drawing"):
        audio, scene = render(scene, bank, renderer, room)
        paths = write_preview(out, audio, scene, bank)
    for path in paths:
        print(path)


@app.command
def questions(out: Path, *, seed: int = 0) -> int:
    """Ask about every scene of a simulated folder and write questions.jsonl into it.

    Parameters
    ----------
    out
        A folder that `twnm simulate` made.
    seed
        Of the choice of questions and wordings.
    """
    from twnm.questions.ask import write_questions
    from twnm.simulate.layout import QUESTIONS_NAME, read_config, verify, write_sums

    read_config(out)
    problems = [problem for problem in verify(out) if problem not in (f"extra: {QUESTIONS_NAME}", f"changed: {QUESTIONS_NAME}")]
    if problems:  # questions about damaged scenes would have wrong answers, and checksums written now would hide the damage
        return print_problems(problems)
    with working("asking"):
        path = write_questions(out, seed=seed)
        write_sums(out)
    with path.open(encoding="utf-8") as lines:
        print(f"{sum(1 for _ in lines)} questions in {path}")
    return 0


@app.command
def verify(out: Path) -> int:
    """Check a folder against its SHA256SUMS; exit code 1 and one line per missing, extra, changed, corrupt or unfinished file.

    Parameters
    ----------
    out
        A folder that `twnm simulate` made, or any with SHA256SUMS.
    """
    from twnm.simulate.layout import verify as problems_of

    with working("verifying"):
        problems = problems_of(out)
    if not problems:
        print(f"{out}: all files are as recorded")
    return print_problems(problems)


@app.command
def export(out: Path, dest: Path) -> None:
    """Write a simulated folder as DCASE audio and metadata: foa_dev, metadata_dev, classes.txt; run again to resume.

    Parameters
    ----------
    out
        A folder that `twnm simulate` made.
    dest
        A new folder, or one that the same command began.
    """
    from twnm.simulate.export import export_dcase

    rate = _Rate("exporting")
    export_dcase(out, dest, rate)
    print(f"{rate.total} scenes in {dest}; {rate}")


class _Rate:
    """A progress bar with rate and time left, which can say afterwards how fast it went."""

    def __init__(self, what: str) -> None:
        self.what, self.total, self.seconds = what, 0, 0.0

    def __call__(self, counts: Iterator[int], total: int) -> Iterator[int]:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
        from rich.text import Text

        class RateColumn(ProgressColumn):
            def render(self, task: Task) -> Text:
                return Text(f"{task.speed:.1f} scenes/s" if task.speed else "")

        started_s, self.total = time.monotonic(), total
        columns = (TextColumn(self.what), BarColumn(), MofNCompleteColumn(), RateColumn(), TimeRemainingColumn())
        with Progress(*columns, console=notes(), disable=not sys.stderr.isatty()) as progress:
            task = progress.add_task(self.what, total=total)
            for count in counts:
                progress.advance(task, count)
                yield count
        self.seconds = time.monotonic() - started_s

    def __str__(self) -> str:
        return f"{self.total} now, in {self.seconds:.1f} s ({self.total / max(self.seconds, 1e-9):.1f} scenes/s)"
