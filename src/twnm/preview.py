"""One scene to look at and to listen to: `preview.png`, `foa.wav`, `binaural.wav` and `scene.json`.

The picture has the room seen from above (x, which a listener of yaw 0 faces, up the page), how the room's response to the first sound dies away, when
the sounds are heard, the spectrogram of W, and directions over time: the true ones as bands, those measured from the audio as dots. A dot is the
direction of the active intensity of one octave (500 Hz to 4 kHz) in 100 ms, where less than 60 % of the energy is diffuse. It has the colour of the
sound whose direct sound is loudest there and then, and is grey where no direct sound makes up a tenth of the energy.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Complex, Float, Float32

from twnm.ambisonics import angles_deg, decode_binaural
from twnm.audio import SAMPLE_RATE_HZ, write_audio
from twnm.errors import InputError
from twnm.files import atomic_write
from twnm.plot import DARK, GREY, colour_of, room_plan
from twnm.scene import BAND_CENTRES_HZ, Scene
from twnm.simulate.decay import in_bands, onset_sample, schroeder_db
from twnm.simulate.dry import dry_signal
from twnm.simulate.rir import room_response, room_tail
from twnm.sounds.catalogue import Catalogue
from twnm.sounds.classes import spoken

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PEAK = 0.95
_FRAME_S = 0.1
_OCTAVES_HZ = (500.0, 1000.0, 2000.0, 4000.0)
_MOST_DIFFUSE = 0.6
_QUIETEST_DB = -45.0
_DIRECT_DB = -10.0
_ENVELOPE_S = 0.02


def write_preview(folder: Path, foa: Float32[np.ndarray, "4 samples"], scene: Scene, catalogue: Catalogue) -> list[Path]:
    """Write the picture, the audio, the audio for headphones and the scene into a folder, which is made if absent.

    Args:
        folder: where to write; files of the same names are replaced.
        foa: the scene rendered, AmbiX at 24 kHz, within [-1, 1].
        scene: what is true of it.
        catalogue: the sound bank that the scene was drawn from.

    Returns:
        The paths of preview.png, foa.wav, binaural.wav and scene.json.

    Raises:
        InputError: the folder cannot be written, the audio is over full scale or has another duration than the scene, or a clip is not in the catalogue.
    """
    if foa.shape[1] != round(scene.duration_s * SAMPLE_RATE_HZ):
        raise InputError(f"the audio lasts {foa.shape[1] / SAMPLE_RATE_HZ:.3f} s and scene {scene.scene_id} {scene.duration_s} s; give the audio of that scene")
    direct, title = _direct_sounds(scene, catalogue), f"{scene.scene_id}\n{_about(scene, catalogue)}"  # shows a missing clip before anything is on disk
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror}; choose another folder") from None
    picture, ambix, headphones, description = (folder / name for name in ("preview.png", "foa.wav", "binaural.wav", "scene.json"))
    write_audio(ambix, foa)
    ears = decode_binaural(foa)
    write_audio(headphones, ears * np.float32(min(1.0, PEAK / max(float(np.abs(ears).max(initial=0.0)), 1e-9))))
    with atomic_write(description) as temporary:
        temporary.write_text(scene.to_json() + "\n", encoding="utf-8")
    _draw(picture, foa, scene, direct, title)
    return [picture, ambix, headphones, description]


def _draw(path: Path, foa: Float32[np.ndarray, "4 samples"], scene: Scene, direct: Float32[np.ndarray, "events samples"], title: str) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 9), layout="constrained")
    halves = figure.add_gridspec(1, 2, width_ratios=(1, 1.25), wspace=0.03)
    left = halves[0].subgridspec(2, 1, height_ratios=(1.6, 1))
    rows = halves[1].subgridspec(4, 1, height_ratios=(0.28 + 0.16 * max(len(scene.events), 1), 1.5, 1.5, 1.1))
    plan_axes, decay_axes = figure.add_subplot(left[0]), figure.add_subplot(left[1])
    time_axes = [figure.add_subplot(rows[0])]
    time_axes += [figure.add_subplot(row, sharex=time_axes[0]) for row in (rows[1], rows[2], rows[3])]
    room_plan(plan_axes, scene)
    _decay(decay_axes, scene)
    _activity(time_axes[0], scene, direct)
    _spectrogram(time_axes[1], foa[0])
    _directions(time_axes[2], time_axes[3], foa, scene, direct)
    time_axes[0].set_xlim(0, scene.duration_s)
    for axes in time_axes[:3]:
        axes.tick_params(labelbottom=False)
    figure.suptitle(title, fontsize=11)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _about(scene: Scene, catalogue: Catalogue) -> str:
    """The room, the background, the situation and the microphone in one line."""
    room = {"ground": "outdoors, over ground", "free": "free field", "measured": "measured room", "unknown": "unknown room"}.get(scene.room.kind, "")
    if scene.room.size_m is not None:
        room = f"room of {' × '.join(f'{side:.1f}' for side in scene.room.size_m)} m"
    parts = [scene.situation, room]
    if scene.room.mid_rt60_s is not None:
        parts.append(f"RT60 {scene.room.mid_rt60_s:.2f} s")
    kind = scene.ambience.kind
    if kind != "none":
        made_of = ", ".join(dict.fromkeys(spoken(catalogue.clip(path).label) for path in scene.ambience.clips))
        what = f"background: {made_of}" if kind == "recording" else kind if kind == "babble" else f"{kind} noise"
        parts.append(f"{what} at {scene.ambience.level_db:.0f} dB")
    if scene.microphone is not None:
        parts.append("real microphone")
    return "  ·  ".join(part for part in parts if part)


def _decay(axes: "Axes", scene: Scene) -> None:
    """Schroeder's energy decay of each octave band between walls; without walls the response itself: the direct sound and what the ground returns."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e4e4e4", lw=0.7)
    if not scene.events or scene.room.kind in ("measured", "unknown"):
        axes.text(0.5, 0.5, "no simulated response", color=GREY, ha="center", va="center", transform=axes.transAxes)
        axes.set_axis_off()
        return
    source_m = scene.events[0].path[0].position_m
    response = room_response(scene.room, scene.listener, source_m, room_tail(scene.room), np.random.default_rng(scene.seed))[0]
    name = spoken(scene.events[0].label)
    if scene.room.rt60_s is None:
        _arrivals(axes, response, name)
        return
    from matplotlib import colormaps

    onset = onset_sample(response)
    bands = in_bands(response[onset:])[:, : response.size - onset]
    for band, (centre_hz, rt60_s, energy) in enumerate(zip(BAND_CENTRES_HZ, scene.room.rt60_s, bands**2, strict=True)):
        label = f"{centre_hz:.0f} Hz: {rt60_s:.2f} s" if centre_hz < 1000 else f"{centre_hz / 1000:.0f} kHz: {rt60_s:.2f} s"
        colour = colormaps["viridis"](band / len(BAND_CENTRES_HZ))
        axes.plot(np.arange(energy.size) / SAMPLE_RATE_HZ, schroeder_db(energy), color=colour, lw=1.4, label=label)
    axes.set(xlim=(0, max(scene.room.rt60_s)), ylim=(-65, 2), xlabel="seconds after the direct sound", ylabel="energy still to come, dB")
    axes.set_title(f"energy decay at the listener: {name}", fontsize=10)
    axes.legend(title="octave band: RT60", fontsize=7.5, title_fontsize=7.5, frameon=False, loc="upper right")


