"""The curves of a training run as a picture: losses, direction error, class and count, and the speed."""

from pathlib import Path
from typing import Any

from twnm.files import atomic_write
from twnm.train.log import read_rows

_PANELS = (
    ("loss", "dir", "name", "class", "exist", "act", "dist"),
    ("angle_median_",),
    ("label_accuracy_", "count_accuracy", "recall"),
    ("scenes_per_s", "waited"),
)
_TITLES = ("losses", "validation: median direction error, degrees", "validation: shares", "scenes per second, share of waiting")


def draw_curves(folder: Path) -> Path:
    """Draw FOLDER/log.jsonl into FOLDER/curves.png."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = read_rows(folder)
    flat: list[dict[str, Any]] = [{"step": row["step"], **row.get("validation", row)} for row in rows]
    figure = Figure(figsize=(11, 7), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, wanted, title in zip(figure.subplots(2, 2).flat, _PANELS, _TITLES, strict=True):
        names = sorted({name for row in flat for name in row if any(name == one or (one.endswith("_") and name.startswith(one)) for one in wanted)})
        for name in names:
            points = [(row["step"], row[name]) for row in flat if isinstance(row.get(name), int | float)]
            axes.plot(*zip(*points, strict=True), label=name)
        axes.set_title(title)
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
        if names:
            axes.legend(fontsize=8)
    path = folder / "curves.png"
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
    return path
