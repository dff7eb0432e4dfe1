"""What the readers share: a corpus in memory, items without answers, checks of what was published, and the folder that an import writes.

    OUT/audio/NAME.flac                  24 kHz, 16 bits; AmbiX (W, Y, Z, X; SN3D), or left and right ear
    OUT/items-{train,val,test}.jsonl     an Item in each line, those about one recording together; `file_name` is relative to OUT
    OUT/unanswered.jsonl                 an UnansweredItem in each line; only if the corpus keeps answers back
    OUT/scenes.jsonl                     a Scene in each line; only if the corpus describes its recordings
    OUT/import.json                      what was asked for, counts, and what the reader found out
    OUT/SHA256SUMS                       written last: a folder with it is complete

The items and recordings are as `twnm.bench.data` reads them.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, get_args

import numpy as np
import soundfile
from jaxtyping import Float32
from pydantic import BaseModel, ConfigDict, Field

from twnm.audio import write_audio
from twnm.errors import InputError
from twnm.files import CHECKSUMS_NAME, atomic_write, write_checksums
from twnm.questions.answer import LETTERS
from twnm.questions.ask import TASKS
from twnm.questions.schema import Family, Form, Item, Level
from twnm.scene import Scene

FORMAT: Final = "twnm-import-1"
REPORT_NAME: Final = "import.json"
UNANSWERED_NAME: Final = "unanswered.jsonl"
Split = Literal["train", "val", "test"]
SPLITS: Final[tuple[Split, ...]] = get_args(Split)
CHANNELS: Final = {"foa": 4, "binaural": 2}
_SPACE: Final = re.compile(
    r"azimuth|elevation|distance|direction|locat|locali[sz]|rotat|turn|side|spatial|position|closer|relative|separation|traject|motion|room|reverb|environment"
)
_TIME: Final = re.compile(r"time|tempor|onset|offset|duration|order|before|overlap|sequence")
_WHAT: Final = re.compile(r"count|identif|class|event|recogni|caption|absent|number|loudness|pitch|stage_?1")
_MIXED: Final = re.compile(r"bind|compound|abduc|counterfactual|remov|plan|action|scene")


class UnansweredItem(BaseModel):
    """A multiple-choice question whose answer the corpus keeps back: it can be put to a system, and its reply submitted, but not scored here.

    The fields are those of an Item of multiple choice that has no twin.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    form: ClassVar[Form] = "choice"
    transform: ClassVar[str] = ""
    twin: ClassVar[str | None] = None

    sample_id: str
    scene_id: str
    file_name: str
    level: Level
    task: str
    family: Family
    question: str
    options: tuple[str, ...] = Field(min_length=2, max_length=len(LETTERS))


@dataclass(frozen=True)
class Clip:
    """A recording with what is asked about it. `read` gives its samples at 24 kHz; `name` is that of the file it is written to, without suffix.

    `split` is what it may be used for: learning (train), choosing (val), or measuring (test).
    """

    name: str
    split: Split
    read: Callable[[], Float32[np.ndarray, "channels samples"]]
    items: tuple[Item | UnansweredItem, ...]
    scene: Scene | None = None


@dataclass(frozen=True)
class Corpus:
    """All that was read: `notes` is what the reader found out and left out, as JSON."""

    name: str
    kind: Literal["foa", "binaural"]
    clips: Sequence[Clip]
    notes: dict[str, Any]

    @property
    def items(self) -> tuple[Item, ...]:
        """The items with answers."""
        return tuple(item for clip in self.clips for item in clip.items if isinstance(item, Item))

    @property
    def unanswered(self) -> tuple[UnansweredItem, ...]:
        """The items whose answers are kept back."""
        return tuple(item for clip in self.clips for item in clip.items if isinstance(item, UnansweredItem))


def audio_name(name: str) -> str:
    """The `file_name` of the items of a clip."""
    return f"audio/{name}.flac"


def safe_name(text: str) -> str:
    """A text as the name of a file: what is no letter, digit, dot, minus or underscore becomes an underscore."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", text).strip("._")


def family_of(task: str) -> Family:
    """The family of a task by its name: that of our task of the same name, else by the words in it (see docs/corpora.md); "mixed" for any other."""
    if task in TASKS:
        return TASKS[task].family
    name = task.casefold()
    space, time = bool(_SPACE.search(name)), bool(_TIME.search(name))
    if _MIXED.search(name) or (space and time):
        return "mixed"
    return "spatial" if space else "temporal" if time else "semantic" if _WHAT.search(name) else "mixed"


def make_item(where: str, letter: str | None, **fields: Any) -> Item | UnansweredItem:
    """An item with the answer `letter`, or without one if it is None.

    Args:
        where: names the row in an error.
        letter: of the right option; None if the corpus keeps it back.
        fields: those of UnansweredItem.

    Raises:
        InputError: the fields are no question, or the letter is that of no option.
    """
    options = fields["options"]
    if not fields["question"].strip():
        raise InputError(f"{where} has no text to ask")
    if letter is not None and letter not in LETTERS[: len(options)]:
        raise InputError(f"{where}: the answer {letter!r} is none of its {len(options)} options, which are {', '.join(LETTERS[: len(options)])}")
    try:
        if letter is None:
            return UnansweredItem(**fields)
        return Item(**fields, answer_letter=letter, answer_text=options[LETTERS.index(letter)], derivation="", evidence=())
    except ValueError as error:
        raise InputError(f"{where} is no question: {' '.join(str(error).split())}") from None


def check_folder(folder: Path) -> None:
    """Raise InputError unless it is a folder."""
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; give the folder of the corpus")


def read_json(path: Path) -> Any:
    """A JSON file; raises InputError when it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON ({' '.join(str(error).split())}); copy it again") from None


