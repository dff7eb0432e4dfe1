"""Rendered levels, times and directions are those of the scene; the same scene gives the same samples; nothing clips."""

import hashlib
import pickle
import subprocess
import sys
from typing import get_args

import numpy as np
import pytest
from scipy.signal import fftconvolve

from twnm.ambisonics import intensity_direction
from twnm.errors import InputError
from twnm.scene import Ambience, Event, Listener, Microphone, Room, Scene, Waypoint
from twnm.simulate.ambience import ambience
from twnm.simulate.convolve import convolve_sum
from twnm.simulate.dry import dry_signal
from twnm.simulate.recipe import Fidelity
from twnm.simulate.render import render
from twnm.simulate.rooms import shoebox
from twnm.sounds.catalogue import Catalogue
from twnm.sounds.conditioning import active_rms


def scene_of(bank: Catalogue, *, room: Room, level_db: float = -30.0, label: str = "rain", onset_s: float = 0.5, moving: bool = False) -> Scene:
    path = [Waypoint(time_s=0.0, position_m=(2.0, 3.5, 1.4))]
    if moving:
        path.append(Waypoint(time_s=2.0, position_m=(3.0, 3.5, 1.4)))
    event = Event(label=label, clip=bank.of(label)[0].path, onset_s=onset_s, offset_s=onset_s + 1.0, level_db=level_db, path=tuple(path))
    return Scene(scene_id="t", seed=(1, 2), duration_s=2.0, room=room, listener=Listener(position_m=(2.0, 1.5, 1.4)), events=(event,), renderer="native")


def test_free_field_level_falls_with_distance_and_the_direction_is_the_scenes(bank: Catalogue) -> None:
    scene = scene_of(bank, room=Room(kind="free"))
    audio, rendered = render(scene, bank)
    event = scene.events[0]
    dry_db = 20 * np.log10(active_rms(dry_signal(event, bank)))
    assert 20 * np.log10(active_rms(audio[0])) == pytest.approx(dry_db - 20 * np.log10(2.0), abs=0.3)
    azimuth_deg, elevation_deg, diffuseness = intensity_direction(audio)
    assert (azimuth_deg, elevation_deg, diffuseness) == pytest.approx((90.0, 0.0, 0.0), abs=0.1)
    assert rendered.output_gain_db == 0.0
    assert np.all(np.abs(audio[:, : round(0.5 * 24_000)]) < 1e-6)


def test_event_ends_at_its_offset_without_a_step(bank: Catalogue) -> None:
    dry = dry_signal(scene_of(bank, room=Room(kind="free")).events[0], bank)
    assert dry.size == 24_000
    assert abs(dry[-1]) < 1e-6


def test_clips_are_repeated_where_the_event_says(bank: Catalogue) -> None:
    event = scene_of(bank, room=Room(kind="free"), label="gunshot").events[0].model_copy(update={"offset_s": 1.2})
    once = dry_signal(event.model_copy(update={"clip_starts_s": (0.0,)}), bank)
    later = dry_signal(event.model_copy(update={"clip_starts_s": (0.4,)}), bank)
    both = dry_signal(event.model_copy(update={"clip_starts_s": (0.0, 0.4)}), bank)
    np.testing.assert_allclose(both[:20_000], (once + later)[:20_000], atol=1e-6)
    assert np.all(later[: round(0.4 * 24_000)] == 0)


def test_convolution_is_that_of_the_definition() -> None:
    rng = np.random.default_rng(0)
    sources = [rng.standard_normal(size).astype(np.float32) for size in (9_000, 20_000)]
    responses = [rng.standard_normal((4, size)).astype(np.float32) for size in (3_000, 5_500)]
    expected = np.zeros((4, 40_000))
    for source, onset, response in zip(sources, (100, 30_000), responses, strict=True):
        wet = fftconvolve(source[None].astype(float), response.astype(float), axes=-1)[:, : 40_000 - onset]
        expected[:, onset : onset + wet.shape[1]] += wet
    np.testing.assert_allclose(convolve_sum(list(zip(sources, [100, 30_000], responses, strict=True)), 40_000), expected, atol=2e-3 * np.abs(expected).std())


