"""The decorator of compiled inner loops, and the two inner loops that must be vector instructions: adding an image to a response, reading a delay line.

A response under construction is a table of rows, one per sample, of 4 channels (W, Y, Z, X) by 8 columns (7 octave bands and one of zeros): 32 floats,
so that an image is 32 taps times four vector multiply-adds. Written as loops this is six times slower, because the compiler cannot know that the
rows and the gains do not overlap.
"""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

TAPS = 32
COLUMNS = 8
CHANNELS = 4
IMAGES = 8  # that are added together
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


def _offset(builder: Any, pointer: Any, elements: int) -> Any:
    return builder.gep(pointer, [ir.Constant(ir.IntType(64), elements)])


def _splat(builder: Any, vector_type: Any, value: Any) -> Any:
    empty = ir.Constant(vector_type, ir.Undefined)
    first = builder.insert_element(empty, value, ir.Constant(ir.IntType(32), 0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), vector_type.count), [0] * vector_type.count)
    return builder.shuffle_vector(first, empty, mask)


@_vectorised
def set_gains(
    typing_context: Any, gains: Any, row: Any, x: Any, i: Any, y: Any, j: Any, z: Any, k: Any, by_delay: Any, delay: Any, shares: Any, scalars: Any
) -> Any:
    """gains[row] = the image's amplitude per band, x[i] y[j] z[k] by_delay[delay] scale (1 - shares + shares towards), for W, Y, Z, X.

    `scalars` holds scale, towards and the direction gains of Y, Z, X; the tables have 8 columns, `gains` 32; all C-contiguous float32.
    """
    signature = types.void(gains, types.intp, x, types.intp, y, types.intp, z, types.intp, by_delay, types.intp, shares, scalars)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        gains, row, x, i, y, j, z, k, by_delay, delay, shares, scalars = arguments
        vector = ir.VectorType(ir.FloatType(), COLUMNS)
        zero = context.get_constant(types.intp, 0)
        scale, towards, *directions = (_splat(builder, vector, builder.extract_value(scalars, place)) for place in range(5))
        value = scale
        for place, table, at in ((2, x, i), (4, y, j), (6, z, k), (8, by_delay, delay)):
            loaded = _load(builder, vector, _pointer(context, builder, signature.args[place], table, at, zero))
            value = builder.fmul(value, loaded, flags=_LOOSE)
        share = _load(builder, vector, _pointer(context, builder, signature.args[10], shares, zero))
        ones = ir.Constant(vector, [1.0] * COLUMNS)
        pattern = builder.fadd(builder.fsub(ones, share, flags=_LOOSE), builder.fmul(share, towards, flags=_LOOSE), flags=_LOOSE)
        value = builder.fmul(value, pattern, flags=_LOOSE)
        target = _pointer(context, builder, signature.args[0], gains, row, zero)
        for channel, gain in enumerate((value, *(builder.fmul(value, direction, flags=_LOOSE) for direction in directions))):
            stored = builder.store(gain, builder.bitcast(_offset(builder, target, channel * COLUMNS), vector.as_pointer()))
            stored.align = 4
        return context.get_dummy_value()

    return signature, generate


