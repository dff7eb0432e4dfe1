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
        Its folder; your own catalogue if absent: what was fetched and added, each bank with its place.
    """
    from twnm.sounds.catalogue import load_catalogue, summary
    from twnm.sounds.folder import known_banks

    lines: list[str] = []
    with working("opening the sounds"):
        catalogue = load_catalogue(sounds, lines)
    lines += [f"{name}: {place}" for name, place in known_banks().items()] if sounds is None else []
    console = Console()
    console.print(summary(catalogue))
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False)


@sounds_app.command(name="get")
def sounds_get(bank: Literal["starter", "debian"] = "starter") -> None:
    """Fetch a bank of recordings, package by package; stopped and run again it goes on.

    Parameters
    ----------
    bank
        starter: 325 clips of 28 classes, 45 MB of downloads. debian: 1,235 clips of 36 classes, 2.6 GB of
        downloads.
    """
    from twnm.sounds.fetch import get_bank

    print(get_bank(bank, notes()))


@sounds_app.command(name="add")
def sounds_add(folder: Path) -> None:
    """Add a folder of your own sounds to the catalogue.

    Parameters
    ----------
    folder
        One folder of audio files per class, FSD50K, ESC-50, LibriSpeech, LibriTTS-R (or a part of one), or a folder with manifest.json. It stays
        where it is.
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
