"""Drawings of the report as inline SVG: intervals, differences, confusion, calibration, plan views. Colours are CSS classes, so that they follow the theme."""

import math
from collections.abc import Sequence
from typing import Final

from markupsafe import Markup, escape

from twnm.bench.report.accuracy import Estimate
from twnm.bench.report.compare import Difference
from twnm.bench.report.details import Calibration, Confusion
from twnm.plot import Drawn
from twnm.questions.evidence import SECTORS, elevation_word, sector8

_SHORT: Final = ("F", "FL", "L", "BL", "B", "BR", "R", "FR")
_RATE_HZ = 10.0  # of the directions of `Drawn`
_HIDDEN = 'aria-hidden="true" focusable="false"'  # what it shows stands in figures beside it


def interval_bar(it: Estimate, chance: float = math.nan) -> Markup:
    """A track from 0 to 100 % with the interval as a band, the mean as a line, and chance as a tick."""
    if math.isnan(it.mean):
        return Markup("")
    band = f'<rect class="band" x="{100 * it.low:.1f}" y="3" width="{max(1.0, 100 * (it.high - it.low)):.1f}" height="6" rx="1"/>'
    tick = "" if math.isnan(chance) else f'<path class="chance" d="M{100 * chance:.1f} 0V12"/>'
    mean = f'<path class="mean" d="M{100 * it.mean:.1f} 1V11"/>'
    return Markup(f'<svg class="bar" viewBox="-1 0 102 12" {_HIDDEN}><path class="track" d="M0 6H100"/>{tick}{band}{mean}</svg>')


def difference_bar(it: Difference, reach: float) -> Markup:
    """The same around a zero in the middle, from -`reach` to `reach` (a share)."""
    low, high, mean = (50 + 50 * max(-1.0, min(1.0, value / reach)) for value in (it.result.low, it.result.high, it.result.difference))
    band = f'<rect class="band" x="{low:.1f}" y="3" width="{max(1.0, high - low):.1f}" height="6" rx="1"/>'
    ends = f'<path class="track" d="M0 6H100"/><path class="zero" d="M50 0V12"/>{band}<path class="mean" d="M{mean:.1f} 1V11"/>'
    return Markup(f'<svg class="bar" viewBox="-1 0 102 12" {_HIDDEN}>{ends}</svg>')


def confusion_map(it: Confusion) -> Markup:
    """Eight true sectors (rows) by eight said and none (columns); a cell is as dark as its share of the row, and says it in per cent."""
    cell, left, top = 34, 44, 40
    parts = [f'<text class="axis" x="{left + 4.5 * cell}" y="14" text-anchor="middle">answered</text>']
    parts += [f'<text x="{left + (column + 0.5) * cell}" y="{top - 8}" text-anchor="middle">{name}</text>' for column, name in enumerate((*_SHORT, "none"))]
    for line, (name, counts) in enumerate(zip(_SHORT, it.counts, strict=True)):
        y, total = top + line * cell, sum(counts)
        parts.append(f'<text x="{left - 8}" y="{y + cell / 2 + 4}" text-anchor="end">{name}</text>')
        for column, count in enumerate(counts):
            parts.append(_cell(left + column * cell, y, cell, count / total if total else 0.0, line == column, f"{count} of {total}"))
    width, height = left + 9 * cell + 4, top + 8 * cell + 4
    parts.append(f'<text class="axis" transform="translate(12 {top + 4 * cell}) rotate(-90)" text-anchor="middle">truth</text>')
    share = f"{it.right} of {it.total} directions in the right sector"
    return Markup(f'<svg class="map" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(it.system)}: {share}">{"".join(parts)}</svg>')


def _cell(x: float, y: float, size: float, share: float, diagonal: bool, count: str) -> str:
    frame = f'x="{x + 1}" y="{y + 1}" width="{size - 2}" height="{size - 2}"'
    parts = [f'<title>{count}</title><rect class="cell{" diagonal" if diagonal else ""}" {frame}/>']
    if share:
        parts.append(f'<rect class="shade" {frame} opacity="{share:.2f}"/>')
        written = f'x="{x + size / 2}" y="{y + size / 2 + 4}" text-anchor="middle">{100 * share:.0f}'
        parts.append(f'<text class="{"on" if share >= 0.55 else "off"}" {written}</text>')
    return f"<g>{''.join(parts)}</g>"


