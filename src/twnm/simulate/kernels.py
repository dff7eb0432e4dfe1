"""The decorator of compiled inner loops."""

import inspect
from collections.abc import Callable
from typing import Any

from numba import njit


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile an inner loop with numba: float32 may be reordered, and the machine code is kept on disk for the next process.

    What test tools have wrapped around the function (type checks of arguments) is taken off, because numba cannot compile it.
    """
    compiled: Callable[..., Any] = njit(cache=True, fastmath=True, error_model="numpy")(inspect.unwrap(function))
    return compiled
