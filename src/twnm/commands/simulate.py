"""Commands that make data: simulate, questions, verify."""

from pathlib import Path

from twnm.commands.shared import Split, app, open_sounds, print_problems
from twnm.files import verify_checksums, write_checksums
from twnm.terminal import working


@app.command
def simulate(out: Path, *, scenes: int, seed: int = 0, recipe: str = "indoor", sounds: Path | None = None, workers: int = 1, split: Split = "none") -> None:
    """Draw, render and store scenes; run again to resume.

    Parameters
    ----------
    out
        A new folder, or one that the same command began.
    scenes
        How many.
    seed
        Of all draws: the same seed and sounds give the same files.
    recipe
        indoor, anechoic or benchmark.
    sounds
        Folder of dry sounds; your own catalogue (`twnm sounds list`) if absent.
    workers
        Processes; the files do not depend on it.
    split
        Which recordings to draw from; none: all.
    """
    from twnm.simulate.dataset import write
    from twnm.simulate.sampler import Recipe

    Recipe.of(recipe)
    write(out, scenes, seed, recipe, open_sounds(sounds), split, workers)
    print(f"{scenes} scenes in {out}")


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

    problems = [problem for problem in verify_checksums(out) if problem not in ("extra: questions.jsonl", "changed: questions.jsonl")]
    if problems:  # checksums written now would hide them
        return print_problems(problems)
    with working("asking"):
        path = write_questions(out, seed=seed)
        write_checksums(out)
    with path.open(encoding="utf-8") as lines:
        print(f"{sum(1 for _ in lines)} questions in {path}")
    return 0


@app.command
def verify(out: Path) -> int:
    """Compare a folder with its SHA256SUMS; exit code 1 and one line per missing, extra or changed file.

    Parameters
    ----------
    out
        A folder that `twnm simulate` made, or any with SHA256SUMS.
    """
    problems = verify_checksums(out)
    if not problems:
        print(f"{out}: all files are as recorded")
    return print_problems(problems)
