"""What the commands share: the app, the kinds of arguments, checks before work, and printing."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

import twnm
from twnm.errors import InputError
from twnm.terminal import notes, working

if TYPE_CHECKING:
    from twnm.model.hearing import Hearing
    from twnm.model.twnm import Twnm
    from twnm.sounds.catalogue import Catalogue

HELP = """Spatial audio understanding from first-order Ambisonics: what sounds, where, how far, when.

`--debug` anywhere on the line shows the whole traceback of an error."""

app = App(name="twnm", help=HELP, version=twnm.__version__)

Flag = Annotated[bool, Parameter(negative=())]
Options = Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative=())]
Split = Literal["none", "train", "val", "test"]


def check_model(model: str) -> None:
    """Raise InputError unless it is "small" or a folder."""
    if model != "small" and not Path(model).is_dir():
        raise InputError(f'no model {model!r}; give "small" or a folder of trained weights')


def check_counts(**counts: int) -> None:
    """Raise InputError for a count below 1."""
    for name, count in counts.items():
        if count < 1:
            raise InputError(f"--{name} {count} is too small; give 1 or more")


def open_sounds(folder: Path | None) -> "Catalogue":
    """A sound bank; says so when its sounds are synthesised."""
    from twnm.sounds.catalogue import load_catalogue

    with working("opening the sounds"):
        catalogue = load_catalogue(folder)
    if any(clip.procedural for clip in catalogue.clips):
        notes().print(
            "note: no recordings fetched yet, so the sounds are PROCEDURAL (synthesised); `twnm sounds get starter` fetches real ones", soft_wrap=True
        )
    return catalogue


def load(name: str) -> "Twnm":
    """Load a model, with a spinner."""
    import twnm.model.loading

    with working("loading the model"):
        return twnm.model.loading.load(name)


def load_hearing(name: str) -> "Hearing":
    """Load the ears of a model, with a spinner."""
    import twnm.model.loading

    with working("loading the model"):
        return twnm.model.loading.load_hearing(name)


def print_json(row: dict[str, Any]) -> None:
    """Print one JSON object on one line."""
    print(json.dumps(row, ensure_ascii=False))


def print_problems(problems: list[str]) -> int:
    """Print one line per problem and give the exit code."""
    for problem in problems:
        print(problem)
    return 1 if problems else 0
