"""First-order Ambisonics against hand-made gains, plane waves encoded at the turned direction, and published layout figures."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twnm.ambisonics import (
    LAYOUTS,
    angle_between_deg,
    angles_deg,
    beam,
    decode_mono,
    decode_stereo,
    encode,
    from_ambix,
    gains,
    intensity_direction,
    mirror,
    rotate,
    to_ambix,
    unit_vector,
    wrap_deg,
)
from twnm.errors import InputError

AZIMUTHS = st.floats(-180, 180)
ELEVATIONS = st.floats(-90, 90)
TURNS = st.floats(-360, 360)
# azimuth, elevation -> W, Y, Z, X
AXES = {(0, 0): (1, 0, 0, 1), (90, 0): (1, 1, 0, 0), (180, 0): (1, 0, 0, -1), (-90, 0): (1, -1, 0, 0), (0, 90): (1, 0, 1, 0), (0, -90): (1, 0, -1, 0)}
MONO = np.random.default_rng(0).standard_normal(64)


def same(first: np.ndarray, second: np.ndarray, atol: float = 2e-6) -> None:
    np.testing.assert_allclose(first, second, rtol=0, atol=atol)


@pytest.fixture
def field() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((4, 256)).astype(np.float32)


@pytest.mark.parametrize(("direction", "expected"), AXES.items())
def test_a_plane_wave_from_an_axis_has_these_gains(direction: tuple[float, float], expected: tuple[float, ...]) -> None:
    same(gains(*direction), np.array(expected, float), 1e-12)
    same(encode(MONO, *direction), np.outer(expected, MONO))


def test_gains_of_a_slanted_direction_follow_the_definition() -> None:
    same(gains(30.0, 45.0), np.array([1, 0.5 * math.sqrt(0.5), math.sqrt(0.5), math.sqrt(0.75) * math.sqrt(0.5)]), 1e-12)


def test_gains_take_many_directions_at_once() -> None:
    together = gains(np.array([10.0, -70.0]), np.array([5.0, 60.0]))
    assert together.shape == (4, 2)
    same(together[:, 1], gains(-70.0, 60.0), 1e-12)


@given(AZIMUTHS, ELEVATIONS, TURNS)
def test_yaw_adds_to_the_azimuth(azimuth_deg: float, elevation_deg: float, yaw_deg: float) -> None:
    same(rotate(encode(MONO, azimuth_deg, elevation_deg), yaw_deg), encode(MONO, azimuth_deg + yaw_deg, elevation_deg))


@given(st.floats(-90, 90))
def test_pitch_lifts_a_source_in_front_and_roll_one_at_the_left(angle_deg: float) -> None:
    same(rotate(encode(MONO, 0, 0), pitch_deg=angle_deg), encode(MONO, 0, angle_deg))
    same(rotate(encode(MONO, 90, 0), roll_deg=angle_deg), encode(MONO, 90, angle_deg))


@given(st.floats(-90, 90))
def test_pitch_keeps_the_left_and_roll_keeps_the_front(angle_deg: float) -> None:
    same(rotate(encode(MONO, 90, 0), pitch_deg=angle_deg), encode(MONO, 90, 0))
    same(rotate(encode(MONO, 0, 0), roll_deg=angle_deg), encode(MONO, 0, 0))


@given(TURNS, TURNS, TURNS)
def test_rotations_keep_w_and_the_energy_of_the_dipoles(yaw_deg: float, pitch_deg: float, roll_deg: float) -> None:
    field = np.random.default_rng(2).standard_normal((4, 32)).astype(np.float32)
    turned = rotate(field, yaw_deg, pitch_deg, roll_deg)
    np.testing.assert_array_equal(turned[0], field[0])
    same(np.square(turned[1:]).sum(axis=0), np.square(field[1:]).sum(axis=0), 2e-5)


@given(TURNS, TURNS, TURNS)
def test_a_rotation_is_its_roll_then_its_pitch_then_its_yaw(yaw_deg: float, pitch_deg: float, roll_deg: float) -> None:
    field = np.random.default_rng(3).standard_normal((4, 32)).astype(np.float32)
    in_turn = rotate(rotate(rotate(field, roll_deg=roll_deg), pitch_deg=pitch_deg), yaw_deg)
    same(rotate(field, yaw_deg, pitch_deg, roll_deg), in_turn, 1e-5)


@given(AZIMUTHS, ELEVATIONS)
def test_mirrors_are_those_of_the_direction(azimuth_deg: float, elevation_deg: float) -> None:
    foa = encode(MONO, azimuth_deg, elevation_deg)
    same(mirror(foa, "left-right"), encode(MONO, -azimuth_deg, elevation_deg))
    same(mirror(foa, "front-back"), encode(MONO, 180 - azimuth_deg, elevation_deg))
    same(mirror(foa, "up-down"), encode(MONO, azimuth_deg, -elevation_deg))


@pytest.mark.parametrize("plane", ["left-right", "front-back", "up-down"])
def test_mirroring_twice_changes_no_bit(field: np.ndarray, plane: Any) -> None:
    np.testing.assert_array_equal(mirror(mirror(field, plane), plane), field)


# A wave of pressure 1 from (azimuth, elevation) as other layouts write it.
LAYOUT_FIGURES = [
    ("fuma", (0, 0), (math.sqrt(0.5), 1, 0, 0)),
    ("fuma", (90, 0), (math.sqrt(0.5), 0, 1, 0)),
    ("fuma", (0, 90), (math.sqrt(0.5), 0, 0, 1)),
    ("n3d", (90, 0), (1, math.sqrt(3), 0, 0)),
    ("n3d", (0, 90), (1, 0, math.sqrt(3), 0)),
    ("n3d", (0, 0), (1, 0, 0, math.sqrt(3))),
    ("wxyz", (0, 0), (1, 1, 0, 0)),
    ("wxyz", (90, 0), (1, 0, 1, 0)),
    ("wxyz", (0, 90), (1, 0, 0, 1)),
    ("ambix", (90, 0), (1, 1, 0, 0)),
]


@pytest.mark.parametrize(("layout", "direction", "written"), LAYOUT_FIGURES)
def test_a_layout_writes_a_plane_wave_with_these_figures(layout: str, direction: tuple[float, float], written: tuple[float, ...]) -> None:
    wave = encode(np.ones(3), *direction)
    same(from_ambix(wave, layout), np.outer(written, np.ones(3)), 1e-6)
    same(to_ambix(np.outer(written, np.ones(3)), layout), wave, 1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_round_trip(field: np.ndarray, layout: str) -> None:
    same(to_ambix(from_ambix(field, layout), layout), field, 1e-6)


@given(AZIMUTHS, ELEVATIONS)
def test_intensity_of_a_plane_wave_points_at_its_source_and_is_not_diffuse(azimuth_deg: float, elevation_deg: float) -> None:
    azimuth, elevation, diffuseness = intensity_direction(encode(MONO, azimuth_deg, elevation_deg))
    assert angle_between_deg(unit_vector(azimuth, elevation), unit_vector(azimuth_deg, elevation_deg)) < 1e-3
    assert diffuseness == pytest.approx(0, abs=1e-6)


def test_independent_waves_from_all_sides_are_diffuse() -> None:
    rng = np.random.default_rng(4)
    noise = np.sum([encode(rng.standard_normal(48_000), *direction) for direction in AXES], axis=0)
    assert intensity_direction(noise)[2] > 0.98


def test_silence_is_diffuse() -> None:
    assert intensity_direction(np.zeros((4, 10), np.float32)) == (0.0, 0.0, 1.0)


@pytest.mark.parametrize(("given_deg", "expected_deg"), [(0, 0), (180, 180), (-180, 180), (190, -170), (-190, 170), (540, 180), (-45, -45), (725, 5)])
def test_wrap_brings_azimuths_into_the_half_open_circle(given_deg: float, expected_deg: float) -> None:
    assert wrap_deg(given_deg) == expected_deg


@given(AZIMUTHS, st.floats(-89, 89))
def test_angles_invert_unit_vectors(azimuth_deg: float, elevation_deg: float) -> None:
    azimuth, elevation = angles_deg(3.5 * unit_vector(azimuth_deg, elevation_deg))
    assert wrap_deg(float(azimuth) - azimuth_deg) == pytest.approx(0, abs=1e-9) or abs(azimuth_deg) == 180
    assert float(elevation) == pytest.approx(elevation_deg, abs=1e-9)


@pytest.mark.parametrize("angle_deg", [1e-9, 1e-5, 1.0, 90.0, 179.99999])
def test_the_angle_between_directions_is_right_down_to_tiny_angles(angle_deg: float) -> None:
    measured = float(angle_between_deg(unit_vector(0.0, 0.0), unit_vector(0.0, angle_deg) if angle_deg < 90 else unit_vector(angle_deg, 0.0)))
    assert measured == pytest.approx(angle_deg, rel=1e-6)


@given(AZIMUTHS, ELEVATIONS)
def test_a_beam_passes_its_direction_and_blocks_the_opposite_one(azimuth_deg: float, elevation_deg: float) -> None:
    foa = encode(MONO, azimuth_deg, elevation_deg)
    same(beam(foa, azimuth_deg, elevation_deg), MONO)
    same(beam(foa, azimuth_deg + 180, -elevation_deg), np.zeros(64))


def test_decoding_gives_w_and_puts_the_left_in_the_left_channel() -> None:
    foa = encode(MONO, 60, 0)
    same(decode_mono(foa), MONO)
    left, right = decode_stereo(foa)
    same(left, MONO)
    same(right, MONO * 0.25)  # 120° off the axis of a cardioid


@pytest.mark.parametrize("convert", [to_ambix, from_ambix])
def test_an_unknown_layout_is_refused_with_the_known_ones(field: np.ndarray, convert: Any) -> None:
    with pytest.raises(InputError, match=r"unknown channel layout 'acn'; allowed: ambix, n3d, fuma, wxyz"):
        convert(field, "acn")
