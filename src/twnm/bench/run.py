"""Putting a benchmark to systems: `run` asks what is missing in a run folder, in parallel over recordings, and appends the replies as they come.

    RUN/results.jsonl    one line for each reply (`results`)
    RUN/run.json         what was run: benchmark, its hashes, systems, controls, versions
    RUN/predictions.jsonl    of the split "unanswered" only: system, sample_id and letter (null: none could be read) in each line

Run again, it asks only for what is missing or failed. A recording that is missing, a system that raises, hangs, dies or answers nonsense costs its
questions the outcome "failed" or "unparseable", and the run goes on.
"""

import functools
import json
import os
import platform
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import twnm
from twnm.bench import systems
from twnm.bench.asking import Ask, Load, Wanted, answered, failed, input_hash
from twnm.bench.controls import control_name
from twnm.bench.crew import WorkerDied, work
from twnm.bench.data import UNANSWERED, Benchmark
from twnm.bench.results import NOT_APPLICABLE, Results, key_of, read_rows
from twnm.bench.score import SCORER_VERSION
from twnm.corpora.shared import UnansweredItem
from twnm.errors import InputError
from twnm.files import CHECKSUMS_NAME, atomic_write, sha256_file
from twnm.questions.schema import Item

RUN_NAME: Final = "run.json"
PREDICTIONS_NAME: Final = "predictions.jsonl"
LOAD_LIMIT_S: Final = 900.0
QUESTION_LIMIT_S: Final = 180.0
MAX_WORKERS: Final = 256
_PACKAGES: Final = ("numpy", "scipy", "torch", "transformers")
Progress = Callable[[Iterator[int], int], Iterator[int]]


@dataclass(frozen=True)
class Done:
    """What a call of `run` did: replies asked for now, of which failed or not applicable, replies that were there, and damaged lines in the results."""

    asked: int
    failed: int
    there: int
    corrupt: int
    not_applicable: int = 0

    def __str__(self) -> str:
        parts = [f"asked {self.asked}", f"{self.there} were there"]
        others = {"failed": self.failed, "not applicable": self.not_applicable, "damaged lines in the results": self.corrupt}
        return ", ".join([*parts, *(f"{count} {name}" for name, count in others.items() if count)])


def run(
    names: Sequence[str],
    data: Path | str,
    out: Path | str,
    split: str = "test",
    controls: Sequence[str] = (),
    workers: int = 1,
    limit: int | None = None,
    progress: Progress | None = None,
    load: Load = systems.load,
    question_limit_s: float = QUESTION_LIMIT_S,
    load_limit_s: float = LOAD_LIMIT_S,
) -> Done:
    """Ask systems what is missing in the run folder `out`.

    Args:
        names: of systems, as `load` takes them.
        data: the folder of a benchmark.
        out: the run folder, new or of an earlier run with the same items.
        split: "val", "test" or "unanswered".
        controls: names from `twnm.bench.controls`, asked beside the benchmark as it is; none where answers are kept back.
        workers: processes of one thread each; each holds one system.
        limit: only the first so many recordings.
        progress: given how many replies each finished recording had, and how many there are to ask; passes the counts on.
        load: makes a system from its name and the benchmark's folder, in the worker.
        question_limit_s, load_limit_s: how long a system may take for a question, and to be loaded.

    Raises:
        InputError: unknown system, control or split, a system that cannot be loaded, a run folder of another benchmark or in use.
    """
    if split == UNANSWERED and any(controls):
        raise InputError(f"controls {', '.join(controls)} with the split {split}: without answers they show nothing; leave --controls out")
    data, out = Path(data).absolute(), Path(out)
    benchmark = Benchmark(data, split)
    chosen = ("", *dict.fromkeys(control_name(name) for name in controls if name))
    if not names or not 1 <= workers <= MAX_WORKERS or (limit is not None and limit < 1):
        raise InputError(f"{len(names)} systems, {workers} workers, limit {limit}: give one system or more, 1 to {MAX_WORKERS} workers, a limit of 1 or more")
    if load is systems.load:
        for name in names:
            systems.check_name(name)
    _describe(out, benchmark, names, chosen, limit)
    serve = functools.partial(answered, load, data, split)
    hashes: dict[str, str] = {}
    counted: Counter[str] = Counter()
    with Results(out) as results:
        plan = functools.partial(_plan, benchmark, list(dict.fromkeys(names)), chosen, limit, results.done, hashes)
        there, todo = _count(plan)

        def limit_s(ask: Ask, before: Ask | None) -> float:
            return question_limit_s * len(ask.wanted) + load_limit_s * (before is None or before.system != ask.system)

        def replies() -> Iterator[int]:
            for ask, answer in work(serve, (ask for ask, _ in plan() if ask.wanted), workers, limit_s):
                if isinstance(answer, (WorkerDied, TimeoutError)):
                    answer = failed(ask, str(answer))
                elif isinstance(answer, Exception):
                    raise answer
                results.append(answer)
                counted.update(row["outcome"] for row in answer)
                yield len(answer)

        counts = replies()
        for _ in counts if progress is None else progress(counts, todo):
            pass
    if split == UNANSWERED:
        write_predictions(out)
    return Done(counted.total(), counted["failed"], there, len(results.corrupt), counted[NOT_APPLICABLE])