def audio_below(folder: Path, name: str) -> Path:
    """The recording `name` below `folder`; raises InputError when it is not there, or elsewhere."""
    path = Path(os.path.normpath(folder / name))  # not resolved: in a cache of the hub the files are links to elsewhere
    if not path.is_relative_to(os.path.normpath(folder)):
        raise InputError(f"the audio {name!r} lies outside {folder}; allowed are paths below it")
    if not path.is_file():
        raise InputError(f"{path} does not exist, but a question names it; copy the audio beside the questions")
    return path


def check_audio(path: Path, kind: str) -> float:
    """How long a recording of a kind of CHANNELS lasts, seconds, by its header; raises InputError when it is no such recording."""
    try:
        info = soundfile.info(path)
    except soundfile.LibsndfileError as error:
        raise InputError(f"{path} cannot be read as audio ({error.error_string.rstrip('.')}); copy it again") from None
    if info.channels != CHANNELS[kind]:
        raise InputError(f"{path} has {info.channels} channel{'s' * (info.channels != 1)}; this corpus has {CHANNELS[kind]}")
    return float(info.frames / info.samplerate)


def write_corpus(
    corpus: Corpus, out: Path, request: dict[str, Any], progress: Callable[[Iterable[Clip]], Iterable[Clip]] = lambda clips: clips
) -> dict[str, Any]:
    """Write a corpus as the folder above; audio that is there already is kept, so that a stopped import goes on.

    Args:
        corpus: what to write.
        out: a new or empty folder, or one that the same request began.
        request: what was asked for, as JSON.
        progress: passes the clips on.

    Returns:
        What `import.json` holds.

    Raises:
        InputError: `out` holds something else or cannot be written, two clips have one name, or a recording cannot be read.
    """
    doubled = [name for name, count in Counter(clip.name for clip in corpus.clips).items() if count > 1]
    if doubled:
        raise InputError(f"two recordings of the corpus would be written to {audio_name(doubled[0])}; rename one")
    request = {"corpus": corpus.name, **request}
    _prepare(out, request)
    for clip in progress(corpus.clips):
        path = out / audio_name(clip.name)
        if not path.exists():
            write_audio(path, _unclipped(clip.read()))
    scenes = [clip.scene.model_dump(mode="json") for clip in corpus.clips if clip.scene is not None]
    for split in SPLITS:
        rows = [item.to_row() for clip in corpus.clips if clip.split == split for item in clip.items if isinstance(item, Item)]
        _write_lines(out / f"items-{split}.jsonl", rows)
    _write_lines(out / UNANSWERED_NAME, [item.model_dump(mode="json") for item in corpus.unanswered])
    _write_lines(out / "scenes.jsonl", scenes)
    report = {"format": FORMAT, "request": request, "audio": corpus.kind} | _counts(corpus) | corpus.notes
    _write_json(out / REPORT_NAME, report)
    write_checksums(out)
    return report


def _counts(corpus: Corpus) -> dict[str, Any]:
    everything = [item for clip in corpus.clips for item in clip.items]
    tasks = Counter((item.level, item.task, item.family) for item in everything)
    return {
        "recordings": len(corpus.clips),
        "questions": len(corpus.items),
        "splits": dict(Counter(clip.split for clip in corpus.clips for item in clip.items if isinstance(item, Item))),
        "unanswered": len(corpus.unanswered),
        "tasks": [{"level": level, "task": task, "family": family, "questions": count} for (level, task, family), count in sorted(tasks.items())],
    }


def _prepare(out: Path, request: dict[str, Any]) -> None:
    memory = out / REPORT_NAME
    if out.is_dir() and any(not path.name.startswith(".twnm-") for path in out.iterdir()):
        if not memory.is_file():
            raise InputError(f"{out} is not empty and holds no import; choose another folder")
        if read_json(memory).get("request") != request:
            raise InputError(f"{out} holds another import; choose another folder or remove it")
    try:
        (out / "audio").mkdir(parents=True, exist_ok=True)
        (out / CHECKSUMS_NAME).unlink(missing_ok=True)
        for leftover in out.rglob(".twnm-*"):
            leftover.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"cannot write to {out}: {error.strerror}; choose another folder") from None
    if not memory.is_file():
        _write_json(memory, {"format": FORMAT, "request": request})


def _unclipped(audio: Float32[np.ndarray, "channels samples"]) -> Float32[np.ndarray, "channels samples"]:
    """Samples that 16 bits hold: one gain for all channels, which leaves directions as they are."""
    return audio / np.float32(max(1.0, float(np.abs(audio).max(initial=0.0))))


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_lines(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """One JSON object a line; no file without rows."""
    path.unlink(missing_ok=True)
    if rows:
        with atomic_write(path) as temporary:
            temporary.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
