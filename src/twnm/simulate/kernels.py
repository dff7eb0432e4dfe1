"""The decorator of compiled inner loops, and the two inner loops that must be vector instructions: adding an image to a response, reading a delay line.

A response under construction is a table of rows, one per sample, of 4 channels (W, Y, Z, X) by 8 columns (7 octave bands and one of zeros): 32 floats,
so that an image is 32 taps times four vector multiply-adds. Written as loops this is six times slower, because the compiler cannot know that the
rows and the gains do not overlap.
"""

import inspect
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

TAPS = 32
COLUMNS = 8
CHANNELS = 4
_LOOSE = ("fast",)


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile an inner loop with numba: float32 may be reordered, and the machine code is kept on disk for the next process.

    What test tools have wrapped around the function (type checks of arguments) is taken off, because numba cannot compile it.
    """
    compiled: Callable[..., Any] = njit(cache=True, fastmath=True, error_model="numpy")(inspect.unwrap(function))
    return compiled


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, *indices: Any) -> Any:
    """Address of an element of a C-contiguous array."""
    made = context.make_array(array_type)(context, builder, array)
    return cgutils.get_item_pointer(context, builder, array_type, made, list(indices))


# An intrinsic is called without its first parameter, which a type checker cannot know.
_vectorised: Callable[[Callable[..., Any]], Callable[..., Any]] = intrinsic


def _load(builder: Any, vector_type: Any, pointer: Any) -> Any:
    loaded = builder.load(builder.bitcast(pointer, vector_type.as_pointer()))
    loaded.align = 4
    return loaded


def _splat(builder: Any, vector_type: Any, value: Any) -> Any:
    empty = ir.Constant(vector_type, ir.Undefined)
    first = builder.insert_element(empty, value, ir.Constant(ir.IntType(32), 0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), vector_type.count), [0] * vector_type.count)
    return builder.shuffle_vector(first, empty, mask)


@_vectorised
def add_row_image(typing_context: Any, rows: Any, first: Any, sinc: Any, phase: Any, gain: Any, y: Any, z: Any, x: Any) -> Any:
    """rows[first + tap, :] += sinc[phase, tap] * (gain, y gain, z gain, x gain) for 32 taps.

    `rows` (n, 32), `sinc` (phases, 32) and `gain` (8,) are C-contiguous float32; `y`, `z`, `x` the gains of the directional channels, float32.
    """
    signature = types.void(rows, types.intp, sinc, types.intp, gain, types.float32, types.float32, types.float32)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows, first, sinc, phase, gain, *directions = arguments
        vector = ir.VectorType(ir.FloatType(), COLUMNS)
        zero = context.get_constant(types.intp, 0)
        omni = _load(builder, vector, _pointer(context, builder, signature.args[4], gain, zero))
        gains = [omni] + [builder.fmul(omni, _splat(builder, vector, direction), flags=_LOOSE) for direction in directions]
        row = _pointer(context, builder, signature.args[0], rows, first, zero)
        weights = _pointer(context, builder, signature.args[2], sinc, phase, zero)
        for tap in range(TAPS):
            weight = _splat(builder, vector, builder.load(builder.gep(weights, [ir.Constant(ir.IntType(64), tap)])))
            for channel in range(CHANNELS):
                at = builder.gep(row, [ir.Constant(ir.IntType(64), tap * CHANNELS * COLUMNS + channel * COLUMNS)])
                total = builder.fadd(_load(builder, vector, at), builder.fmul(gains[channel], weight, flags=_LOOSE), flags=_LOOSE)
                stored = builder.store(total, builder.bitcast(at, vector.as_pointer()))
                stored.align = 4
        return context.get_dummy_value()

    return signature, generate


@_vectorised
def sum_taps(typing_context: Any, samples: Any, first: Any, sinc: Any, phase: Any) -> Any:
    """The sum over 32 taps of sinc[phase, tap] * samples[first + tap]; both C-contiguous float32."""
    signature = types.float32(samples, types.intp, sinc, types.intp)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        samples, first, sinc, phase = arguments
        vector = ir.VectorType(ir.FloatType(), COLUMNS)
        zero = context.get_constant(types.intp, 0)
        at = _pointer(context, builder, signature.args[0], samples, first)
        weights = _pointer(context, builder, signature.args[2], sinc, phase, zero)
        products = []
        for tap in range(0, TAPS, COLUMNS):
            offset = [ir.Constant(ir.IntType(64), tap)]
            products.append(builder.fmul(_load(builder, vector, builder.gep(at, offset)), _load(builder, vector, builder.gep(weights, offset)), flags=_LOOSE))
        while len(products) > 1:
            products = [builder.fadd(one, other, flags=_LOOSE) for one, other in zip(products[::2], products[1::2], strict=True)]
        elements = [builder.extract_element(products[0], ir.Constant(ir.IntType(32), place)) for place in range(COLUMNS)]
        while len(elements) > 1:
            elements = [builder.fadd(one, other, flags=_LOOSE) for one, other in zip(elements[::2], elements[1::2], strict=True)]
        return elements[0]

    return signature, generate
