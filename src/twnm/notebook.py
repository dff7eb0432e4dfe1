"""How a notebook shows a scene: one block of HTML without scripts, from which nothing is loaded."""

import base64
import io
from html import escape

from twnm.plot import colour_of, plan
from twnm.scene import Scene
from twnm.sounds.classes import spoken

_HEADINGS = ("", "sound", "from", "to", "azimuth", "elevation", "distance")


def scene_html(scene: Scene) -> str:
    """The plan view of a scene beside a table of its events; places are those at the middle of each event."""
    out = io.BytesIO()
    plan(scene).savefig(out, format="png", dpi=80)
    picture = base64.b64encode(out.getvalue()).decode()
    head = "".join(f"<th>{name}</th>" for name in _HEADINGS)
    rows = "".join(_row(scene, number) for number in range(len(scene.events)))
    room = scene.room.kind if scene.room.mid_rt60_s is None else f"{scene.room.kind}, reverberation time {scene.room.mid_rt60_s:.2f} s"
    about = f"<b>{escape(scene.scene_id)}</b><br>{scene.duration_s:g} s, {escape(room)}"
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    image = f'<img alt="plan view of the scene" src="data:image/png;base64,{picture}">'
    return f'<div style="display:flex;gap:1em;align-items:center;flex-wrap:wrap">{image}<div>{about}{table}</div></div>'


def _row(scene: Scene, number: int) -> str:
    event = scene.events[number]
    azimuth_deg, elevation_deg, distance_m = scene.place(event)
    name = escape(spoken(event.label)) + (" (moves)" if event.moving else "")
    cells = (name, f"{event.onset_s:.2f} s", f"{event.offset_s:.2f} s", f"{azimuth_deg:+.0f}°", f"{elevation_deg:+.0f}°", f"{distance_m:.1f} m")
    return f'<tr><td style="color:{colour_of(number)}">●</td>' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