@_vectorised
def add_row_images(typing_context: Any, rows: Any, first: Any, sinc: Any, phases: Any, gains: Any) -> Any:
    """rows[first + tap, :] += sum over 8 images of sinc[phases[image], tap] * gains[image, :], for 32 taps.

    `rows` (n, 32), `sinc` (phases, 32) and `gains` (8, 32) are C-contiguous float32, `phases` (8,) int64. Two taps at a time: their sums stay in registers
    while the images are added, so that rows are read and written once for eight images.
    """
    signature = types.void(rows, types.intp, sinc, phases, gains)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows, first, sinc, phases, gains = arguments
        vector = ir.VectorType(ir.FloatType(), COLUMNS)
        zero = context.get_constant(types.intp, 0)
        row = _pointer(context, builder, signature.args[0], rows, first, zero)
        gain = _pointer(context, builder, signature.args[4], gains, zero, zero)
        weights = []
        for image in range(IMAGES):
            phase = builder.load(_pointer(context, builder, signature.args[3], phases, context.get_constant(types.intp, image)))
            weights.append(_pointer(context, builder, signature.args[2], sinc, phase, zero))
        width = CHANNELS * COLUMNS
        for tap in range(0, TAPS, 2):
            places = [_offset(builder, row, (tap + pair) * width + channel * COLUMNS) for pair in range(2) for channel in range(CHANNELS)]
            sums = [_load(builder, vector, place) for place in places]
            for image in range(IMAGES):
                pair_weights = [_splat(builder, vector, builder.load(_offset(builder, weights[image], tap + pair))) for pair in range(2)]
                for channel in range(CHANNELS):
                    value = _load(builder, vector, _offset(builder, gain, image * width + channel * COLUMNS))
                    for pair in range(2):
                        place = pair * CHANNELS + channel
                        sums[place] = builder.fadd(sums[place], builder.fmul(value, pair_weights[pair], flags=_LOOSE), flags=_LOOSE)
            for place, total in zip(places, sums, strict=True):
                stored = builder.store(total, builder.bitcast(place, vector.as_pointer()))
                stored.align = 4
        return context.get_dummy_value()

    return signature, generate


@_vectorised
def add_row_image(typing_context: Any, rows: Any, first: Any, sinc: Any, phase: Any, gains: Any) -> Any:
    """rows[first + tap, :] += sinc[phase, tap] * gains[0, :] for 32 taps: one image of `add_row_images`."""
    signature = types.void(rows, types.intp, sinc, types.intp, gains)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows, first, sinc, phase, gains = arguments
        vector = ir.VectorType(ir.FloatType(), COLUMNS)
        zero = context.get_constant(types.intp, 0)
        row = _pointer(context, builder, signature.args[0], rows, first, zero)
        gain = _pointer(context, builder, signature.args[4], gains, zero, zero)
        values = [_load(builder, vector, _offset(builder, gain, channel * COLUMNS)) for channel in range(CHANNELS)]
        weights = _pointer(context, builder, signature.args[2], sinc, phase, zero)
        for tap in range(TAPS):
            weight = _splat(builder, vector, builder.load(_offset(builder, weights, tap)))
            for channel in range(CHANNELS):
                at = _offset(builder, row, (tap * CHANNELS + channel) * COLUMNS)
                total = builder.fadd(_load(builder, vector, at), builder.fmul(values[channel], weight, flags=_LOOSE), flags=_LOOSE)
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
            sample, weight = (_load(builder, vector, _offset(builder, pointer, tap)) for pointer in (at, weights))
            products.append(builder.fmul(sample, weight, flags=_LOOSE))
        while len(products) > 1:
            products = [builder.fadd(one, other, flags=_LOOSE) for one, other in zip(products[::2], products[1::2], strict=True)]
        elements = [builder.extract_element(products[0], ir.Constant(ir.IntType(32), place)) for place in range(COLUMNS)]
        while len(elements) > 1:
            elements = [builder.fadd(one, other, flags=_LOOSE) for one, other in zip(elements[::2], elements[1::2], strict=True)]
        return elements[0]

    return signature, generate


@kernel
def mix_bands(out, a, r, bands):  # type: ignore[no-untyped-def]  # pragma: no cover
    """out[n] = sum over the seven bands of (a[b] + r[b] n) * bands[b, n]; written out, so that the sum stays in a register. All float32."""
    n0, n1, n2, n3, n4, n5, n6 = bands[0], bands[1], bands[2], bands[3], bands[4], bands[5], bands[6]
    a0, a1, a2, a3, a4, a5, a6 = a[0], a[1], a[2], a[3], a[4], a[5], a[6]
    r0, r1, r2, r3, r4, r5, r6 = r[0], r[1], r[2], r[3], r[4], r[5], r[6]
    for n in range(out.size):
        t = np.float32(n)
        low = (a0 + r0 * t) * n0[n] + (a1 + r1 * t) * n1[n] + (a2 + r2 * t) * n2[n] + (a3 + r3 * t) * n3[n]
        out[n] = low + (a4 + r4 * t) * n4[n] + (a5 + r5 * t) * n5[n] + (a6 + r6 * t) * n6[n]