def _arrivals(axes: "Axes", response: Float32[np.ndarray, " samples"], name: str) -> None:
    level_db = 20 * np.log10(np.maximum(np.abs(response), 1e-9))
    times_ms = 1000 * np.arange(response.size) / SAMPLE_RATE_HZ
    heard_ms = times_ms[level_db > level_db.max() - 60]
    axes.plot(times_ms, level_db, color=DARK, lw=1.2)
    axes.set(xlim=(heard_ms[0] - 1, max(heard_ms[-1] + 1, heard_ms[0] + 5)), ylim=(level_db.max() - 65, level_db.max() + 5))
    axes.set(xlabel="milliseconds after the source", ylabel="dB re direct sound at 1 m")
    axes.set_title(f"response of W (no walls): {name}", fontsize=10)


def _direct_sounds(scene: Scene, catalogue: Catalogue) -> Float32[np.ndarray, "events samples"]:
    """What arrives directly from each event over the scene, with the loudness that distance leaves; its delay and its directivity are not counted."""
    samples = round(scene.duration_s * SAMPLE_RATE_HZ)
    direct = np.zeros((len(scene.events), samples), np.float32)
    for row, event in zip(direct, scene.events, strict=True):
        onset = round(event.onset_s * SAMPLE_RATE_HZ)
        sound = dry_signal(event, catalogue)[: samples - onset]
        track = scene.track(event)
        row[onset : onset + sound.size] = sound / np.interp((onset + np.arange(sound.size)) / SAMPLE_RATE_HZ, track.times_s, track.distance_m)
    return direct * np.float32(10 ** (scene.output_gain_db / 20))


