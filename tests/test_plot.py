from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from twnm.ambisonics import unit_vector
from twnm.errors import InputError
from twnm.model.hear import HeardObject, HeardRoom
from twnm.model.hearing import HeardScene
from twnm.plot import COLOURS, room_plan, save_picture
from twnm.scene import Event, Listener, Room, Scene, Waypoint
from twnm.simulate.rooms import shoebox

EARS_M = (0.0, 0.0, 1.5)


def heard(*places: tuple[str, float, float, float]) -> HeardScene:
    objects = (
        HeardObject(label, 0.9, 1.0, 2.0, azimuth, elevation, distance, 0.2, (azimuth,) * 10, (elevation,) * 10)
        for label, azimuth, elevation, distance in places
    )
    return HeardScene(5.0, tuple(objects), HeardRoom(0.4, 80.0))


def truth(*places: tuple[str, float, float, float]) -> Scene:
    events = []
    for label, azimuth, elevation, distance in places:
        x, y, z = (np.array(EARS_M) + distance * unit_vector(azimuth, elevation)).tolist()
        events.append(Event(label=label, clip="a", onset_s=1.0, offset_s=2.0, path=(Waypoint(time_s=0, position_m=(x, y, z)),)))
    return Scene(scene_id="a", room=Room(kind="free"), listener=Listener(position_m=EARS_M), events=tuple(events))


def pixels(path: Path) -> np.ndarray:
    from matplotlib import image

    return np.asarray(image.imread(path))[..., :3]


@pytest.mark.parametrize(
    "shown",
    [
        (heard(("dog", 45, 0, 2), ("bell", -90, 30, 3)), None),
        (None, truth(("dog", 45, 0, 2))),
        (heard(("dog", 45, 0, 2), ("train", 180, 0, 5)), truth(("dog", 40, 0, 2), ("bell", -95, 30, 3))),
        (heard(), truth()),
    ],
)
def test_a_picture_is_large_and_not_blank(shown: tuple[HeardScene | None, Scene | None], tmp_path: Path) -> None:
    path = tmp_path / "plan.png"
    save_picture(path, *shown, title="a scene")
    picture = pixels(path)
    assert picture.shape[0] >= 400 and picture.shape[1] >= 800
    assert 0.005 < np.mean(picture.min(axis=-1) < 0.9) < 0.5
    assert [one.name for one in tmp_path.iterdir()] == ["plan.png"]


def test_a_sound_on_the_left_is_drawn_on_the_left(tmp_path: Path) -> None:
    save_picture(tmp_path / "left.png", heard(("dog", 90, 0, 2)))
    picture = pixels(tmp_path / "left.png")
    plan = picture[:, : picture.shape[1] // 2]
    coloured = np.argwhere(np.ptp(plan, axis=-1) > 0.3)  # rings and axes are grey
    assert coloured.size and np.median(coloured[:, 1]) < 0.45 * plan.shape[1]


def test_the_plan_shows_the_room_and_places_as_seen_from_above() -> None:
    axes = Figure().add_subplot()
    way = (Waypoint(time_s=0.5, position_m=(3.0, 3.5, 1.0)), Waypoint(time_s=1.5, position_m=(4.0, 3.0, 1.0)))
    event = Event(label="rain", clip="a", onset_s=0.5, offset_s=1.5, path=way)
    listener = Listener(position_m=(2.0, 1.5, 1.4), yaw_deg=90.0)
    room_plan(axes, Scene(scene_id="a", room=shoebox((5.0, 4.0, 3.0), 0.3), listener=listener, events=(event,)))
    walls = axes.patches[0]
    assert (walls.get_x(), walls.get_y(), walls.get_width(), walls.get_height()) == (-4.0, 0.0, 4.0, 5.0)  # front is up, left is left
    discs = {to_rgba(line.get_color()): line.get_xydata()[0] for line in axes.lines if line.get_marker() == "o" and line.get_markersize() == 10}
    np.testing.assert_allclose(discs[to_rgba("#404040")], (-1.5, 2.0))  # the listener
    np.testing.assert_allclose(discs[to_rgba(COLOURS[0])], (-3.0, 4.0))  # where the source ends
    start = next(line.get_xydata()[0] for line in axes.lines if line.get_markersize() == 7)
    np.testing.assert_allclose(start, (-3.5, 3.0))
    look = next(note for note in axes.texts if hasattr(note, "xy") and np.allclose(note.xyann, (-1.5, 2.0)))
    assert look.xy[0] < -1.7 and look.xy[1] == pytest.approx(2.0)  # a yaw of 90° looks left
    assert "rain, 2.3 m" in {text.get_text() for text in axes.texts}


def test_nothing_to_draw_another_format_and_an_absent_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to draw"):
        save_picture(tmp_path / "a.png", None, None)
    with pytest.raises(InputError, match=r"a\.doc"):
        save_picture(tmp_path / "a.doc", heard())
    with pytest.raises(InputError, match="does not exist"):
        save_picture(tmp_path / "absent" / "a.png", heard())
    assert list(tmp_path.iterdir()) == []
