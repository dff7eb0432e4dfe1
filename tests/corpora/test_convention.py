import numpy as np
import pytest
from simulated import drawn_scene, heard

from twnm.ambisonics import encode, from_ambix
from twnm.corpora.convention import Place, agreements, convention_of, energy_ratio, places_in
from twnm.scene import Scene
from twnm.sounds.catalogue import Catalogue

BINDING = "Running water: azimuth 242.52°, elevation 36.27°, 2.23m; Male speech: azimuth 26.73°, elevation -21.29°, 1.96m"


def test_a_binding_of_the_published_benchmark_is_read_in_both_senses() -> None:
    water, speech = places_in(BINDING)
    assert (water.label, water.elevation_deg, water.distance_m) == ("Running water", 36.27, 2.23)
    assert (speech.label, speech.elevation_deg, speech.distance_m) == ("Male speech", -21.29, 1.96)
    assert [water.azimuth_deg, speech.azimuth_deg] == [pytest.approx(-117.48), pytest.approx(26.73)]
    assert [place.azimuth_deg for place in places_in(BINDING, "clockwise")] == [pytest.approx(117.48), pytest.approx(-26.73)]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("Azimuth: 350°", Place("", -10.0, None, None)),
        ("azimuth 180", Place("", 180.0, None, None)),
        ("azimuth -90.5°, elevation 10°", Place("", -90.5, 10.0, None)),
        ("Dog: azimuth 10°, elevation 0°, distance 3 m", Place("Dog", 10.0, 0.0, 3.0)),
    ],
)
def test_other_ways_to_state_a_place_are_read(text: str, place: Place) -> None:
    assert places_in(text) == (place,)


@pytest.mark.parametrize("text", ["Front", "2.23m", "elevation 10°", "the azimuth is unknown", ""])
def test_a_text_without_an_azimuth_states_no_place(text: str) -> None:
    assert places_in(text) == ()


def stated(scene: Scene, sign: int) -> tuple[Place, ...]:
    return tuple(Place(event.label, sign * azimuth, elevation, far) for event in scene.events for azimuth, elevation, far in [scene.place(event)])


@pytest.mark.parametrize("layout", ["ambix", "n3d", "fuma", "wxyz"])
@pytest.mark.parametrize(("sense", "sign"), [("anticlockwise", 1), ("clockwise", -1)])
def test_sense_order_and_scale_are_found_from_the_audio(bank: Catalogue, layout: str, sense: str, sign: int) -> None:
    scenes = [drawn_scene(np.random.default_rng([3, number]), 1 + number % 2) for number in range(16)]
    found = convention_of((from_ambix(heard(scene, bank), layout), stated(scene, sign)) for scene in scenes)
    assert (found.sense, found.layout, found.recordings) == (sense, layout, 16)
    assert found.share is not None and found.share > 0.9
    assert max(found.agreement.values()) > 0.8
    assert [name for name, value in found.agreement.items() if value == max(found.agreement.values())] == [f"{found.order} {sense}"]


def test_unrelated_places_leave_sense_and_order_undecided(bank: Catalogue) -> None:
    rng = np.random.default_rng(5)
    pairs = [(heard(drawn_scene(rng, 1), bank), stated(drawn_scene(rng, 1), 1)) for _ in range(16)]
    found = convention_of(pairs)
    assert (found.sense, found.order, found.layout) == ("undecided", "undecided", None)
    assert found.p_value is not None and found.p_value > 0.01


def test_places_on_the_axis_of_the_mirror_do_not_tell_the_senses_apart() -> None:
    found = convention_of([(encode(np.random.default_rng(0).standard_normal(4800), 0.0, 20.0), (Place("", 0.0, 20.0, None),))] * 10)
    assert (found.sense, found.share) == ("undecided", None)


def test_agreement_with_a_plane_wave_is_the_cosine_of_the_angle() -> None:
    foa = encode(np.random.default_rng(0).standard_normal(4800), 60.0, 0.0)
    scores = agreements(foa, (Place("", 20.0, 0.0, None),))
    assert scores[0] == pytest.approx([np.cos(np.radians(40)), np.cos(np.radians(80))], abs=1e-3)


def test_silence_says_nothing() -> None:
    found = convention_of([(np.zeros((4, 4800)), (Place("", 20.0, 0.0, None),))])
    assert (found.recordings, found.sense, found.scale, found.layout) == (0, "undecided", "undecided", None)
    assert energy_ratio(np.zeros((4, 10))) is None
