"""twnm: spatial hearing for audio-language models.

Public names: `Scene`, `simulate`, `load`, `ask`, `describe`. Nothing heavy is imported until one of them is used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twnm.model.loading import ask, describe, load
    from twnm.scene import Scene
    from twnm.simulate import simulate

__version__ = "0.1.0"
__all__ = ["Scene", "ask", "describe", "load", "simulate"]
_HOMES = {"Scene": "twnm.scene", "simulate": "twnm.simulate", "load": "twnm.model.loading", "ask": "twnm.model.loading", "describe": "twnm.model.loading"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'twnm' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
