"""The first-order Ambisonic room response of one source: image sources up to the mixing time, then the diffuse tail.

AmbiX (W, Y, Z, X; SN3D) as the listener hears it, 24 kHz; time 0 is when the source emits; the direct sound has amplitude 1/distance (1 at 1 m).
"""

import numpy as np
from jaxtyping import Float32

from twnm.ambisonics import rotate
from twnm.audio import SAMPLE_RATE_HZ
from twnm.scene import Listener, Position, Room
from twnm.simulate.images import SPEED_OF_SOUND_M_S, image_response
from twnm.simulate.tail import CROSSFADE_S, Tail, add_tail, mixing_time_s, tail_of


def response_duration_s(room: Room, distance_m: float = 0.0) -> float:
    """How long a response is computed: the longest reverberation time of the bands, or a little more than the direct sound needs."""
    direct_s = distance_m / SPEED_OF_SOUND_M_S + 0.002
    return direct_s if room.kind != "shoebox" or room.rt60_s is None else max(max(room.rt60_s), direct_s)


def room_tail(room: Room) -> Tail | None:
    """The tail of a room, shared by all its sources; None without walls or when the sound dies before the mixing time."""
    if room.kind != "shoebox" or room.volume_m3 is None:
        return None
    mixing_s, stop_s = mixing_time_s(room.volume_m3), response_duration_s(room)
    return None if stop_s <= mixing_s + CROSSFADE_S else tail_of(room, mixing_s, stop_s)


def room_response(room: Room, listener: Listener, source_m: Position, tail: Tail | None, rng: np.random.Generator) -> Float32[np.ndarray, "4 samples"]:
    """Response from a source to the listener; `tail` is `room_tail(room)`, or None to compute every image over the whole response.

    `rng` places the noise of the tail.
    """
    distance_m = float(np.linalg.norm(np.subtract(source_m, listener.position_m)))
    stop_s = response_duration_s(room, distance_m)
    size_m, walls = (room.size_m, np.array(room.absorption)) if room.kind == "shoebox" else (None, None)
    if tail is None:
        response = image_response(size_m, walls, source_m, listener.position_m, stop_s)
    else:
        early = image_response(size_m, walls, source_m, listener.position_m, tail.mixing_s + 0.5 * CROSSFADE_S, CROSSFADE_S)
        response = np.zeros((4, max(early.shape[1], int(stop_s * SAMPLE_RATE_HZ) + 1)), np.float32)
        response[:, : early.shape[1]] = early
        add_tail(response, tail, rng)
    return rotate(response, -listener.yaw_deg) if listener.yaw_deg else response
