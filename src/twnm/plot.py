"""Pictures of scenes: a plan view around the listener, and directions over time.

The plan has the listener at its centre looking up the page, left at the left, rings of distance, one colour per name. Objects heard are filled
discs, true ones hollow rings. Colours are those of Okabe and Ito, which colour-blind readers can tell apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from twnm.errors import InputError
from twnm.files import atomic_write
from twnm.scene import Scene
from twnm.sounds.classes import spoken

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from twnm.model.twnm import HeardScene

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#B8A800")
_FRAME_S = 0.1


@dataclass(frozen=True)
class Drawn:
    """One object to draw: name, directions in degrees every 100 ms from `onset_s`, mean direction, distance in metres; `true` when it is known, not heard."""

    name: str
    onset_s: float
    azimuths_deg: np.ndarray
    elevations_deg: np.ndarray
    azimuth_deg: float
    elevation_deg: float
    distance_m: float
    true: bool


def drawn_of(heard: "HeardScene | None" = None, truth: Scene | None = None) -> list[Drawn]:
    """Objects to draw from what was heard, from a true scene, or from both."""
    out = []
    for item in heard.objects if heard else ():
        place = (item.azimuth_deg, item.elevation_deg, item.distance_m)
        out.append(Drawn(spoken(item.label), item.onset_s, np.array(item.azimuths_deg), np.array(item.elevations_deg), *place, False))
    for event in truth.events if truth else ():
        assert truth is not None
        track = truth.track(event)
        azimuths, elevations = track.azimuth_deg[track.active], track.elevation_deg[track.active]
        out.append(Drawn(spoken(event.label), event.onset_s, azimuths, elevations, *truth.place(event), True))
    return out


def plan(axes: "Axes", objects: Sequence[Drawn], colours: dict[str, str]) -> None:
    """The plan view on axes of 1:1 scale; horizontal distance counts, the elevation stands in the label."""
    reach_m = max([1.0, *(item.distance_m for item in objects)]) * 1.25
    step_m = 1.0 if reach_m <= 5 else 2.0 if reach_m <= 10 else 5.0
    for radius_m in np.arange(step_m, reach_m * 1.3, step_m):
        ring = np.linspace(0, 2 * np.pi, 200)
        axes.plot(radius_m * np.cos(ring), radius_m * np.sin(ring), color="#d0d0d0", lw=0.8, zorder=0)
        axes.annotate(f"{radius_m:g} m", (radius_m * 0.7071, -radius_m * 0.7071), color="#909090", fontsize=7, ha="center", va="center")
    for name, place in {"front": (0, 1), "left": (-1, 0), "back": (0, -1), "right": (1, 0)}.items():
        axes.text(place[0] * reach_m * 1.12, place[1] * reach_m * 1.12, name, color="#606060", fontsize=8, ha="center", va="center")
    axes.plot(0, 0, marker="^", color="#404040", ms=10)
    labels: list[tuple[float, float]] = []
    for item in objects:
        azimuth = np.radians(item.azimuth_deg)
        flat_m = item.distance_m * np.cos(np.radians(item.elevation_deg))
        x, y = -flat_m * np.sin(azimuth), flat_m * np.cos(azimuth)
        colour = colours[item.name]
        if item.true:
            axes.plot(x, y, marker="o", ms=15, mfc="none", mec=colour, mew=1.8, zorder=3)
            continue
        axes.plot([0, x], [0, y], color=colour, lw=0.8, alpha=0.5)
        axes.plot(x, y, marker="o", ms=9, color=colour, zorder=4)
    named = [item for item in objects if not item.true] or list(objects)
    for item in sorted(named, key=lambda one: one.azimuth_deg):
        azimuth = np.radians(item.azimuth_deg)
        flat_m = item.distance_m * np.cos(np.radians(item.elevation_deg))
        x, y = -flat_m * np.sin(azimuth), flat_m * np.cos(azimuth) + 0.11 * reach_m
        while any(abs(x - other_x) < 0.6 * reach_m and abs(y - other_y) < 0.12 * reach_m for other_x, other_y in labels):
            y += 0.06 * reach_m
        labels.append((x, y))
        text = f"{item.name}, {item.elevation_deg:+.0f}° up" if abs(item.elevation_deg) >= 15 else item.name
        axes.text(
            x,
            y,
            text,
            color=colours[item.name],
            fontsize=8.5,
            ha="center",
            va="bottom",
            zorder=5,
            bbox={"fc": "white", "ec": "none", "alpha": 0.75, "pad": 0.8},
        )
    axes.set(xlim=(-reach_m * 1.3, reach_m * 1.3), ylim=(-reach_m * 1.25, reach_m * 1.35), aspect="equal", xticks=[], yticks=[], title="plan view")
    axes.spines[:].set_visible(False)


def directions(azimuth_axes: "Axes", elevation_axes: "Axes", objects: Sequence[Drawn], colours: dict[str, str], duration_s: float) -> None:
    """Azimuth and elevation over time: points for what was heard, thin bands for what is true."""
    for item in objects:
        times_s = item.onset_s + (np.arange(len(item.azimuths_deg)) + 0.5) * _FRAME_S
        style: dict[str, Any] = {"lw": 0, "marker": "o", "ms": 7, "mfc": "none", "mec": colours[item.name], "alpha": 0.45} if item.true else {}
        style = style or {"lw": 0, "marker": "o", "ms": 3, "color": colours[item.name]}
        azimuth_axes.plot(times_s, item.azimuths_deg, **style)
        elevation_axes.plot(times_s, item.elevations_deg, **style)
    azimuth_axes.set(ylim=(-190, 190), yticks=range(-180, 181, 90), xlim=(0, duration_s), ylabel="azimuth °  (+ left)", title="directions over time")
    elevation_axes.set(ylim=(-95, 95), yticks=range(-90, 91, 45), xlim=(0, duration_s), ylabel="elevation °  (+ up)", xlabel="seconds")
    for axes in (azimuth_axes, elevation_axes):
        axes.grid(color="#e4e4e4", lw=0.7)
        axes.spines[["top", "right"]].set_visible(False)


def save_picture(path: Path | str, heard: "HeardScene | None" = None, truth: Scene | None = None, title: str = "") -> None:
    """Write a PNG (or another format of matplotlib by its suffix) with the plan view and the directions over time.

    Raises InputError when there is nothing to draw from, the folder cannot be written or the format is unknown.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    path = Path(path)
    check_picture_path(path)
    duration_s = heard.duration_s if heard else truth.duration_s if truth else 0.0
    if duration_s <= 0:
        raise InputError("nothing to draw: give what was heard, a true scene, or both")
    objects = drawn_of(heard, truth)
    names = list(dict.fromkeys(item.name for item in objects))
    colours = {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(names)}
    figure = pyplot.figure(figsize=(11, 5.4), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(1.05, 1))
    plan(figure.add_subplot(grid[:, 0]), objects, colours)
    directions(figure.add_subplot(grid[0, 1]), figure.add_subplot(grid[1, 1]), objects, colours, duration_s)
    shown = "filled: heard, hollow: true" if heard and truth else "heard" if heard else "true scene"
    figure.suptitle(f"{title}   ({shown})" if title else shown, fontsize=10)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=110)
    pyplot.close(figure)


def check_picture_path(path: Path) -> None:
    """Raise InputError unless a picture can be written there."""
    if path.suffix.lower() not in {".png", ".pdf", ".svg", ".jpg"}:
        raise InputError(f"cannot draw to {path}: the name must end in .png, .pdf, .svg or .jpg")
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: the folder {path.parent} does not exist; create it first")
