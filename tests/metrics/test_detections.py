"""What SELD metrics are given is refused with a guess at the cause; DCASE files are read into it."""

from pathlib import Path

import numpy as np
import pytest

from twnm.errors import InputError
from twnm.metrics.dcase_csv import read_dcase
from twnm.metrics.detections import Detections, detections, silence, validate

GOOD = (0, 1, 170.0, -30.0, 2.0)


def changed(**fields: float) -> Detections:
    names = ("frame", "label", "azimuth_deg", "elevation_deg", "distance_m")
    return detections([GOOD, tuple(fields.get(name, value) for name, value in zip(names, GOOD, strict=True))])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"frame": -1}, "truth: frame -1 is negative"),
        ({"label": 3}, "class 3 is not one of 0 to 2; do the classes count from 1"),
        ({"label": -1}, "class -1 is not one of 0 to 2"),
        ({"azimuth_deg": float("nan")}, "not a finite number; leave out the rows"),
        ({"elevation_deg": 120.0}, "elevation 120 is beyond ±90 degrees; are azimuth and elevation exchanged"),
        ({"azimuth_deg": 350.0}, "azimuth 350 is beyond ±180 degrees; does the azimuth run from 0 to 360"),
        ({"azimuth_deg": -270.0}, "azimuth -270 is beyond ±180 degrees; wrap it first"),
        ({"distance_m": float("nan")}, "1 of 2 distances are unknown; the 2024 metrics need them"),
        ({"distance_m": 0.0}, "distance 0 m; every distance must be positive"),
        ({"distance_m": float("inf")}, "distance inf m; every distance must be positive and finite"),
        ({"distance_m": 210.0}, "the median distance is 106 m; are the distances in cm"),
    ],
)
def test_rows_that_break_a_convention_are_refused_with_a_guess_at_the_cause(fields: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        validate([changed(**fields)], 3, "truth")


def test_good_rows_and_silence_are_accepted() -> None:
    validate([changed(), silence()], 3)
    validate([silence()], 3)
    validate([], 3)
    validate([changed(distance_m=float("nan"))], 3, need_distance=False)


def test_radians_are_recognised_and_whole_or_few_or_collapsed_degrees_are_not_taken_for_them() -> None:
    rng = np.random.default_rng(0)
    azimuth, elevation = rng.uniform(-np.pi, np.pi, 200), rng.uniform(-0.7, 0.7, 200)

    def at(azimuth_deg: np.ndarray, elevation_deg: np.ndarray) -> Detections:
        return detections([(frame, 0, a, e, 1.0) for frame, (a, e) in enumerate(zip(azimuth_deg, elevation_deg, strict=True))])

    with pytest.raises(InputError, match="did you supply radians"):
        validate([at(azimuth, elevation)], 1)
    validate([at(np.degrees(azimuth), np.degrees(elevation))], 1)
    validate([at(azimuth.round(), elevation.round())], 1)
    validate([at(azimuth[:5], elevation[:5])], 1)
    validate([at(rng.normal(0, 0.5, 200), elevation)], 1)  # a system that answers "in front" whatever it hears


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(InputError, match="columns of unequal length: frame 2, label 1"):
        Detections(np.array([0, 1]), np.array([0]), np.zeros(2), np.zeros(2), np.ones(2))


def test_a_dcase_file_is_read_with_distances_in_metres(tmp_path: Path) -> None:
    path = tmp_path / "fold4_room23_mix001.csv"
    path.write_text("0,3,0,-90,10,250\n\n7,0,1,45,-5,95\n", encoding="utf-8")
    found = read_dcase(path)
    assert found.frame.tolist() == [0, 7]
    assert found.label.tolist() == [3, 0]
    assert found.azimuth_deg.tolist() == [-90.0, 45.0]
    assert found.elevation_deg.tolist() == [10.0, -5.0]
    assert found.distance_m.tolist() == [2.5, 0.95]


def test_a_file_without_distances_has_unknown_ones_and_an_empty_file_is_silence(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("3,1,0,20,0\n", encoding="utf-8")
    (tmp_path / "b.csv").write_text("", encoding="utf-8")
    assert np.isnan(read_dcase(tmp_path / "a.csv").distance_m).all()
    assert len(read_dcase(tmp_path / "b.csv")) == 0


@pytest.mark.parametrize("row", ["frame,class,source,azimuth,elevation,distance", "0,1,0,20", "0,1,0,0.5,0.5,0.7,100", "0,1.5,0,20,0,100", "0,1,a,20,0,100"])
def test_a_row_of_another_format_is_refused_with_its_line(tmp_path: Path, row: str) -> None:
    (tmp_path / "a.csv").write_text(f"0,1,0,20,0,100\n{row}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"a.csv line 2 is .* which is not 'frame,class,source,azimuth,elevation"):
        read_dcase(tmp_path / "a.csv")


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00")
    for name in ("none.csv", "a.csv"):
        with pytest.raises(InputError, match=f"cannot read .*{name} .*give a DCASE metadata CSV"):
            read_dcase(tmp_path / name)
