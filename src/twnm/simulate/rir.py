"""The first-order Ambisonic room response of one source: image sources up to the mixing time, then the diffuse tail.

AmbiX (W, Y, Z, X; SN3D) at 24 kHz; time 0 is when the source emits; the direct sound of a source that faces the listener has amplitude 1/distance.
"""

import numpy as np
from jaxtyping import Float32

from twnm.ambisonics import rotate
from twnm.audio import SAMPLE_RATE_HZ
from twnm.scene import Listener, Position, Room
from twnm.simulate.images import directivity_shares, image_response
from twnm.simulate.tail import CROSSFADE_S, Tail, mixing_time_s, tail_noise, tail_of

FILTER_S = 0.025  # the ringing of the octave bands where their gains differ


def response_duration_s(room: Room, distance_m: float = 0.0) -> float:
    """How long a response is computed: the longest reverberation time of the bands, or what the direct sound (and the ground) and its filters need."""
    direct_s = distance_m / room.speed_of_sound_m_s + FILTER_S
    return direct_s if room.kind != "shoebox" or room.rt60_s is None else max(max(room.rt60_s), direct_s)


def room_tail(room: Room) -> Tail | None:
    """The tail of a room, shared by all its sources; None without walls or when the sound dies before the mixing time."""
    if room.kind != "shoebox" or room.volume_m3 is None:
        return None
    mixing_s, stop_s = mixing_time_s(room.volume_m3, room.speed_of_sound_m_s), response_duration_s(room)
    return None if stop_s <= mixing_s + CROSSFADE_S else tail_of(room, mixing_s, stop_s)


def room_response(
    room: Room,
    listener: Listener,
    source_m: Position,
    tail: Tail | None,
    rng: np.random.Generator,
    directivity: str = "omni",
    facing_deg: float = 0.0,
) -> Float32[np.ndarray, "4 samples"]:
    """Response from a source to a listener at rest, as the listener hears it.

    Args:
        room: a shoebox, a ground or the free field.
        listener: its place and yaw.
        source_m: the source's place in the room.
        tail: `room_tail(room)`, or None to compute every image over the whole response.
        rng: places the noise of the tail.
        directivity, facing_deg: of the source, as in `Event`.
    """
    response = response_in_room(room, listener.position_m, source_m, tail, rng, directivity, facing_deg)
    return rotate(response, -listener.yaw_deg) if listener.yaw_deg else response


def response_in_room(
    room: Room,
    listener_m: Position,
    source_m: Position,
    tail: Tail | None,
    rng: np.random.Generator,
    directivity: str = "omni",
    facing_deg: float = 0.0,
) -> Float32[np.ndarray, "4 samples"]:
    """`room_response` in the room's axes."""
    early = early_response(room, listener_m, source_m, tail, directivity, facing_deg)
    if tail is None:
        return early
    response = tail_response(tail, directivity, rng)
    response[:, : early.shape[1]] += early
    return response


def early_response(
    room: Room,
    listener_m: Position,
    source_m: Position,
    tail: Tail | None,
    directivity: str = "omni",
    facing_deg: float = 0.0,
    lowest_order: int = 0,
) -> Float32[np.ndarray, "4 samples"]:
    """The images of at least `lowest_order` reflections, fading out where the tail fades in; all of them without a tail."""
    if tail is not None:
        stop_s, fade_s = tail.mixing_s + 0.5 * CROSSFADE_S, CROSSFADE_S
    else:
        reach_m = float(np.linalg.norm(np.subtract(source_m, listener_m)))
        if room.kind == "ground":
            reach_m = float(np.hypot(np.hypot(source_m[0] - listener_m[0], source_m[1] - listener_m[1]), source_m[2] + listener_m[2]))
        stop_s, fade_s = response_duration_s(room, reach_m), 0.0
    return image_response(room, source_m, listener_m, stop_s, fade_s, directivity, facing_deg, lowest_order)


def tail_response(tail: Tail, directivity: str, rng: np.random.Generator) -> Float32[np.ndarray, "4 samples"]:
    """The diffuse tail that a source of this directivity excites."""
    shares = directivity_shares(directivity)
    samples = int(max(tail.stop_s, tail.mixing_s + CROSSFADE_S) * SAMPLE_RATE_HZ) + 2
    return tail_noise(tail, samples, rng, np.sqrt((1 - shares) ** 2 + shares**2 / 3))
