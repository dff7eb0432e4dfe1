"""The data sets and runs that are browsed: where their items, replies and recordings lie."""

import json
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float32

from twnm.bench.data import SPLITS, Benchmark, items_path
from twnm.bench.results import RESULTS_NAME
from twnm.bench.run import RUN_NAME
from twnm.errors import InputError
from twnm.questions.schema import Item
from twnm.questions.twins import Transform, twin_of
from twnm.scene import Scene
from twnm.simulate.dataset import SceneSet
from twnm.simulate.layout import CONFIG_NAME, QUESTIONS_NAME
from twnm.studio.browse_index import Index
from twnm.studio.refusals import Refused


@dataclass
class BrowseSet:
    """A set: its index, and the benchmark or data set that has its recordings. `problem` says why it cannot be used, if it cannot."""

    set_id: str
    kind: Literal["data", "run"]
    name: str
    index: Index
    source: Benchmark | SceneSet
    problem: str | None = None
    _thread: threading.Thread | None = field(default=None, repr=False)

    def refresh(self) -> None:
        """Have the index made in the background if the files have changed; raises Refused (503) as long as there is none, 410 if it cannot be made."""
        busy = self._thread is not None and self._thread.is_alive()
        if not busy and not self.index.fresh():
            self._thread = threading.Thread(target=self._build, name="twnm index", daemon=True)
            self._thread.start()
        self.check()

    def check(self) -> None:
        """Raise Refused unless the index can be used."""
        if self.index.there():
            return
        if self.problem is not None:
            raise Refused(410, "gone", self.problem)
        raise Refused(503, "indexing", f"{self.name} is being indexed", retry_s=1)

    def _build(self) -> None:
        try:
            self.index.build()
            self.problem = None
        except (InputError, OSError) as error:
            self.problem = str(error)

    def recording(self, item: Item) -> tuple[Float32[np.ndarray, "channels samples"], Scene | None]:
        """The audio of an item with its transform, and the scene that is then true, if it is known; raises InputError when it is missing or damaged.

        Audio is AmbiX, or left and right where a corpus has that.
        """
        foa, scene = self.source.recording(item.file_name) if isinstance(self.source, Benchmark) else self.source[item.scene_id]
        transform = Transform.of(item.transform)
        if not item.transform:
            return foa, scene
        return transform.audio(foa), None if scene is None else twin_of(scene, transform)


def open_sets(data: tuple[Path, ...], runs: tuple[Path, ...]) -> list[BrowseSet]:
    """The sets of folders that are given on the command line; raises InputError for a folder that is neither."""
    found = [part for folder in data for part in _data_sets(folder)] + [_run_set(folder) for folder in runs]
    for number, one in enumerate(found):
        one.set_id = str(number)
    return found


def _data_sets(folder: Path) -> list[BrowseSet]:
    splits = [split for split in SPLITS if items_path(folder, split).is_file()]
    if splits:
        return [BrowseSet("", "data", f"{folder.name} {split}", Index(items_path(folder, split)), Benchmark(folder, split)) for split in reversed(splits)]
    if (folder / QUESTIONS_NAME).is_file():
        return [BrowseSet("", "data", folder.name, Index(folder / QUESTIONS_NAME), SceneSet(folder))]
    if (folder / CONFIG_NAME).is_file():
        raise InputError(f"{folder} has scenes and no questions yet; `twnm questions {folder}` makes them")
    raise InputError(f"{folder} is neither a benchmark nor a data set with questions; give a folder of `twnm bench make`, `twnm simulate` or `twnm import`")


def _run_set(folder: Path) -> BrowseSet:
    try:
        described = json.loads((folder / RUN_NAME).read_text(encoding="utf-8"))
        data, split = Path(described["data"]), str(described["split"])
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{folder} is no run of a benchmark ({RUN_NAME} is absent or damaged); give a folder of `twnm bench run --out`") from None
    benchmark = Benchmark(data, split)
    return BrowseSet("", "run", folder.name, Index(benchmark.path, folder / RESULTS_NAME), benchmark)
