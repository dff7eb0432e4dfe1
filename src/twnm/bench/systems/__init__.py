"""The systems that the benchmark measures, one small file each; `load(name, data)` makes one.

A name may carry an argument after a colon: `twnm:FOLDER`, `hf:MODEL`, `openai:URL#MODEL`, and `python:MODULE:FUNCTION` for a system of your own: a function
without arguments that gives an object as `base.System` describes it.
"""

import hashlib
import importlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, cast

import twnm
from twnm.bench.systems.base import System
from twnm.errors import InputError
from twnm.files import sha256_file

# By name: the module, and what its `load` takes: nothing, the benchmark's folder, what stands after the colon, or the whole name.
_SYSTEMS: Mapping[str, tuple[str, Literal["nothing", "data", "argument", "name"]]] = MappingProxyType(
    {
        "random": ("random", "nothing"),
        "majority": ("majority", "data"),
        "question-only": ("question_only", "data"),
        "oracle": ("oracle", "nothing"),
        "intensity": ("intensity", "nothing"),
        "cascade": ("cascade", "nothing"),
        "twnm": ("ours", "name"),
        "twnm-mono": ("ours", "name"),
        "twnm-stereo": ("ours", "name"),
        "hf": ("huggingface", "argument"),
        "openai": ("openai_endpoint", "argument"),
    }
)
NAMES: Final = (*_SYSTEMS, "python")


def check_name(name: str) -> None:
    """Raise InputError unless a name can be that of a system."""
    kind, _, argument = name.partition(":")
    if kind not in NAMES:
        raise InputError(f"unknown system {name!r}; choose from {', '.join(NAMES)} (hf:MODEL, openai:URL#MODEL, twnm:FOLDER, python:MODULE:FUNCTION)")
    takes = _SYSTEMS[kind][1] if kind in _SYSTEMS else "argument"
    if argument and takes in ("nothing", "data"):
        raise InputError(f"the system {kind} takes nothing after a colon, but {argument!r} is given")
    if not argument and takes == "argument":
        raise InputError(f"the system {kind} needs something after a colon: hf:MODEL, openai:URL#MODEL or python:MODULE:FUNCTION")


def weights_digest(name: str) -> str:
    """SHA-256 over the weights of our own model, shipped or in a folder, that a system uses; empty for any other system."""
    kind, _, argument = name.partition(":")
    if kind != "cascade" and (kind not in _SYSTEMS or _SYSTEMS[kind][0] != "ours"):
        return ""
    folder = Path(argument) if argument else Path(twnm.__file__).parent / "weights"
    digests = "".join(sha256_file(path) for path in sorted(folder.glob("*.safetensors")))
    return hashlib.sha256(digests.encode()).hexdigest() if digests else ""


def load(name: str, data: Path) -> System:
    """Make a system; `data` is the benchmark's folder, whose training items some learn from.

    Raises InputError for an unknown name, or when what the system needs is not there.
    """
    check_name(name)
    kind, _, argument = name.partition(":")
    if kind == "python":
        return _own(argument)
    file, takes = _SYSTEMS[kind]
    module = importlib.import_module(f"twnm.bench.systems.{file}")
    given = {"nothing": (), "data": (data,), "argument": (argument,), "name": (name,)}[takes]
    return cast(System, module.load(*given))


def _own(path: str) -> System:
    module, _, function = path.partition(":")
    try:
        return cast(System, getattr(importlib.import_module(module), function)())
    except (ImportError, AttributeError) as error:
        raise InputError(f"python:{path} cannot be loaded ({error}); give python:MODULE:FUNCTION, and a module that Python finds (PYTHONPATH)") from None