def test_loud_scenes_are_turned_down_and_say_so(bank: Catalogue) -> None:
    room = shoebox((5.0, 5.0, 3.0), 0.4)
    quiet, _ = render(scene_of(bank, room=room, level_db=-40.0), bank)
    loud, rendered = render(scene_of(bank, room=room, level_db=20.0), bank)
    assert 0.9 < np.abs(loud).max() <= 0.95
    assert rendered.output_gain_db < 0
    np.testing.assert_allclose(loud, quiet * 10 ** ((60 + rendered.output_gain_db) / 20), atol=1e-4)


@pytest.mark.parametrize("kind", ["white", "pink", "brown"])
def test_ambience_is_diffuse_and_has_its_level(kind: str, bank: Catalogue) -> None:
    noise = ambience(Ambience.model_validate({"kind": kind, "level_db": -40.0}), 240_000, np.random.default_rng(3), bank)
    covariance = np.cov(noise.astype(float))
    np.testing.assert_allclose(np.diag(covariance) * 1e4, [1, 1 / 3, 1 / 3, 1 / 3], rtol=0.15)
    assert np.abs(np.corrcoef(noise) - np.eye(4)).max() < 0.1
    assert intensity_direction(noise)[2] > 0.9


def test_unknown_rooms_and_measured_rooms_without_responses_are_refused(bank: Catalogue) -> None:
    with pytest.raises(InputError, match="unknown"):
        render(scene_of(bank, room=Room(kind="unknown")), bank)


_RENDER_AND_HASH = """
import hashlib, pickle, sys
from twnm.simulate.recipe import Fidelity
from twnm.simulate.render import render
scene, bank = pickle.load(sys.stdin.buffer)
print(hashlib.sha256(render(scene, bank)[0].tobytes()).hexdigest())
"""


def test_a_scene_gives_the_same_samples_in_every_process(bank: Catalogue) -> None:
    scene = scene_of(bank, room=shoebox((5.0, 5.0, 3.0), 0.4)).model_copy(update={"ambience": Ambience(kind="pink", level_db=-60.0)})
    here = hashlib.sha256(render(scene, bank)[0].tobytes()).hexdigest()
    there = subprocess.run([sys.executable, "-c", _RENDER_AND_HASH], input=pickle.dumps((scene, bank)), capture_output=True, check=True)
    assert there.stdout.decode().strip() == here


def test_each_fidelity_adds_to_the_one_before(bank: Catalogue) -> None:
    room = shoebox((6.0, 5.0, 3.0), rt60_s=0.8)
    microphone = Microphone(gain_db=(0.5, -0.5, 0.3, -0.3), delay_us=(0.0, 1.0, -1.0, 0.0), self_noise_db=(-60.0,) * 4)
    scene = scene_of(bank, room=room).model_copy(update={"microphone": microphone})
    heard = {fidelity: render(scene, bank, fidelity=fidelity) for fidelity in get_args(Fidelity)}
    late = {fidelity: float(np.abs(audio[0, round(1.65 * 24_000) : round(1.9 * 24_000)]).mean()) for fidelity, (audio, _) in heard.items()}
    assert late["tail"] > 3 * late["images"] >= 3 * late["direct"]
    energy = {fidelity: float(np.square(audio[0]).sum()) for fidelity, (audio, _) in heard.items()}
    assert energy["direct"] < energy["images"] < energy["tail"]
    assert intensity_direction(heard["direct"][0]) == pytest.approx((90.0, 0.0, 0.0), abs=0.1)
    assert [rendered.room.kind for _, rendered in heard.values()] == ["free", "shoebox", "shoebox", "shoebox"]
    assert [rendered.microphone is not None for _, rendered in heard.values()] == [False, False, False, True]
    np.testing.assert_array_equal(heard["microphone"][0], render(scene, bank)[0])
    assert not np.array_equal(heard["tail"][0], heard["microphone"][0])


def test_a_lower_fidelity_of_a_foreign_rendering_is_refused(bank: Catalogue) -> None:
    with pytest.raises(InputError, match="fidelity 'images' is for native renderings"):
        render(scene_of(bank, room=Room(kind="free")), bank, "pyroomacoustics", fidelity="images")