def calibration_map(it: Calibration) -> Markup:
    """Share right over confidence; the line is where both agree; a disc is as large as its part of the answers."""
    total = sum(count for _, _, count in it.bins)
    discs = "".join(
        f'<circle class="disc" cx="{30 + 200 * said:.1f}" cy="{210 - 200 * true:.1f}" r="{3 + 14 * math.sqrt(count / total):.1f}"><title>'
        f"said {100 * said:.0f} %, right {100 * true:.0f} % of {count}</title></circle>"
        for said, true, count in it.bins
    )
    frame = '<path class="track" d="M30 10V210H230"/><path class="zero" d="M30 210L230 10"/>'
    names = (
        '<text x="130" y="238" text-anchor="middle">confidence, %</text><text transform="translate(10 110) rotate(-90)" text-anchor="middle">right, %</text>'
    )
    names += "".join(
        f'<text class="far" x="{30 + 2 * tick}" y="222" text-anchor="middle">{tick}</text>'
        f'<text class="far" x="26" y="{213 - 2 * tick}" text-anchor="end">{tick}</text>'
        for tick in (0, 50, 100)
    )
    label = f"{escape(it.system)}: expected calibration error {100 * it.error.mean:.1f} points"
    return Markup(f'<svg class="map" viewBox="0 0 245 242" role="img" aria-label="{label}">{frame}{names}{discs}</svg>')


def plan_view(objects: Sequence[Drawn]) -> Markup:
    """Objects around the listener, who looks up the page: discs with their ways, numbers beside them, rings of distance."""
    reach_m = max([1.0, *(item.distance_m for item in objects)]) * 1.15
    step_m = next(step for step in (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 1e9) if step > reach_m / 4)
    scale = 100 / reach_m
    rings_m = [step_m * number for number in range(1, 5) if step_m * number <= reach_m]
    parts = [f'<circle class="ring" r="{radius * scale:.1f}"/>' for radius in rings_m]
    parts += [f'<text class="far" x="{0.707 * radius * scale:.1f}" y="{0.707 * radius * scale + 3:.1f}">{radius:g} m</text>' for radius in rings_m]
    for name, side in {"front": (0, -106), "back": (0, 114), "left": (-120, 4), "right": (120, 4)}.items():
        parts.append(f'<text class="side" x="{side[0]}" y="{side[1]}">{name}</text>')
    parts.append('<path class="listener" d="M0-9L7 7L0 3L-7 7Z"/>')
    written: list[tuple[float, float]] = []
    for number, item in enumerate(objects, 1):
        x, y = (place * scale for place in item.spot)
        spots = [(x * part, y * part) for part in (1 + 15 / math.hypot(x, y), 1 - 15 / math.hypot(x, y))]
        free = [spot for spot in spots if all(math.dist(spot, other) > 12 for other in written)]
        written.append((free or spots)[0])
        parts.append(f'{_way(item, scale)}<circle class="object" style="fill:{item.colour}" cx="{x:.1f}" cy="{-y:.1f}" r="6.5"/>')
        parts.append(f'<text class="number" x="{written[-1][0]:.1f}" y="{4 - written[-1][1]:.1f}">{number}</text>')
    label = escape("plan view: " + "; ".join(f"{number} {item.name}" for number, item in enumerate(objects, 1)))
    return Markup(f'<svg class="plan" viewBox="-145 -122 290 244" role="img" aria-label="{label}">{"".join(parts)}</svg>')


def _way(item: Drawn, scale: float) -> str:
    """The arc of directions that an object passes, at its distance in the middle of its time."""
    turns = [math.radians(float(azimuth)) for azimuth in item.azimuths_deg]
    if len(turns) < 2 or max(turns) - min(turns) < math.radians(3):
        return ""
    radius = math.hypot(*item.spot) * scale
    points = " ".join(f"{-radius * math.sin(turn):.1f},{-radius * math.cos(turn):.1f}" for turn in turns)
    return f'<polyline class="way" style="stroke:{item.colour}" points="{points}"/>'


def legend_place(item: Drawn) -> str:
    """An object's direction, distance and time in words."""
    times = f"{item.onset_s:.1f}–{item.onset_s + len(item.azimuths_deg) / _RATE_HZ:.1f} s"
    azimuth, elevation = round(item.azimuth_deg), round(item.elevation_deg)
    return f"{sector8(item.azimuth_deg)} {azimuth}°, {elevation_word(item.elevation_deg)} {elevation}°, {item.distance_m:.1f} m, {times}"


SHORT_SECTORS: Final = ", ".join(f"{short} {name}" for short, name in zip(_SHORT, SECTORS, strict=True))