def _activity(axes: "Axes", scene: Scene, direct: Float32[np.ndarray, "events samples"]) -> None:
    """When the sounds sound: a pale bar from onset to offset, filled as high as the sound is loud (40 dB)."""
    size = round(_ENVELOPE_S * SAMPLE_RATE_HZ)
    power = np.mean(direct[:, : direct.shape[1] // size * size].reshape(len(direct), direct.shape[1] // size, size).astype(float) ** 2, axis=-1)
    times_s = (np.arange(power.shape[1]) + 0.5) * _ENVELOPE_S
    for number, (event, loud) in enumerate(zip(scene.events, power, strict=True)):
        height = 0.8 * np.clip(1 + 10 * np.log10(loud / max(float(loud.max(initial=0.0)), 1e-20) + 1e-20) / 40, 0, 1)
        axes.fill_between([event.onset_s, event.offset_s], number - 0.4, number + 0.4, color=colour_of(number), alpha=0.18, lw=0)
        axes.fill_between(times_s, number - 0.5 * height, number + 0.5 * height, color=colour_of(number), lw=0)
    axes.set(ylim=(max(len(scene.events), 1) - 0.4, -0.6), yticks=range(len(scene.events)), yticklabels=[spoken(event.label) for event in scene.events])
    for number, label in enumerate(axes.get_yticklabels()):
        label.set_color(colour_of(number))
    axes.set_title("what sounds when", fontsize=10)
    axes.tick_params(length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _spectrogram(axes: "Axes", w: Float32[np.ndarray, " samples"]) -> None:
    from scipy.signal import spectrogram

    window = min(1024, w.size)
    frequency_hz, times_s, power = spectrogram(w, SAMPLE_RATE_HZ, nperseg=window, noverlap=window // 2)
    power_db = 10 * np.log10(power[1:] + 1e-14)
    axes.pcolormesh(times_s, frequency_hz[1:], power_db, vmin=power_db.max() - 75, vmax=power_db.max(), cmap="magma", shading="nearest", rasterized=True)
    axes.set_yscale("log")
    axes.set(ylim=(60, 12_000), ylabel="Hz")
    axes.set_yticks([125, 500, 2000, 8000], ["125", "500", "2k", "8k"])
    axes.minorticks_off()
    axes.set_title("spectrogram of W (75 dB from dark to light)", fontsize=10)


def _octaves(
    audio: Float32[np.ndarray, "signals samples"],
) -> tuple[Complex[np.ndarray, "signals frames frequencies"], Float[np.ndarray, "octaves frequencies"]]:
    """Spectra of frames of 100 ms (complex), and which frequencies belong to the octaves from 500 Hz to 4 kHz."""
    size = round(_FRAME_S * SAMPLE_RATE_HZ)
    padded = np.pad(audio, ((0, 0), (0, -audio.shape[1] % size)))
    frequency_hz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE_HZ)
    bands = np.array([(frequency_hz >= centre_hz / 2**0.5) & (frequency_hz < centre_hz * 2**0.5) for centre_hz in _OCTAVES_HZ], float)
    return np.fft.rfft(padded.reshape(len(audio), padded.shape[1] // size, size) * np.hanning(size), axis=-1), bands


def measured_directions(foa: Float32[np.ndarray, "4 samples"]) -> tuple[Float[np.ndarray, "octaves frames"], ...]:
    """Azimuth and elevation (degrees), diffuseness (0 to 1) and power of W of the octaves from 500 Hz to 4 kHz in frames of 100 ms."""
    spectra, bands = _octaves(foa)
    flow = np.einsum("of,ctf->otc", bands, (np.conj(spectra[0]) * spectra[[3, 1, 2]]).real)
    power = np.einsum("of,ctf->cot", bands, np.abs(spectra) ** 2)
    azimuth_deg, elevation_deg = angles_deg(flow)
    return azimuth_deg, elevation_deg, 1 - np.linalg.norm(flow, axis=-1) / np.maximum(0.5 * power.sum(axis=0), 1e-20), power[0]


def _directions(
    azimuth_axes: "Axes", elevation_axes: "Axes", foa: Float32[np.ndarray, "4 samples"], scene: Scene, direct: Float32[np.ndarray, "events samples"]
) -> None:
    for number, track in enumerate(scene.tracks(50.0)):
        jump = np.abs(np.diff(track.azimuth_deg, append=track.azimuth_deg[-1:])) > 180
        style: dict[str, Any] = {"color": colour_of(number), "lw": 7, "alpha": 0.3, "solid_capstyle": "butt"}
        azimuth_axes.plot(track.times_s, np.where(track.active & ~jump, track.azimuth_deg, np.nan), **style)
        elevation_axes.plot(track.times_s, np.where(track.active, track.elevation_deg, np.nan), **style)
    azimuth_deg, elevation_deg, diffuseness, power = measured_directions(foa)
    spectra, bands = _octaves(direct)
    powers = np.einsum("of,etf->eot", bands, np.abs(spectra) ** 2)
    loudest = np.concatenate([power[None] * 10 ** (_DIRECT_DB / 10), powers]).argmax(axis=0)
    shades = np.array([GREY, *(colour_of(number) for number in range(len(scene.events)))])[loudest]
    shown = (diffuseness < _MOST_DIFFUSE) & (power > power.max(initial=0.0) * 10 ** (_QUIETEST_DB / 10))
    times_s = (np.arange(power.shape[1]) + 0.5 + 0.12 * (np.arange(len(_OCTAVES_HZ))[:, None] - 1.5)) * _FRAME_S  # octaves side by side
    for axes, values_deg in ((azimuth_axes, azimuth_deg), (elevation_axes, elevation_deg)):
        axes.scatter(times_s[shown], values_deg[shown], s=11, c=shades[shown], lw=0, zorder=3)
    azimuth_axes.set_title("directions from the listener: true (bands) and measured (dots)", fontsize=10)
    azimuth_axes.set(ylim=(-185, 185), yticks=range(-180, 181, 90), ylabel="azimuth °  (+ left)")
    elevation_axes.set(ylim=(-92, 92), yticks=range(-90, 91, 45), ylabel="elevation °  (+ up)", xlabel="seconds")
    for axes in (azimuth_axes, elevation_axes):
        axes.grid(color="#e4e4e4", lw=0.7)
        axes.spines[["top", "right"]].set_visible(False)
