import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from twnm.ambisonics import encode, from_ambix, intensity_direction
from twnm.audio import SAMPLE_RATE_HZ, check_foa, read_foa, read_mono, stream_foa, write_audio
from twnm.errors import InputError


def noise(channels: int = 4, samples: int = 2400) -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.5, 0.5, (channels, samples)).astype(np.float32)


def write(path: Path, audio: np.ndarray, rate_hz: int = SAMPLE_RATE_HZ, **options: str) -> Path:
    soundfile.write(path, audio.T, rate_hz, **options)
    return path


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_what_is_written_is_read_back_within_one_step_of_16_bits(tmp_path: Path, suffix: str) -> None:
    path, audio = tmp_path / f"a{suffix}", noise()
    write_audio(path, audio)
    assert soundfile.info(path).subtype == "PCM_16"
    np.testing.assert_allclose(read_foa(path), audio, atol=1 / 32768)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000, 96_000])
def test_resampling_keeps_frequency_level_and_length_of_a_sine(tmp_path: Path, rate_hz: int) -> None:
    time_s = np.arange(rate_hz) / rate_hz
    tones = [0.5 * np.sin(2 * np.pi * frequency_hz * time_s) for frequency_hz in (440, 1000, 2000, 3000)]
    audio = read_foa(write(tmp_path / "a.wav", np.stack(tones), rate_hz, subtype="FLOAT"))
    assert audio.shape == (4, SAMPLE_RATE_HZ)
    spectrum = np.abs(np.fft.rfft(audio[:, 2400:-2400] * np.hanning(SAMPLE_RATE_HZ - 4800)))
    np.testing.assert_allclose(spectrum.argmax(axis=1) * SAMPLE_RATE_HZ / (SAMPLE_RATE_HZ - 4800), [440, 1000, 2000, 3000], atol=0.7)
    np.testing.assert_allclose(np.sqrt(2 * np.mean(audio[:, 2400:-2400] ** 2, axis=1)), 0.5, rtol=2e-3)


def test_ogg_is_read_with_its_direction(tmp_path: Path) -> None:
    audio = read_foa(write(tmp_path / "a.ogg", encode(noise(1, 24_000)[0], 60.0, 20.0), 24_000, subtype="VORBIS"))
    azimuth_deg, elevation_deg, _ = intensity_direction(audio)
    assert (azimuth_deg, elevation_deg) == pytest.approx((60.0, 20.0), abs=2.0)


@pytest.mark.parametrize("layout", ["ambix", "n3d", "fuma", "wxyz"])
def test_a_file_in_any_layout_comes_back_as_ambix(tmp_path: Path, layout: str) -> None:
    foa = encode(noise(1)[0], 60.0, 20.0)
    path = write(tmp_path / "a.wav", from_ambix(foa, layout), subtype="FLOAT")
    np.testing.assert_allclose(read_foa(path, layout=layout), foa, atol=1e-6)


@pytest.mark.parametrize(("rate_hz", "seconds"), [(24_000, 12.5), (44_100, 11.0), (48_000, 10.0), (16_000, 0.3), (96_000, 5.0)])
def test_a_recording_read_in_blocks_is_the_recording(tmp_path: Path, rate_hz: int, seconds: float) -> None:
    path = write(tmp_path / "a.wav", noise(9, round(rate_hz * seconds)), rate_hz, subtype="FLOAT")
    blocks = list(stream_foa(path, layout="n3d"))
    assert all(block.shape == (4, 120_000) for block in blocks[:-1])
    whole = read_foa(path, layout="n3d")
    joined = np.concatenate(blocks, axis=1)
    assert joined.shape == whole.shape
    np.testing.assert_allclose(joined, whole, atol=1e-4)


def test_what_is_wrong_with_a_recording_is_found_while_it_is_read_in_blocks(tmp_path: Path) -> None:
    audio = noise(4, 200_000)
    audio[2, 150_000] = np.nan
    broken = write(tmp_path / "nan.wav", audio, subtype="FLOAT")
    with pytest.raises(InputError, match="has 1 NaN or infinite samples"):
        check_foa(broken)
    blocks = stream_foa(broken)
    assert next(blocks).shape == (4, 120_000)
    with pytest.raises(InputError, match="has 1 NaN or infinite samples"):
        next(blocks)
    whole = write(tmp_path / "a.flac", noise(4, 480_000))
    cut = tmp_path / "cut.flac"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(InputError, match=r"truncated|cannot be read as audio"):
        list(stream_foa(cut))
    with pytest.raises(InputError, match=r"truncated|cannot be read as audio"):
        check_foa(cut)
    with pytest.raises(InputError, match="has 2 channels; needs 4"):
        check_foa(write(tmp_path / "two.wav", noise(2)))


def test_fuma_is_w_x_y_z_with_w_raised_by_three_decibels(tmp_path: Path) -> None:
    fuma = np.stack([np.full(100, value, np.float32) for value in (0.1, 0.2, 0.3, 0.4)])
    audio = read_foa(write(tmp_path / "a.wav", fuma, subtype="FLOAT"), layout="fuma")
    np.testing.assert_allclose(audio[:, 50], [0.1 * np.sqrt(2), 0.3, 0.4, 0.2], rtol=1e-6)


