"""What simulating costs, beside pyroomacoustics and the STFT-domain interpolation of SpatialScaper, in one run on one thread.

    python benchmarks/simulate.py [--json] [--sounds FOLDER] [--scenes 1000]

A room of 6 x 5 x 3 m with a reverberation time of 0.6 s in all octave bands, 24 kHz, first-order Ambisonics. Times are medians of processor time of
this thread, so other load disturbs them less; a ratio is the peer's time over ours. The data set is written by two processes and counted by the
clock. The last line is a JSON object with the ratios, with `--json` the only line on standard output.

Peers: Scheibler, Bezzam and Dokmanić, "Pyroomacoustics", ICASSP 2018; Roman et al., "Spatial Scaper", ICASSP 2024, whose moving sources follow
Politis' DCASE data generator: responses at places along the way, cut into STFT frames, interpolated between places for every frame of the source.
"""

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")

import argparse
import json
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyroomacoustics as pra
from rich.console import Console
from rich.table import Table
from scipy.signal import butter, sosfiltfilt

from twnm.scene import BAND_CENTRES_HZ, Event, Listener, Room, Scene, Waypoint
from twnm.simulate import foreign
from twnm.simulate.convolve import convolve_sum
from twnm.simulate.moving import render_moving
from twnm.simulate.rir import room_response, room_tail
from twnm.simulate.rooms import shoebox
from twnm.simulate.tail import Tail

RATE_HZ = 24_000
SPEED_M_S = 343.2
SIZE_M, RT60_S = (6.0, 5.0, 3.0), 0.6
HERE_M, THERE_M = (2.4, 2.1, 1.5), ((4.2, 3.5, 1.2), (1.0, 3.8, 1.7), (3.9, 1.0, 1.0))
SCENE_S = 10.0
WALK_M = ((1.0, 3.5, 1.2), (5.0, 3.5, 1.2))
WALK_PLACES = 41  # a response every 10 cm for the peer
WINDOW, HOP, NFFT = 512, 256, 1024
Timed = tuple[float, float]


def median_ms(work: Callable[[], object], repeats: int, warm: bool = True) -> float:
    """Median processor time of this thread, milliseconds."""
    if warm:
        work()
    times = []
    for _ in range(repeats):
        begin = time.thread_time()
        work()
        times.append(1e3 * (time.thread_time() - begin))
    return statistics.median(times)


def time_responses(room: Room) -> dict[str, Timed]:
    """One response by ours (hybrid, and all images) and by pyroomacoustics' image sources in seven bands."""
    listener, rng = Listener(position_m=HERE_M), np.random.default_rng(0)
    order = pra.inverse_sabine(RT60_S, SIZE_M)[1]
    peer = median_ms(lambda: foreign.response(room, HERE_M, THERE_M[0], rng, image_order=order), 3, warm=False)
    hybrid = median_ms(lambda: room_response(room, listener, THERE_M[0], room_tail(room), rng), 100)
    full = median_ms(lambda: room_response(room, listener, THERE_M[0], None, rng), 10)
    return {"rir_hybrid": (hybrid, peer), "rir_full": (full, peer)}


def time_scene(room: Room) -> Timed:
    """Ten seconds of three sources at rest, from dry sounds to four channels, by ours and by pyroomacoustics (order 3 and ray tracing)."""
    rng = np.random.default_rng(1)
    dry = [(0.05 * rng.standard_normal(round(SCENE_S * RATE_HZ))).astype(np.float32) for _ in THERE_M]

    def ours() -> None:
        tail = room_tail(room)
        responses = [room_response(room, Listener(position_m=HERE_M), place, tail, rng) for place in THERE_M]
        convolve_sum([(sound, 0, response) for sound, response in zip(dry, responses, strict=True)], round(SCENE_S * RATE_HZ))

    def theirs() -> None:
        assert room.absorption is not None
        walls = {
            name: pra.Material({"coeffs": list(wall), "center_freqs": list(BAND_CENTRES_HZ)}, 0.3)
            for name, wall in zip(foreign.WALL_NAMES, room.absorption, strict=True)
        }
        space = pra.ShoeBox(list(SIZE_M), fs=RATE_HZ, materials=walls, max_order=3, ray_tracing=True, air_absorption=True)
        eights = [pra.directivities.FigureEight(np.array(axis)) for axis in ((0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (1.0, 0.0, 0.0))]
        for place, sound in zip(THERE_M, dry, strict=True):
            space.add_source(list(place), signal=sound)
        space.add(pra.MicrophoneArray(np.repeat(np.array(HERE_M)[:, None], 4, axis=1), RATE_HZ, directivity=[None, *eights]))
        space.simulate()

    return median_ms(ours, 20), median_ms(theirs, 2, warm=False)


def stft_frames(signal: np.ndarray) -> np.ndarray:
    """Spectra of frames under a squared-sine window that sum to the signal: (frames, frequencies)."""
    window = np.sin(np.pi * np.arange(WINDOW) / WINDOW) ** 2
    frames = signal.size // HOP + 2
    padded = np.pad(signal, (WINDOW - HOP, (frames + 1) * HOP - signal.size))
    cut = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][:frames]
    return np.fft.rfft(cut * window, NFFT)


