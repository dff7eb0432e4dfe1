"""Fetching banks, with clients that copy a small package from disk instead of downloading."""

import errno
import hashlib
import io
import os
import stat
import struct
import sys
import tarfile
import zipfile

import numpy as np
import pytest
import soundfile

from twnm.errors import InputError
from twnm.files import verify_checksums
from twnm.sounds import clients
from twnm.sounds.catalogue import load_catalogue, verify
from twnm.sounds.classes import CLASSES
from twnm.sounds.fetch import get_bank
from twnm.sounds.folder import known_banks
from twnm.sounds.lists import bank_packages

RATE = 44_100


def _wav(number: int, duration_s: float = 0.3) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, np.random.default_rng(number).uniform(-0.5, 0.5, round(duration_s * RATE)), RATE, format="WAV")
    return stream.getvalue()


def _tgz(path, contents: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def _zip(contents: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return stream.getvalue()


def _openttd(entries: list[tuple[bytes, bytes]]) -> bytes:
    table, body, offset = b"", b"", 8 * len(entries)
    for title, sound in entries:
        table += struct.pack("<II", (offset + len(body)) | 0x8000_0000, len(sound))
        body += bytes([len(title)]) + title + sound
    return table + body


def _clip(source: str, label: str, content: bytes) -> dict[str, object]:
    return {"source": source, "cls": label, "speaker": None, "yamnet_ok": True, "sha256": hashlib.sha256(content).hexdigest()}


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A PATH with fake apt-get, dpkg, pip and npm, the archives that they bring, and the list of packages."""
    bin_dir, store = tmp_path / "bin", tmp_path / "store"
    bin_dir.mkdir()
    store.mkdir()
    sounds = [_wav(number, 12.0 if number == 1 else 0.3) for number in range(6)]
    title = b'"Ship horn". Original "a.wav" by "Someone". License: CC0.\0'
    deb = {"usr/s.pk3": _zip({"x/dog.wav": sounds[0]}), "usr/rain.wav": sounds[1], "usr/o.cat": _openttd([(b"first\0", sounds[5]), (title, sounds[2])])}
    _tgz(store / "debby_1%3a2.0-1_all.deb", {**deb, "usr/share/doc/debby/copyright": b"free"})
    (store / "wheely-1.0-py3-none-any.whl").write_bytes(_zip({"wheely/bell.wav": sounds[3], "LICENSE": b"MIT"}))
    _tgz(store / "nody-3.1.tgz", {"package/piano.wav": sounds[4], "package/LICENSE": b"MIT"})
    fakes = {
        "apt-get": "import sys, shutil, glob\nprint('W: Download is performed unsandboxed as root', file=sys.stderr)\n"
        "[shutil.copy(f, '.') for f in glob.glob(STORE + '/*.deb') if sys.argv[1] == 'download']",
        "dpkg": "import sys, tarfile\ntarfile.open(sys.argv[2]).extractall(sys.argv[3], filter='data')",
        "pip": "import sys, shutil, glob\n[shutil.copy(f, sys.argv[sys.argv.index('-d') + 1]) for f in glob.glob(STORE + '/*.whl')]",
        "npm": "import shutil, glob\n[shutil.copy(f, '.') for f in glob.glob(STORE + '/*.tgz')]",
    }
    for name, program in fakes.items():
        counted = f"#!{sys.executable}\nSTORE = {str(store)!r}\nopen({str(tmp_path / 'calls')!r}, 'a').write({name!r} + '\\n')\n{program}\n"
        (bin_dir / name).write_text(counted)
        (bin_dir / name).chmod(0o700 | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(bin_dir))
    monkeypatch.setenv("TWNM_CACHE", str(tmp_path / "cache"))
    common = {"megabytes": 1.0, "archive_sha256": None}
    apt = [_clip("usr/s.pk3!x/dog.wav", "dog", sounds[0]), _clip("usr/rain.wav", "rain", sounds[1]), _clip("usr/o.cat!1", "horn", sounds[2])]
    return [
        {"name": "debby", "client": "apt", "spec": "debby", **common, "licence_files": ["usr/share/doc/debby/copyright"], "clips": apt},
        {
            "name": "wheely",
            "client": "pip",
            "spec": "wheely==1.0",
            **common,
            "licence_files": ["LICENSE"],
            "clips": [_clip("wheely/bell.wav", "bell", sounds[3])],
        },
        {
            "name": "nody",
            "client": "npm",
            "spec": "@n/nody@3.1",
            **common,
            "licence_files": ["package/LICENSE"],
            "clips": [_clip("package/piano.wav", "piano", sounds[4])],
        },
    ]


def test_all_clients_and_containers_give_a_checked_licensed_bank(world) -> None:
    report = get_bank("starter", packages=world)
    assert (report.clips, report.classes, report.notes) == (5, 5, ())
    assert verify_checksums(report.folder) == []
    assert (report.folder / "debby" / "copyright").read_text() == "free"
    catalogue = load_catalogue()
    horn = catalogue.of("horn")[0]
    assert horn.source == "usr/o.cat!1 Ship horn"
    assert "License: CC0" in horn.licence
    assert horn.licence.endswith("see debby/copyright")
    assert catalogue.of("rain")[0].duration_s == 10.0
    info = soundfile.info(report.folder / "wheely" / "bell_000.flac")
    assert (info.samplerate, info.channels, info.format) == (24_000, 1, "FLAC")
    assert all(catalogue.read(clip).size for clip in catalogue.clips)


def test_what_is_complete_is_not_fetched_again_and_what_failed_is(world, tmp_path) -> None:
    (tmp_path / "bin" / "npm").rename(tmp_path / "npm")
    report = get_bank("starter", packages=world)
    assert report.notes == ("nody skipped: npm not found on this machine",)
    (tmp_path / "npm").rename(tmp_path / "bin" / "npm")
    (tmp_path / "calls").unlink()
    assert get_bank("starter", packages=world).clips == 5
    assert (tmp_path / "calls").read_text() == "npm\n"
    assert verify_checksums(report.folder) == []


def test_a_lost_clip_is_fetched_again(world, tmp_path) -> None:
    folder = get_bank("starter", packages=world).folder
    (folder / "wheely" / "bell_000.flac").unlink()
    (tmp_path / "calls").unlink()
    assert get_bank("starter", packages=world).clips == 5
    assert (tmp_path / "calls").read_text() == "pip\n"


def test_checksums_that_an_interruption_prevented_are_written_by_the_next_run(world, monkeypatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    get_bank("debian", packages=world[:2])
    with monkeypatch.context() as patch:
        patch.setattr("twnm.sounds.fetch.write_checksums", interrupted)
        with pytest.raises(KeyboardInterrupt):
            get_bank("debian", packages=world)
    assert verify_checksums(get_bank("debian", packages=world).folder) == []


def test_changed_and_missing_clips_are_left_out_and_reported(world) -> None:
    world[0]["clips"][1]["sha256"] = "0" * 64
    world[0]["clips"].append(_clip("usr/none.wav", "wind", b""))
    report = get_bank("starter", packages=world)
    assert report.clips == 4
    assert report.notes == (
        "debby: 1 clips are not in version 1:2.0-1 and are left out, as usr/none.wav",
        "debby: 1 clips have changed in version 1:2.0-1 and are left out, as usr/rain.wav",
    )


def test_a_failing_client_is_reported_in_its_own_words(world, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(clients.os, "geteuid", lambda: 1000)
    program = f"#!{sys.executable}\nimport sys\nsys.exit('W: unsandboxed\\nE: Unable to locate package debby')\n"
    (tmp_path / "bin" / "apt-get").write_text(program)
    report = get_bank("starter", packages=world)
    assert report.notes == ("debby skipped: apt-get download failed: E: Unable to locate package debby",)
    assert report.clips == 2


def test_root_updates_empty_package_lists_once(world, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(clients.os, "geteuid", lambda: 0)
    working = (tmp_path / "bin" / "apt-get").read_text().splitlines()
    lists = str(tmp_path / "lists")
    gate = f"import os, sys\nif sys.argv[1] == 'update': open({lists!r}, 'w')\nelif not os.path.exists({lists!r}): sys.exit('E: no lists')"
    (tmp_path / "bin" / "apt-get").write_text("\n".join([working[0], gate, *working[1:]]))
    assert get_bank("starter", packages=world).notes == ()


def test_with_no_client_at_all_the_error_points_to_other_sounds(world, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(InputError, match=r"no starter sounds could be got \(debby skipped: apt-get and dpkg not found.*procedural"):
        get_bank("starter", packages=world)
    assert all(clip.procedural for clip in load_catalogue().clips)


def test_nothing_half_made_stays_after_an_interruption(world, tmp_path, monkeypatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("twnm.sounds.fetch.write_audio", interrupted)
        with pytest.raises(KeyboardInterrupt):
            get_bank("starter", packages=world)
    left = [path for path in (tmp_path / "cache" / "sounds").rglob("*") if path.is_file()]
    assert left == []
    assert get_bank("starter", packages=world).clips == 5


def test_a_recording_of_two_packages_is_kept_once(world, tmp_path) -> None:
    sound = _wav(0)
    _tgz(tmp_path / "store" / "nody-3.1.tgz", {"package/piano.wav": _wav(4), "package/wolf.wav": sound, "package/LICENSE": b"MIT"})
    world[2]["clips"].append(_clip("package/wolf.wav", "dog", sound))
    report = get_bank("debian", packages=world)
    assert report.clips == 5
    assert report.notes == ("nody: 1 clips repeat other clips in version 3.1 and are left out, as package/wolf.wav",)
    assert len(load_catalogue().of("dog")) == 1


def test_two_fetched_banks_stand_side_by_side_and_their_copies_count_once(world) -> None:
    get_bank("starter", packages=world[:2])
    get_bank("debian", packages=world)
    assert list(known_banks()) == ["starter", "debian"]
    catalogue = load_catalogue()
    assert len(catalogue) == 5
    assert verify(catalogue) == []


def test_a_clip_without_a_checksum_is_taken_as_it_is_and_a_stated_licence_is_kept(world) -> None:
    del world[2]["clips"][0]["sha256"]
    world[2]["clips"][0]["licence"] = "CC-BY-3.0"
    get_bank("debian", packages=world)
    assert load_catalogue().of("piano")[0].licence == "CC-BY-3.0; see nody/LICENSE"


def test_a_large_package_may_take_longer(world, tmp_path, monkeypatch) -> None:
    fake = tmp_path / "bin" / "npm"
    fake.write_text(fake.read_text() + "import time\ntime.sleep(1)\n")
    monkeypatch.setattr(clients, "_TIMEOUT_S", 0.0)
    monkeypatch.setattr(clients, "_TIMEOUT_S_PER_MEGABYTE", 0.5)
    assert (
        "nody skipped: npm pack took longer than 0 s"
        in get_bank("debian", packages=[{**package, "megabytes": 40.0} for package in world[:2]] + world[2:]).notes
    )
    assert get_bank("debian", packages=[{**package, "megabytes": 40.0} for package in world]).notes == ()


def test_what_goes_wrong_on_the_disk_skips_the_package(world, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("twnm.sounds.fetch.source_bytes", full)
        with pytest.raises(InputError, match="debby skipped: No space left on device, while it was unpacked and converted in"):
            get_bank("debian", packages=world)
    assert get_bank("debian", packages=world).clips == 5


def test_an_unknown_bank_is_refused() -> None:
    with pytest.raises(InputError, match="unknown bank 'fedora'; choose one of starter, debian"):
        get_bank("fedora")


@pytest.mark.parametrize(("name", "classes", "clips", "megabytes"), [("starter", 12, 150, 45), ("debian", 36, 1200, 2700)])
def test_the_packaged_lists_are_well_formed(name: str, classes: int, clips: int, megabytes: int) -> None:
    packages = bank_packages(name)
    listed = [clip for package in packages for clip in package["clips"]]
    assert len(listed) >= clips
    assert {clip["cls"] for clip in listed} <= set(CLASSES)
    assert len({clip["cls"] for clip in listed}) >= classes
    assert len({clip["sha256"] for clip in listed}) == len(listed)
    assert len({package["name"] for package in packages}) == len(packages)
    assert sum(package["megabytes"] for package in packages) < megabytes
    assert all(package["archive_sha256"] for package in packages if package["client"] == "pip")


def test_debian_holds_all_of_starter_and_states_the_licence_of_the_rest() -> None:
    starter, debian = bank_packages("starter"), bank_packages("debian")
    assert debian[: len(starter)] == starter
    assert all(clip["licence"] for package in debian[len(starter) :] for clip in package["clips"])


@pytest.mark.network
def test_the_real_starter_bank_arrives(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TWNM_CACHE", str(tmp_path))
    report = get_bank("starter")
    assert report.classes >= 12
    assert report.clips >= 150
    assert os.path.exists(report.folder / "SHA256SUMS")