@pytest.mark.parametrize("channels", [8, 9, 16])
@pytest.mark.parametrize(("layout", "factor"), [("ambix", 1.0), ("n3d", 1 / np.sqrt(3))])
def test_a_higher_order_file_gives_its_first_four_channels(tmp_path: Path, channels: int, layout: str, factor: float) -> None:
    audio = noise(channels)
    expected = audio[:4] * np.array([1.0, factor, factor, factor])[:, None]
    np.testing.assert_allclose(read_foa(write(tmp_path / "a.wav", audio, subtype="FLOAT"), layout=layout), expected, atol=1e-6)


@pytest.mark.parametrize(("channels", "message"), [(1, "has 1 channel; needs 4"), (2, "has 2 channels; needs 4"), (6, "has 6 channels; needs 4")])
def test_a_wrong_number_of_channels_is_refused(tmp_path: Path, channels: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_foa(write(tmp_path / "a.wav", noise(channels)))


def test_a_higher_order_file_with_a_first_order_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has 9 channels; the layout fuma has 4"):
        read_foa(write(tmp_path / "a.wav", noise(9)), layout="fuma")


def test_an_unknown_layout_is_refused_before_the_file_is_touched(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown channel layout 'acn'"):
        read_foa(tmp_path / "absent.wav", layout="acn")


def test_a_missing_file_a_folder_and_an_empty_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    for path, message in ((tmp_path / "absent.wav", "does not exist"), (tmp_path, "is a folder"), (tmp_path / "empty.wav", "0 bytes")):
        with pytest.raises(InputError, match=message):
            read_foa(path)


@pytest.mark.parametrize("content", [b"this is a text, whatever its name says\n" * 20, b"RIFF", b"fLaC" + bytes(40), bytes(1000)])
def test_what_is_not_audio_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as audio"):
        read_foa(tmp_path / "a.wav")


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("kept", [0.3, 0.999])
def test_a_truncated_wav_is_refused(tmp_path: Path, subtype: str, kept: float) -> None:
    path = write(tmp_path / "a.wav", noise(), subtype=subtype)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(InputError, match="is truncated"):
        read_foa(path)


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_truncated_flac_is_refused(tmp_path: Path, kept: float) -> None:
    path = write(tmp_path / "a.flac", noise(samples=48_000))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(InputError, match=r"is truncated|cannot be read as audio"):
        read_foa(path)


def test_a_wav_of_unknown_length_from_a_pipe_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", noise(), subtype="PCM_16")
    data = bytearray(path.read_bytes())
    position = data.index(b"data") + 4
    data[position : position + 4] = data[4:8] = struct.pack("<I", 0xFFFFFFFF)
    path.write_bytes(data)
    np.testing.assert_allclose(read_foa(path), noise(), atol=1 / 32768)


def test_a_wav_without_samples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no samples"):
        read_foa(write(tmp_path / "a.wav", noise(samples=0)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_not_finite_are_refused_in_and_out(tmp_path: Path, value: float) -> None:
    audio = noise()
    audio[2, 7] = value
    with pytest.raises(InputError, match="has 1 NaN or infinite samples"):
        read_foa(write(tmp_path / "a.wav", audio, subtype="FLOAT"))
    with pytest.raises(InputError, match="NaN or infinite"):
        write_audio(tmp_path / "b.wav", audio)
    assert not (tmp_path / "b.wav").exists()


def test_ten_hours_of_silence_in_a_small_flac_are_refused_before_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "silence.flac"
    with soundfile.SoundFile(path, "w", 1_000, 4, format="FLAC") as stream:
        hour = np.zeros((1_000 * 3600, 4), np.int16)
        for _ in range(10):
            stream.write(hour)
    assert path.stat().st_size < 1_000_000
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda *_args, **_options: pytest.fail("it was decoded"))
    with pytest.raises(InputError, match="lasts 36000 s; at most 3600 s"):
        read_foa(path)


def test_the_limit_on_duration_can_be_chosen(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", noise(samples=24_001))
    assert read_foa(path, max_duration_s=1.1).shape == (4, 24_001)
    with pytest.raises(InputError, match="at most 1 s"):
        read_foa(path, max_duration_s=1.0)


def test_an_absurd_sample_rate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="claims a sample rate of 10 Hz"):
        read_foa(write(tmp_path / "a.wav", noise(), rate_hz=10))


def test_read_mono_averages_stereo(tmp_path: Path) -> None:
    stereo = noise(2)
    np.testing.assert_allclose(read_mono(write(tmp_path / "a.wav", stereo, subtype="FLOAT")), stereo.mean(axis=0), atol=1e-7)
    assert read_mono(write(tmp_path / "b.wav", noise(1), 48_000)).shape == (1200,)


def test_write_audio_refuses_clipping_and_unknown_formats(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"peaks at 2\.000 and would clip; lower it by 6\.0 dB"):
        write_audio(tmp_path / "a.wav", np.full((4, 10), 2.0, np.float32))
    with pytest.raises(InputError, match=r"\.mp3 is no format"):
        write_audio(tmp_path / "a.mp3", noise())
    assert list(tmp_path.iterdir()) == []
