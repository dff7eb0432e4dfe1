"""Recordings inside an unpacked package: plain files, members of zip archives (`.zip`, `.pk3`), entries of OpenTTD's sound catalogue (`.cat`)."""

import struct
import zipfile
from pathlib import Path
from typing import Final

_LARGEST_CATALOGUE_BYTES: Final = 100_000_000


def source_bytes(root: Path, source: str) -> tuple[bytes | None, str]:
    """Give a recording's bytes and, where the package states it per recording, its title with author and licence.

    Args:
        root: the unpacked package.
        source: the path in the package, or `archive!member`, or `catalogue.cat!number`.

    Returns:
        None and an empty title if the recording is not there.
    """
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