def interpolate_in_stft(dry: np.ndarray, responses: np.ndarray, places_s: np.ndarray) -> np.ndarray:
    """The peer's moving source: responses (places, 4, taps), heard at `places_s`, interpolated linearly for every frame; gives (4, samples)."""
    source = stft_frames(dry)
    partitions = np.stack([[stft_frames(channel) for channel in response] for response in responses])  # (places, 4, partitions, frequencies)
    depth = partitions.shape[2]
    history = np.zeros((depth, source.shape[1]), complex)
    out = np.zeros((4, (source.shape[0] + 3) * HOP + NFFT))
    at = np.interp(np.arange(source.shape[0]) * HOP / RATE_HZ, places_s, np.arange(places_s.size))
    for frame, spectrum in enumerate(source):
        history = np.roll(history, 1, axis=0)
        history[0] = spectrum
        place = min(int(at[frame]), places_s.size - 2)
        share = at[frame] - place
        transfer = (1 - share) * partitions[place] + share * partitions[place + 1]
        out[:, frame * HOP : frame * HOP + NFFT] += np.fft.irfft((transfer * history).sum(axis=1), NFFT)
    first = 2 * (WINDOW - HOP)  # source and response were both padded in front
    return out[:, first : first + dry.size]


def walk(room: Room) -> Scene:
    """A scene whose one source walks through it."""
    path = tuple(Waypoint(time_s=SCENE_S * number, position_m=place) for number, place in enumerate(WALK_M))
    event = Event(label="dog", clip="dog.wav", onset_s=0.0, offset_s=SCENE_S, path=path)
    return Scene(scene_id="walk", room=room, listener=Listener(position_m=HERE_M), events=(event,), duration_s=SCENE_S)


def move(scene: Scene, dry: np.ndarray, tail: Tail | None) -> np.ndarray:
    """The walk by ours: (4, samples)."""
    early, images, tails = render_moving(scene, scene.events[0], dry, dry.size, tail, [0])
    return early + convolve_sum(images, dry.size) + convolve_sum(tails, dry.size)


def walk_responses(room: Room) -> tuple[np.ndarray, np.ndarray]:
    """The peer's responses along the way (by our images, all of them) and the times of their places."""
    share = np.linspace(0, 1, WALK_PLACES)
    places = np.outer(1 - share, WALK_M[0]) + np.outer(share, WALK_M[1])
    tail = room_tail(room)
    responses = [room_response(room, Listener(position_m=HERE_M), tuple(map(float, place)), tail, np.random.default_rng(0)) for place in places]
    longest = max(response.shape[1] for response in responses)
    return np.stack([np.pad(response, ((0, 0), (0, longest - response.shape[1]))) for response in responses]), share * SCENE_S


def time_moving(room: Room) -> Timed:
    """A walk of ten seconds: ours with its responses, the peer with its responses already at hand."""
    scene, samples = walk(room), round(SCENE_S * RATE_HZ)
    dry = (0.05 * np.random.default_rng(2).standard_normal(samples)).astype(np.float32)
    responses, places_s = walk_responses(room)
    ours = median_ms(lambda: move(scene, dry, room_tail(room)), 10)
    return ours, median_ms(lambda: interpolate_in_stft(dry, responses, places_s), 2, warm=False)


