"""Files that no honest recorder writes, as (name, bytes); every one must be refused with a 4xx."""

import io
import struct

import numpy as np
import soundfile
from stand_in import barking


def encoded(audio: np.ndarray, rate_hz: int = 24_000, container: str = "WAV", subtype: str = "PCM_16") -> bytes:
    out = io.BytesIO()
    soundfile.write(out, audio.T, rate_hz, format=container, subtype=subtype)
    return out.getvalue()


def wav_header(channels: int, rate_hz: int, bits: int, data_bytes: int, kind: int = 1) -> bytes:
    block = channels * bits // 8
    fmt = struct.pack("<HHIIHH", kind, channels & 0xFFFF, rate_hz, (rate_hz * block) & 0xFFFFFFFF, block & 0xFFFF, bits)
    return b"RIFF" + struct.pack("<I", (36 + data_bytes) & 0xFFFFFFFF) + b"WAVEfmt " + struct.pack("<I", 16) + fmt + b"data" + struct.pack("<I", data_bytes)


def flac_promising(samples: int) -> bytes:
    """A small FLAC file whose header promises so many samples of each channel."""
    flac = bytearray(encoded(np.zeros((4, 4096), np.float32), container="FLAC"))
    assert flac[:4] == b"fLaC"
    packed = int.from_bytes(flac[18:26], "big")  # rate 20 bits, channels 3, bits 5, samples 36
    flac[18:26] = ((packed >> 36 << 36) | samples).to_bytes(8, "big")
    return bytes(flac)


def hostile_files() -> dict[str, bytes]:
    good = encoded(barking(90.0))
    flac = encoded(barking(90.0), container="FLAC")
    ogg = encoded(barking(90.0, 1.0), container="OGG", subtype="VORBIS")
    rng = np.random.default_rng(0)
    nan = np.full((4, 100), np.nan, np.float32)
    return {
        "empty": b"",
        "one byte": b"R",
        "text": b"this is no recording\n" * 100,
        "html": b"<html><script>alert(1)</script></html>",
        "zip": b"PK\x03\x04" + bytes(200),
        "noise": rng.bytes(4096),
        "truncated wav": good[: len(good) // 2],
        "wav header alone": good[:44],
        "half a wav header": good[:20],
        "truncated flac": flac[: len(flac) // 2],
        "flac header alone": flac[:42],
        "truncated ogg": ogg[: len(ogg) // 3],
        "wav of 1e9 frames": wav_header(4, 24_000, 16, 0xFFFFFFF0) + bytes(64),
        "wav of no channels": wav_header(0, 24_000, 16, 64) + bytes(64),
        "wav of 65535 channels": wav_header(65535, 24_000, 16, 64) + bytes(64),
        "wav at 0 Hz": wav_header(4, 0, 16, 64) + bytes(64),
        "wav at 4 GHz": wav_header(4, 0xFFFFFFFF, 16, 64) + bytes(64),
        "wav of 0 bits": wav_header(4, 24_000, 0, 64) + bytes(64),
        "wav of an unknown codec": wav_header(4, 24_000, 16, 64, kind=0x7777) + bytes(64),
        "mono": encoded(barking(0.0)[:1]),
        "stereo": encoded(barking(0.0)[:2]),
        "three channels": encoded(barking(0.0)[:3]),
        "nan": encoded(nan, container="WAV", subtype="FLOAT"),
        "no samples": encoded(np.zeros((4, 0), np.float32)),
        "flac of 1e9 frames": flac_promising(1_000_000_000),
        "flac of 6e10 frames": flac_promising((1 << 36) - 1),
        "flac bomb of silence": encoded(np.zeros((4, 8000 * 900), np.float32), 8000, "FLAC"),
        "eight channels at 655 kHz": encoded(np.zeros((8, 655_350 * 4), np.float32), 655_350, "FLAC")[:4000],
        "rf64 of 2^62 bytes": b"RF64\xff\xff\xff\xffWAVEds64" + struct.pack("<IQQQI", 28, 1 << 62, 1 << 62, 1 << 60, 0) + good[12:36] + b"data\xff\xff\xff\xff",
        "caf of 2^62 bytes": b"caff\x00\x01\x00\x00desc"
        + struct.pack(">Qd", 32, 24_000.0)
        + b"lpcm"
        + struct.pack(">IIIII", 0, 8, 1, 4, 16)
        + b"data"
        + struct.pack(">qI", 1 << 62, 0)
        + bytes(64),
        "midi": b"MThd\x00\x00\x00\x06\x00\x01\x00\x01\x00\x60",
        "au": encoded(barking(0.0), container="AU"),
    }
