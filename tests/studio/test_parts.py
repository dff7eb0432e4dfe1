"""The parts alone: recordings that are kept, layouts that are guessed, sketches that become scenes, the queue."""

import asyncio
import threading
import time
from typing import Any

import numpy as np
import pytest
from stand_in import StandIn, barking

from twnm.ambisonics import encode, from_ambix
from twnm.scene import Scene
from twnm.simulate.sampler import draw_scene
from twnm.sounds.catalogue import load_catalogue
from twnm.studio.layout_guess import guess_layout
from twnm.studio.recordings import Recording, Recordings
from twnm.studio.refusals import Refused
from twnm.studio.sketch import scene_of, sketch_of
from twnm.studio.worker import Worker


def recording(name: str, seconds: float = 1.0) -> Recording:
    foa = np.zeros((4, round(24_000 * seconds)), np.float32)
    return Recording(name, "upload", foa, StandIn().scene(barking(0.0, seconds)), 0.0)


def test_the_recording_that_was_used_longest_ago_goes_first() -> None:
    kept = Recordings(count=2, size_bytes=10**9, age_s=100)
    first, second = (kept.put(recording(name)) for name in "ab")
    kept.get(first.recording_id)
    kept.put(recording("c"))
    assert kept.get(first.recording_id).name == "a"
    with pytest.raises(Refused, match="not here"):
        kept.get(second.recording_id)


def test_recordings_are_bounded_by_size_and_age() -> None:
    clock = [0.0]
    kept = Recordings(count=10, size_bytes=1_000_000, age_s=60, now=lambda: clock[0])
    one = kept.put(recording("a"))
    for _ in range(5):
        kept.put(recording("b"))
    assert len(kept) == 2 and kept.size_bytes <= 1_000_000
    with pytest.raises(Refused, match="more than this server keeps"):
        kept.put(recording("long", 5.0))
    clock[0] = 61.0
    with pytest.raises(Refused):
        kept.get(one.recording_id)
    assert len(kept) == 0


@pytest.fixture(scope="module")
def several() -> np.ndarray:
    """Three noises around the listener at ear height."""
    rng = np.random.default_rng(0)
    bursts = [encode(rng.standard_normal(24_000).astype(np.float32) * 0.1, azimuth_deg, 5.0) for azimuth_deg in (20.0, 100.0, -130.0)]
    return np.concatenate(bursts, axis=1)


@pytest.mark.parametrize("layout", ["ambix", "n3d", "fuma"])
def test_a_layout_is_told_from_the_sound(several: np.ndarray, layout: str) -> None:
    guess = guess_layout(from_ambix(several, layout))
    assert guess.layout == layout and guess.certain and "dB" in guess.reason


def test_the_reason_says_what_was_measured(several: np.ndarray) -> None:
    upwards = several.copy()
    upwards[2] = upwards[3] * 2
    assert "the fourth channel is" in guess_layout(upwards).reason and "the third channel is" in guess_layout(several).reason


def test_a_higher_order_is_only_a_question_of_scale(several: np.ndarray) -> None:
    assert guess_layout(from_ambix(several, "n3d"), ("ambix", "n3d")).layout == "n3d"
    assert guess_layout(from_ambix(several, "fuma"), ("ambix", "n3d")).layout in ("ambix", "n3d")


def test_a_rare_layout_is_named_as_a_doubt_or_found(several: np.ndarray) -> None:
    guess = guess_layout(from_ambix(several, "wxyz"))
    assert guess.layout == "wxyz" or "wxyz fits too" in guess.reason


@pytest.mark.parametrize("channels", [np.zeros((4, 48_000)), np.zeros((4, 10)), np.random.default_rng(0).standard_normal((1, 48_000)) * [[1.0], [0], [0], [0]]])
def test_what_cannot_be_told_is_said_to_be_so(channels: np.ndarray) -> None:
    guess = guess_layout(channels.astype(np.float32))
    assert (guess.layout, guess.certain) == ("ambix", False)
    assert "tell" in guess.reason or "told" in guess.reason


def test_four_separate_microphones_are_no_ambisonics() -> None:
    rng = np.random.default_rng(0)
    loudness = np.exp(rng.standard_normal((4, 100)) * 2).repeat(1024, axis=1)
    guess = guess_layout((rng.standard_normal(loudness.shape) * loudness * 0.01).astype(np.float32))
    assert not guess.certain and "may be no Ambisonics" in guess.reason


@pytest.mark.parametrize("recipe", ["indoor", "outdoor", "moving", "anechoic"])
def test_a_sketch_keeps_where_things_are(recipe: str) -> None:
    bank = load_catalogue()
    for index in range(2):
        scene = draw_scene(bank, recipe, 1, index, "none")
        sketch = sketch_of(scene)
        assert sketch is not None
        again = scene_of(sketch, bank)
        assert isinstance(again, Scene) and again.room.kind == scene.room.kind
        for before, after in zip(scene.events, again.events, strict=True):
            assert after.path == before.path and after.label == before.label and after.onset_s == before.onset_s
        if scene.room.mid_rt60_s is not None and again.room.mid_rt60_s is not None:
            assert again.room.mid_rt60_s == pytest.approx(scene.room.mid_rt60_s, rel=0.05)


def test_the_queue_is_first_come_first_served_and_bounded() -> None:
    async def run() -> list[int]:
        worker, gate = Worker(limit=3, limit_s=10), threading.Event()
        worker.start()
        order: list[int] = []
        waiting = [asyncio.create_task(worker.run(gate.wait))]
        waiting += [asyncio.create_task(worker.run(lambda number=number: order.append(number))) for number in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Refused) as refused:
            await worker.run(lambda: None)
        assert refused.value.status_code == 429 and worker.waiting == 4
        gate.set()
        await asyncio.gather(*waiting)
        assert worker.waiting == 0
        await asyncio.to_thread(worker.stop)
        return order

    assert asyncio.run(run()) == [0, 1, 2]


def test_what_is_given_up_before_it_began_is_never_done() -> None:
    async def run() -> list[Any]:
        worker, gate, done = Worker(limit=3, limit_s=0.2), threading.Event(), []
        worker.start()
        first = asyncio.create_task(worker.run(gate.wait))
        await asyncio.sleep(0)
        with pytest.raises(Refused) as late:
            await worker.run(lambda: done.append(1))
        assert late.value.status_code == 504
        gate.set()
        await asyncio.gather(first, return_exceptions=True)
        await asyncio.to_thread(worker.stop)
        return done

    assert asyncio.run(run()) == []


def test_a_queue_that_would_take_too_long_is_not_joined() -> None:
    async def run() -> None:
        worker, gate = Worker(limit=100, limit_s=0.5), threading.Event()
        worker.start()
        await worker.run(lambda: time.sleep(0.3))
        waiting = [asyncio.create_task(worker.run(gate.wait)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Refused) as refused:
            await worker.run(lambda: None)
        assert refused.value.status_code == 429
        gate.set()
        await asyncio.gather(*waiting, return_exceptions=True)
        await asyncio.to_thread(worker.stop)

    asyncio.run(run())


def test_what_a_job_raises_is_raised_to_its_caller() -> None:
    async def run() -> None:
        worker = Worker(limit=1, limit_s=10)
        worker.start()
        with pytest.raises(ZeroDivisionError):
            await worker.run(lambda: 1 / 0)
        assert await worker.run(lambda: 7) == 7
        await asyncio.to_thread(worker.stop)

    asyncio.run(run())
