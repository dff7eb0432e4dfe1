"""Getting one package through its ordinary client and unpacking it, without installing anything: apt-get and dpkg, pip, npm.

A package's content is never executed, with one exception that pip makes: it runs the `setup.py` of a source archive to learn its name. Such a
package is therefore requested with the hash of its archive, which pip checks first.
"""

import os
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TIMEOUT_S: Final = 180.0
_TIMEOUT_S_PER_MEGABYTE: Final = 4.0
_PROGRAMS: Final = {"apt": ("apt-get", "dpkg"), "pip": ("pip",), "npm": ("npm",)}


class PackageError(Exception):
    """A package could not be got: its client is not on this machine, failed, or brought something else. The message is one line."""


@dataclass(frozen=True)
class Unpacked:
    """A package's files, its version, and the size of the download in bytes."""

    root: Path
    version: str
    size_bytes: int


def get_package(client: str, spec: str, folder: Path, archive_sha256: str | None = None, megabytes: float = 0.0) -> Unpacked:
    """Download a package and unpack it.

    Args:
        client: "apt", "pip" or "npm".
        spec: the package as its client names it, with a version for pip (`name==1.0`) and npm (`name@1.0`).
        folder: an empty folder to work in.
        archive_sha256: what the archive must hash to (pip only).
        megabytes: the size of the download; each step may take three minutes, and four seconds more per megabyte.

    Raises:
        PackageError: see there.
    """
    missing = [program for program in _PROGRAMS[client] if shutil.which(program) is None]
    if missing:
        raise PackageError(f"{' and '.join(missing)} not found on this machine")
    timeout_s = _TIMEOUT_S + _TIMEOUT_S_PER_MEGABYTE * megabytes
    archives, root = folder / "archive", folder / "files"
    archives.mkdir()
    root.mkdir()
    if client == "apt":
        _apt_download(spec, archives, timeout_s)
    elif client == "pip":
        requirement = folder / "requirement.txt"
        requirement.write_text(spec + (f" --hash=sha256:{archive_sha256}" if archive_sha256 else "") + "\n")
        command = ["pip", "download", "--no-deps", "--disable-pip-version-check", "--quiet", "-d", str(archives), "-r", str(requirement)]
        _run(command, archives, timeout_s)
    else:
        _run(["npm", "pack", "--ignore-scripts", spec], archives, timeout_s)
    found = [path for path in sorted(archives.iterdir()) if path.is_file()]
    if len(found) != 1:
        raise PackageError(f"{client} brought {len(found)} files for {spec}; expected one archive")
    _unpack(found[0], root, timeout_s)
    version = found[0].name.split("_")[1].replace("%3a", ":") if client == "apt" else spec.lstrip("@").replace("==", "@").rpartition("@")[2]
    return Unpacked(root, version, found[0].stat().st_size)


def _apt_download(spec: str, archives: Path, timeout_s: float) -> None:
    """Download with apt-get; with root's rights, lists that are empty or out of date are updated once."""
    try:
        _run(["apt-get", "download", "--quiet", spec], archives, timeout_s)
    except PackageError:
        if os.geteuid() != 0:
            raise
        _run(["apt-get", "update", "--quiet"], archives, timeout_s)
        _run(["apt-get", "download", "--quiet", spec], archives, timeout_s)


def _run(command: Sequence[str], folder: Path, timeout_s: float) -> None:
    # apt-get, run by root, warns that its user _apt cannot write to our folder and goes on; only the exit status counts.
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=timeout_s, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = f"took longer than {timeout_s:.0f} s" if isinstance(error, subprocess.TimeoutExpired) else str(error)
        raise PackageError(f"{command[0]} {command[1]} {reason}") from error
    if done.returncode != 0:
        said = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        errors = [line for line in said if line.lower().startswith(("e:", "error", "npm err", "npm error"))] or said
        raise PackageError(f"{command[0]} {command[1]} failed: {errors[0] if errors else f'exit status {done.returncode}'}"[:300])


def _unpack(archive: Path, root: Path, timeout_s: float) -> None:
    try:
        if archive.suffix == ".deb":
            _run(["dpkg", "-x", str(archive), str(root)], root, timeout_s)
        elif archive.suffix in {".whl", ".zip"}:
            with zipfile.ZipFile(archive) as opened_zip:
                opened_zip.extractall(root)
        else:
            with tarfile.open(archive) as opened_tar:
                opened_tar.extractall(root, filter="data")
    except (zipfile.BadZipFile, tarfile.TarError, OSError) as error:
        raise PackageError(f"{archive.name} cannot be unpacked ({error})") from error
