from html.parser import HTMLParser
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from twnm import plot
from twnm.model.hear import HeardObject, HeardRoom
from twnm.model.hearing import HeardScene
from twnm.scene import Event, Listener, Room, Scene, Waypoint

EARS_M = (2.0, 2.0, 1.5)


def scene(label: str = "dog") -> Scene:
    path = (Waypoint(time_s=0, position_m=(2.0, 4.0, 1.5)),)
    event = Event(label=label, clip="a", onset_s=1.0, offset_s=2.0, path=path)
    return Scene(scene_id="a <b>", room=Room(kind="free"), listener=Listener(position_m=EARS_M), events=(event,))


def heard() -> HeardScene:
    return HeardScene(5.0, (HeardObject("dog", 0.9, 1.0, 2.0, 80.0, 0.0, 2.0, 0.2, (80.0,) * 10, (0.0,) * 10),), HeardRoom(0.4, 80.0))


class _Reader(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_a_notebook_shows_plan_and_events_and_loads_nothing() -> None:
    html = scene()._repr_html_()
    shown = _Reader(html)
    assert {"img", "table"} <= set(shown.tags) and not {"script", "link", "iframe"} & set(shown.tags)
    assert "http" not in html and "a <b>" in shown.words
    assert shown.words[-6:] == ["dog", "1.00 s", "2.00 s", "+90°", "+0°", "2.0 m"]


def test_labels_of_strangers_are_escaped() -> None:
    assert "<i>" not in scene("<i>x</i>")._repr_html_()


def test_pictures_of_a_scene_and_of_what_was_heard(tmp_path: Path) -> None:
    for number, figure in enumerate((plot.plan(scene()), plot.directions(scene()), plot.plan(heard(), scene()), plot.directions(heard(), scene()))):
        assert isinstance(figure, Figure)
        figure.savefig(tmp_path / f"{number}.png", dpi=50)
        assert len(Image.open(tmp_path / f"{number}.png").convert("RGB").getcolors(1 << 20) or ()) > 20
    limits = plot.directions(heard()).axes[0].get_xlim()
    assert limits == (0.0, 5.0)