def write_predictions(out: Path) -> None:
    """Write the letters of a run on items without answers, by system in the order of the items' first replies."""
    letters = {(row["system"], row["sample_id"]): row["read"] for row in read_rows(out)}
    with atomic_write(out / PREDICTIONS_NAME) as temporary, temporary.open("w", encoding="utf-8") as lines:
        for (system, sample_id), letter in letters.items():
            lines.write(json.dumps({"system": system, "sample_id": sample_id, "letter": letter}, ensure_ascii=False) + "\n")


def _plan(
    benchmark: Benchmark, names: Sequence[str], controls: Sequence[str], limit: int | None, done: set[bytes], hashes: dict[str, str]
) -> Iterator[tuple[Ask, int]]:
    """What is missing of each system about each recording, and how many replies are there; `hashes` keeps those of recordings."""
    for system in names:
        for place, items in enumerate(benchmark.groups()):
            if limit is not None and place >= limit:
                break
            if items[0].file_name not in hashes:
                hashes[items[0].file_name] = _audio_hash(benchmark, items[0].file_name)
            wanted = [Wanted(control, item, input_hash(hashes[item.file_name], control, item)) for control in controls for item in items]
            missing = tuple(one for one in wanted if key_of(_names(system, one.control, one.item, one.input_hash)) not in done)
            yield Ask(system, items[0].file_name, place, missing), len(wanted) - len(missing)


def _names(system: str, control: str, item: Item | UnansweredItem, hashed: str) -> dict[str, str]:
    return {"system": system, "control": control, "sample_id": item.sample_id, "input_hash": hashed}


def _audio_hash(benchmark: Benchmark, file_name: str) -> str:
    try:
        return benchmark.audio_hash(file_name)
    except InputError:
        return "missing"


def _count(plan: Callable[[], Iterator[tuple[Ask, int]]]) -> tuple[int, int]:
    there = todo = 0
    for ask, found in plan():
        there, todo = there + found, todo + len(ask.wanted)
    return there, todo


def _describe(out: Path, benchmark: Benchmark, names: Sequence[str], controls: Sequence[str], limit: int | None) -> None:
    """Write run.json, or add to it; a folder of another benchmark is refused."""
    path, sums = out / RUN_NAME, benchmark.folder / CHECKSUMS_NAME
    same = {"split": benchmark.split, "items_sha256": benchmark.digest(), "scorer": SCORER_VERSION}
    before = _before(path)
    weights = {name: digest for name in names if (digest := systems.weights_digest(name))}
    known: dict[str, str] = before.get("weights", {})
    other = [name for name, digest in weights.items() if known.get(name, digest) != digest]
    if other:
        raise InputError(f"{out} holds replies of {', '.join(other)} with other weights; give another --out")
    if before and any(before.get(name) != value for name, value in same.items()):
        raise InputError(f"{out} holds results of another benchmark, split or scorer; give another --out, or the same --data and --split")
    given = ["--controls", *filter(None, controls)] * (len(controls) > 1) + ["--limit", str(limit)] * (limit is not None)
    command = shlex.join(["twnm", "bench", "run", *names, "--data", str(benchmark.folder), "--split", benchmark.split, "--out", str(out), *given])
    row = same | {
        "data": str(benchmark.folder),
        "audio": benchmark.kind,
        "data_sha256": sha256_file(sums) if sums.is_file() else None,
        "systems": list(dict.fromkeys([*before.get("systems", []), *names])),
        "controls": list(dict.fromkeys([*before.get("controls", []), *filter(None, controls)])),
        "commands": list(dict.fromkeys([*before.get("commands", []), command])),
        "weights": known | weights,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "versions": {"twnm": twnm.__version__, "python": platform.python_version()} | {name: version(name) for name in _PACKAGES},
    }
    out.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")


def _before(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); remove it to go on with the results beside it") from None
