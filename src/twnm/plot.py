"""Pictures of scenes: a plan view around the listener, one of the whole room, and directions over time.

The plan has the listener at its centre looking up the page, left at the left, rings of distance, one colour per object. Objects heard are filled
discs, true ones hollow rings in the colour of the heard object that stands for them. Colours are those of Okabe and Ito, which colour-blind
readers can tell apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from twnm.ambisonics import angle_between_deg, unit_vector
from twnm.errors import InputError
from twnm.files import atomic_write
from twnm.scene import Event, Scene
from twnm.sounds.classes import spoken

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from twnm.model.hearing import HeardScene

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#B8A800")
GREY, PALE, DARK = "#8a8a8a", "#d0d0d0", "#404040"
_FRAME_S = 0.1
_TURNS = np.radians([90, 270, 0, 180, 45, 135, 225, 315])


@dataclass(frozen=True)
class Drawn:
    """One object to draw: name, colour, directions in degrees every 100 ms from `onset_s`, mean direction, distance in metres; `true` if known, not heard."""

    name: str
    colour: str
    onset_s: float
    azimuths_deg: np.ndarray
    elevations_deg: np.ndarray
    azimuth_deg: float
    elevation_deg: float
    distance_m: float
    true: bool

    @property
    def spot(self) -> tuple[float, float]:
        """Where it lies on the page: metres to the right and up, the listener at (0, 0) looking up."""
        azimuth, flat_m = np.radians(self.azimuth_deg), self.distance_m * np.cos(np.radians(self.elevation_deg))
        return float(-flat_m * np.sin(azimuth)), float(flat_m * np.cos(azimuth))

    @property
    def label(self) -> str:
        """Its name, marked when it is true, with the height when that matters."""
        height = f", {self.elevation_deg:+.0f}°" if abs(self.elevation_deg) >= 15 else ""
        return f"({self.name}{height})" if self.true else f"{self.name}{height}"


def drawn_of(heard: "HeardScene | None" = None, truth: Scene | None = None) -> list[Drawn]:
    """Objects to draw from what was heard, from a true scene, or from both; a true object has the colour of the heard one that stands for it."""
    found = heard.objects if heard else ()
    out = []
    for number, item in enumerate(found):
        place = (item.azimuth_deg, item.elevation_deg, item.distance_m)
        out.append(Drawn(spoken(item.label), colour_of(number), item.onset_s, np.array(item.azimuths_deg), np.array(item.elevations_deg), *place, False))
    events = truth.events if truth else ()
    places = [truth.place(event) for event in events] if truth else []
    pairs = _pairs([place[:2] for place in places], [(item.azimuth_deg, item.elevation_deg) for item in found])
    for number, (event, place) in enumerate(zip(events, places, strict=True)):
        assert truth is not None
        track = truth.track(event)
        colour = colour_of(pairs.get(number, len(found) + number))
        out.append(Drawn(spoken(event.label), colour, event.onset_s, track.azimuth_deg[track.active], track.elevation_deg[track.active], *place, True))
    return out


def colour_of(number: int) -> str:
    """The colour of object `number` of a picture."""
    return COLOURS[number % len(COLOURS)]


def _pairs(truth: list[tuple[float, float]], heard: list[tuple[float, float]]) -> dict[int, int]:
    """The heard object for each true one, by the least sum of angles between (azimuth, elevation) pairs."""
    from scipy.optimize import linear_sum_assignment

    if not truth or not heard:
        return {}
    vectors = [np.array([unit_vector(*direction) for direction in side]) for side in (truth, heard)]
    rows, columns = linear_sum_assignment(angle_between_deg(vectors[0][:, None], vectors[1][None]))
    return {int(row): int(column) for row, column in zip(rows, columns, strict=True)}


def draw_plan(axes: "Axes", objects: Sequence[Drawn]) -> None:
    """The plan view on axes of 1:1 scale; horizontal distance counts, the elevation stands in the label."""
    reach_m = max([1.0, *(item.distance_m for item in objects)]) * 1.25
    step_m = 1.0 if reach_m <= 5 else 2.0 if reach_m <= 10 else 5.0
    ring = np.linspace(0, 2 * np.pi, 200)
    for radius_m in np.arange(step_m, reach_m * 1.01, step_m):
        axes.plot(radius_m * np.cos(ring), radius_m * np.sin(ring), color="#d0d0d0", lw=0.8, zorder=0)
        axes.annotate(f"{radius_m:g} m", (radius_m * 0.7071, -radius_m * 0.7071), color="#909090", fontsize=7, ha="center", va="center")
    for name, place in {"front": (0, 1.2), "left": (-1.25, 0), "back": (0, -1.2), "right": (1.25, 0)}.items():
        axes.text(place[0] * reach_m, place[1] * reach_m, name, color="#606060", fontsize=8, ha="center", va="center")
    axes.plot(0, 0, marker="^", color="#404040", ms=10)
    for item in objects:
        x, y = item.spot
        if item.true:
            axes.plot(x, y, marker="o", ms=15, mfc="none", mec=item.colour, mew=1.8, zorder=3)
        else:
            axes.plot([0, x], [0, y], color=item.colour, lw=0.8, alpha=0.5)
            axes.plot(x, y, marker="o", ms=9, color=item.colour, zorder=4)
    _write_labels(axes, objects, reach_m)
    axes.set(xlim=(-reach_m * 1.4, reach_m * 1.4), ylim=(-reach_m * 1.3, reach_m * 1.3), aspect="equal", xticks=[], yticks=[], title="plan view")
    axes.spines[:].set_visible(False)


def _write_labels(axes: "Axes", objects: Sequence[Drawn], reach_m: float) -> None:
    """Names beside the markers; a true name only where it differs from the heard one."""
    heard = {(item.name, item.colour) for item in objects if not item.true}
    shown = [item for item in objects if not (item.true and (item.name, item.colour) in heard)]
    write_names(axes, [(item.label, item.colour, item.spot) for item in shown], [*(item.spot for item in objects), (0.0, 0.0)], reach_m)


def write_names(axes: "Axes", names: Sequence[tuple[str, str, tuple[float, float]]], markers: Sequence[tuple[float, float]], reach_m: float) -> None:
    """Write (text, colour, spot) beside its spot, at the nearest place that covers no marker and no other name.

    Places are metres on the page; `reach_m` is the half width of what is seen, to which the letters' size is in proportion.
    """
    height_m = 0.085 * reach_m
    taken = [(*spot, 0.07 * reach_m, 0.07 * reach_m) for spot in markers]
    for text, colour, (x, y) in names:
        width_m = 0.028 * reach_m * len(text)
        spots = ((x + away * np.cos(turn) * (width_m + height_m), y + away * np.sin(turn) * 2 * height_m) for away in (1, 1.5, 2.2, 3.2) for turn in _TURNS)
        free = (spot for spot in spots if all(abs(spot[0] - bx) > width_m + bw or abs(spot[1] - by) > 0.5 * height_m + bh for bx, by, bw, bh in taken))
        place_x, place_y = next(free, (x, y + height_m))
        taken.append((place_x, place_y, width_m, 0.5 * height_m))
        axes.text(place_x, place_y, text, color=colour, fontsize=8.5, ha="center", va="center", zorder=5)


def _page(places_m: Float[np.ndarray, "places 3"]) -> tuple[Float[np.ndarray, " places"], Float[np.ndarray, " places"]]:
    """Places in the room as seen from above: metres to the right and up the page."""
    return -places_m[:, 1], places_m[:, 0]


def _toward(yaw_deg: float) -> Float[np.ndarray, " 2"]:
    """A horizontal direction of the room on the page."""
    return np.array([-np.sin(np.radians(yaw_deg)), np.cos(np.radians(yaw_deg))])


def _sounding_s(event: Event) -> Float[np.ndarray, " times"]:
    return np.linspace(event.onset_s, event.offset_s, 60 if event.moving else 1)


def room_plan(axes: "Axes", scene: Scene) -> None:
    """The room from above: walls, listener and where it looks, rings of distance around it, sources with the ways that they go while they sound."""
    from matplotlib.patches import Rectangle

    times_s = np.linspace(0, scene.duration_s, 60 if scene.listener.moving else 1)
    way = np.stack(_page(scene.listener.position_at(times_s)))
    paths = [np.stack(_page(event.position_at(_sounding_s(event)))) for event in scene.events]
    corners = np.concatenate([way, *paths], axis=1)
    room = None
    if scene.room.size_m is not None:
        length_m, width_m = scene.room.size_m[:2]
        room = Rectangle((-width_m, 0), width_m, length_m, fc="#fafafa", ec=DARK, lw=2, zorder=0)
        axes.add_patch(room)
        corners = np.array([[-width_m, 0], [0, length_m]])
    low, high = corners.min(axis=1), corners.max(axis=1)
    half_m = max(1.0, 0.5 * float((high - low).max())) * (1.06 if room is not None else 1.3)
    middle = 0.5 * (low + high)
    axes.set(xlim=(middle[0] - half_m, middle[0] + half_m), ylim=(middle[1] - half_m, middle[1] + half_m), aspect="equal", xticks=[], yticks=[])
    axes.set_title("from above; the arrow is where the listener looks", fontsize=10)
    axes.spines[:].set_visible(False)
    covered = np.concatenate([way[:, ::5], *(path[:, ::5] for path in paths)], axis=1).T
    _rings(axes, way[:, 0], half_m, room, covered)
    _listener(axes, scene, way, half_m)
    names = []
    for number, (event, path) in enumerate(zip(scene.events, paths, strict=True)):
        _source(axes, event, path, colour_of(number), half_m)
        names.append((f"{spoken(event.label)}, {scene.place(event)[2]:.1f} m", colour_of(number), (float(path[0, -1]), float(path[1, -1]))))
    spots = [*(spot for _, _, spot in names), *((float(x), float(y)) for x, y in covered)]
    write_names(axes, names, spots, 0.62 * half_m)


def _rings(axes: "Axes", here: Float[np.ndarray, " 2"], half_m: float, room: Any, covered: Float[np.ndarray, "places 2"]) -> None:
    """Circles around the listener, cut off at the walls; their radii are written in the direction that leaves most room for them."""
    from matplotlib.patches import Circle

    step_m = next(step for step in (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1e4) if step > half_m / 4.5)
    radii_m = step_m * np.arange(1, 12)
    low, high = np.array([axes.get_xlim(), axes.get_ylim()]).T
    if room is not None:
        low = np.array(room.get_xy())
        high = low + np.array([room.get_width(), room.get_height()])
    turns = np.radians(np.arange(0, 360, 15))
    places = here + radii_m[None, :, None] * np.stack([np.cos(turns), np.sin(turns)], axis=-1)[:, None]
    inside = np.all((places > low + 0.06 * half_m) & (places < high - 0.06 * half_m), axis=-1)
    apart_m = np.linalg.norm(places[:, :, None] - covered, axis=-1).min(axis=-1)
    best = int(np.argmax((inside * np.minimum(apart_m, 0.2 * half_m)).sum(axis=1)))
    for radius_m, place, seen in zip(radii_m, places[best], inside[best], strict=True):
        circle = axes.add_patch(Circle((float(here[0]), float(here[1])), float(radius_m), fc="none", ec=PALE, lw=0.8, zorder=1))
        if room is not None:
            circle.set_clip_path(room)
        if seen:
            box = {"boxstyle": "square,pad=0.15", "fc": "white", "lw": 0}
            axes.text(place[0], place[1], f"{radius_m:g} m", color=GREY, fontsize=7, ha="center", va="center", zorder=1, bbox=box)


def _listener(axes: "Axes", scene: Scene, way: Float[np.ndarray, "2 times"], half_m: float) -> None:
    """A disc and an arrow where it looks; if it moves or turns, its way, and its last pose paler."""
    end_s = np.array([0.0, scene.duration_s] if scene.listener.moving else [0.0])
    if scene.listener.moving:
        axes.plot(*way, color=GREY, lw=1.5, ls=":", zorder=2)
    for place, yaw_deg, shade in zip(way[:, [0, -1]].T, scene.listener.yaw_at(end_s), (DARK, GREY), strict=False):
        tip = place + 0.17 * half_m * _toward(float(yaw_deg))
        arrow = {"arrowstyle": "-|>", "color": shade, "lw": 2, "shrinkA": 0, "mutation_scale": 15}
        axes.annotate("", (tip[0], tip[1]), (place[0], place[1]), arrowprops=arrow, zorder=4)
        axes.plot(*place, marker="o", ms=10, color=shade, mec="white", zorder=4)


def _source(axes: "Axes", event: Event, path: Float[np.ndarray, "2 times"], colour: str, half_m: float) -> None:
    """A disc where it is, or where it ends, with an arrow along its way there; a tick where its front points, if it has one."""
    if event.moving:
        axes.plot(*path, color=colour, lw=2, alpha=0.6, zorder=3)
        axes.plot(*path[:, 0], marker="o", ms=7, mfc="white", mec=colour, mew=1.8, zorder=4)
        axes.annotate(
            "",
            (path[0, 31], path[1, 31]),
            (path[0, 28], path[1, 28]),
            arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 2, "mutation_scale": 16},
            zorder=4,
        )
    if event.directivity != "omni":
        tip = path[:, -1] + 0.11 * half_m * _toward(event.facing_deg)
        axes.plot([path[0, -1], tip[0]], [path[1, -1], tip[1]], color=colour, lw=3, solid_capstyle="round", zorder=3)
    axes.plot(*path[:, -1], marker="o", ms=10, color=colour, mec="white", zorder=4)


def draw_directions(azimuth_axes: "Axes", elevation_axes: "Axes", objects: Sequence[Drawn], duration_s: float) -> None:
    """Azimuth and elevation over time: small points for what was heard, rings for what is true."""
    for item in objects:
        times_s = item.onset_s + (np.arange(len(item.azimuths_deg)) + 0.5) * _FRAME_S
        ring: dict[str, Any] = {"ms": 7, "mfc": "none", "alpha": 0.45}
        style = ring if item.true else {"ms": 3}
        azimuth_axes.plot(times_s, item.azimuths_deg, lw=0, marker="o", color=item.colour, **style)
        elevation_axes.plot(times_s, item.elevations_deg, lw=0, marker="o", color=item.colour, **style)
    azimuth_axes.set(ylim=(-190, 190), yticks=range(-180, 181, 90), xlim=(0, duration_s), ylabel="azimuth °  (+ left)", title="directions over time")
    elevation_axes.set(ylim=(-95, 95), yticks=range(-90, 91, 45), xlim=(0, duration_s), ylabel="elevation °  (+ up)", xlabel="seconds")
    for axes in (azimuth_axes, elevation_axes):
        axes.grid(color="#e4e4e4", lw=0.7)
        axes.spines[["top", "right"]].set_visible(False)


def plan(scene: "Scene | HeardScene", truth: Scene | None = None) -> "Figure":
    """The plan view of a true scene or of what was heard, with the truth beside it if that is given; a notebook shows what this returns."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 5.4), layout="constrained")
    draw_plan(figure.add_subplot(), _objects_of(scene, truth))
    return figure


