"""Commands for the dry sounds: sounds list, get, add, verify."""

from pathlib import Path
from typing import Literal

from cyclopts import App
from rich.console import Console

from twnm.commands.shared import app, open_sounds, print_problems
from twnm.terminal import notes, working

sounds_app = App(name="sounds", help="The dry sounds that scenes are made of.")
app.command(sounds_app)


@sounds_app.command(name="list")
def sounds_list(*, sounds: Path | None = None) -> None:
    """Show the classes and clips of a sound bank.

    Parameters
    ----------
    sounds
        Its folder; your own catalogue if absent.
    """
    from twnm.sounds.catalogue import summary

    Console().print(summary(open_sounds(sounds)))


@sounds_app.command(name="get")
def sounds_get(bank: Literal["starter"] = "starter") -> None:
    """Fetch the starter bank: 325 recordings of 28 classes, 45 MB, once.

    Parameters
    ----------
    bank
        Which bank; there is one.
    """
    from twnm.sounds.fetch import get_starter

    print(get_starter(notes()))


@sounds_app.command(name="add")
def sounds_add(folder: Path) -> None:
    """Add a folder of your own sounds to the catalogue.

    Parameters
    ----------
    folder
        Holds one folder of audio files per class, or manifest.json. It stays where it is.
    """
    from twnm.sounds.folder import add_folder

    print(add_folder(folder))


@sounds_app.command(name="verify")
def sounds_verify(*, sounds: Path | None = None) -> int:
    """Check that every clip is there, unchanged and decodes; exit code 1 and one line per problem.

    Parameters
    ----------
    sounds
        A folder; your own catalogue if absent.
    """
    from twnm.sounds.catalogue import verify as verify_sounds

    catalogue = open_sounds(sounds)
    with working("checking every clip"):
        problems = verify_sounds(catalogue)
    if not problems:
        print(f"all {len(catalogue)} clips are well")
    return print_problems(problems)
