from pathlib import Path

import numpy as np
import pytest

from twnm.ambisonics import unit_vector
from twnm.errors import InputError
from twnm.model.hear import HeardObject, HeardRoom
from twnm.model.twnm import HeardScene
from twnm.plot import save_picture
from twnm.scene import Event, Listener, Room, Scene, Waypoint

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


def test_nothing_to_draw_another_format_and_an_absent_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to draw"):
        save_picture(tmp_path / "a.png", None, None)
    with pytest.raises(InputError, match=r"a\.doc"):
        save_picture(tmp_path / "a.doc", heard())
    with pytest.raises(InputError, match="does not exist"):
        save_picture(tmp_path / "absent" / "a.png", heard())
    assert list(tmp_path.iterdir()) == []