def moving_errors_db() -> Timed:
    """Error of the direct sound of the walk between 3 and 10 kHz, dB re the exact retarded sound, ours and the peer's."""
    room, samples = Room(kind="free", temperature_c=20.0, humidity_percent=50.0), round(SCENE_S * RATE_HZ)
    band = butter(6, [3000, 10_000], "bandpass", fs=RATE_HZ, output="sos")
    dry = sosfiltfilt(band, np.random.default_rng(3).standard_normal(samples))
    scene = walk(room)
    times_s = np.arange(samples) / RATE_HZ
    emitted_s = times_s.copy()
    for _ in range(20):
        distance_m = np.linalg.norm(scene.events[0].position_at(emitted_s) - HERE_M, axis=1)
        emitted_s = times_s - distance_m / SPEED_M_S
    at = emitted_s * RATE_HZ
    whole = np.floor(at).astype(int)
    exact = np.zeros(samples)
    for tap in range(-63, 65):
        place = whole + tap
        offset = at - place
        window = np.i0(12 * np.sqrt(np.maximum(0, 1 - (offset / 64) ** 2))) / np.i0(12.0)
        exact += np.where((place >= 0) & (place < samples), dry[np.clip(place, 0, samples - 1)], 0.0) * np.sinc(offset) * window
    exact /= distance_m
    ours = move(scene, dry.astype(np.float32), None)[0]
    theirs = interpolate_in_stft(dry, *walk_responses(room))[0]
    kept = slice(RATE_HZ, samples - RATE_HZ)

    def error_db(signal: np.ndarray) -> float:
        scale = float(signal[kept] @ exact[kept] / (signal[kept] @ signal[kept]))  # the air's loss is no error
        return float(10 * np.log10(np.sum((scale * signal[kept] - exact[kept]) ** 2) / np.sum(exact[kept] ** 2)))

    return error_db(ours), error_db(theirs)


def time_dataset(sounds: Path | None, scenes: int) -> dict[str, float]:
    """Scenes per second of a data set on disk by two processes, bytes per scene, and the largest memory of a worker in MB."""
    from twnm.simulate.dataset import write
    from twnm.sounds.catalogue import load_catalogue

    folder = Path(tempfile.mkdtemp(prefix="twnm-benchmark-"))
    try:
        catalogue = load_catalogue(sounds)
        write(folder / "warm", 128, 1, "indoor", catalogue, workers=2)
        begin = time.monotonic()
        write(folder / "set", scenes, 0, "indoor", catalogue, workers=2)
        seconds = time.monotonic() - begin
        size = sum(path.stat().st_size for path in (folder / "set").rglob("*") if path.is_file())
        worker_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        return {"scenes_per_s": scenes / seconds, "bytes_per_scene": size / scenes, "worker_mb": worker_mb}
    finally:
        shutil.rmtree(folder)


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the JSON line alone")
    parser.add_argument("--sounds", type=Path, help="folder of dry sounds for the data set; your own catalogue if absent")
    parser.add_argument("--scenes", type=int, default=1000, help="of the data set")
    arguments = parser.parse_args()
    room = shoebox(SIZE_M, RT60_S)
    timed = time_responses(room) | {"scene": time_scene(room), "moving": time_moving(room)}
    errors = moving_errors_db()
    dataset = time_dataset(arguments.sounds, arguments.scenes)
    table = Table("work", "twnm", "peer", "ratio", title="processor time, one thread")
    names = {
        "rir_hybrid": "response, images + tail / 7-band image sources",
        "rir_full": "response, all images / 7-band image sources",
        "scene": "10 s, 3 sources / order 3 + ray tracing",
        "moving": "10 s walk / STFT interpolation",
    }
    for name, (ours, theirs) in timed.items():
        table.add_row(names[name], f"{ours:.2f} ms", f"{theirs:.0f} ms", f"{theirs / ours:.0f}")
    table.add_row("error of the walk, 3-10 kHz", f"{errors[0]:.1f} dB", f"{errors[1]:.1f} dB", "")
    table.add_row(
        "data set on disk, two processes",
        f"{dataset['scenes_per_s']:.0f} scenes/s",
        f"{dataset['bytes_per_scene']:.0f} bytes",
        f"{dataset['worker_mb']:.0f} MB",
    )
    Console(stderr=arguments.json).print(table)
    result = {f"{name}_ratio": round(theirs / ours, 1) for name, (ours, theirs) in timed.items()}
    result |= {"dataset_scenes_per_s": round(dataset["scenes_per_s"], 1)}
    result |= {f"{name}_ms": [round(ours, 3), round(theirs, 1)] for name, (ours, theirs) in timed.items()}
    result |= {"moving_error_db": [round(error, 1) for error in errors], "dataset": {name: round(value) for name, value in dataset.items()}}
    print(json.dumps(result))


if __name__ == "__main__":
    sys.exit(main())