def directions(scene: "Scene | HeardScene", truth: Scene | None = None) -> "Figure":
    """Azimuth and elevation over time of a true scene or of what was heard, with the truth beside it if that is given."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 5.4), layout="constrained")
    draw_directions(figure.add_subplot(2, 1, 1), figure.add_subplot(2, 1, 2), _objects_of(scene, truth), scene.duration_s)
    return figure


def _objects_of(scene: "Scene | HeardScene", truth: Scene | None) -> list[Drawn]:
    return drawn_of(truth=scene) if isinstance(scene, Scene) else drawn_of(scene, truth)


def save_picture(path: Path | str, heard: "HeardScene | None" = None, truth: Scene | None = None, title: str = "") -> None:
    """Write a PNG (or another format of matplotlib by its suffix) with the plan view and the directions over time.

    Raises InputError when there is nothing to draw from, the folder cannot be written or the format is unknown.
    """
    from matplotlib.figure import Figure

    path = Path(path)
    check_picture_path(path)
    duration_s = heard.duration_s if heard else truth.duration_s if truth else 0.0
    if duration_s <= 0:
        raise InputError("nothing to draw: give what was heard, a true scene, or both")
    objects = drawn_of(heard, truth)
    figure = Figure(figsize=(11, 5.4), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(1.05, 1))
    draw_plan(figure.add_subplot(grid[:, 0]), objects)
    draw_directions(figure.add_subplot(grid[0, 1]), figure.add_subplot(grid[1, 1]), objects, duration_s)
    shown = "filled: heard, hollow and (in brackets): true" if heard and truth else "heard" if heard else "true scene"
    figure.suptitle(f"{title}   ({shown})" if title else shown, fontsize=10)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=110)


def check_picture_path(path: Path) -> None:
    """Raise InputError unless a picture can be written there."""
    if path.suffix.lower() not in {".png", ".pdf", ".svg", ".jpg"}:
        raise InputError(f"cannot draw to {path}: the name must end in .png, .pdf, .svg or .jpg")
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: the folder {path.parent} does not exist; create it first")
