# SPDX-License-Identifier: BSD-3-Clause
"""Tiles of GRID, sound and not."""
from .container import Tile
from .grid import AFFINE, GRID_HEADER, PRODUCT, STEPS, grid, grid_elements
from .levels import levels
from .streams import FIELDS, from_field, to_bytes
from .tiles import TILE_MAX, Random, flipped, patched, u32

KINDS = {PRODUCT: "product", AFFINE: "affine", STEPS: "steps"}
FLOATS = ("bf16", "f16", "f32")
SCALES = [0x3c23d70a, 0xbb800000, 0x38d1b717, 0x00800000, 0x7f7fffff, 0x3f800000, 0x80800001]
# results below the normal numbers of f16 and of bf16, ties between two of them, ties of bf16 and of f16, 24 bits;
# results that overflow f16 only, and all
ODD_SCALES = [0x33000001, 0x33800000, 0x32ffffff, 0x00800000, 0x00ffffff, 0x38801000, 0x3f808000, 0x3f818000,
              0x3f801000, 0x3fffffff, 0x437fffff, 0x47000000, 0x7f7fffff, 0x7f000001, 0x0b000000, 0x33c00000]
# of STEPS: 255 times them is finite by half a step
LARGEST_SCALES = {"f16": 0x43807878, "bf16": 0x7b804040, "f32": 0x7b808080}
OFFSETS = [0, 0x3f800000, 0xbf800000, 0xc3000000, 0x7f7fffff, 0xff7fffff, 0x00800000, 0x80800000, 0x33800000,
           0xb3000001, 0x477fefff, 0xc77ff000, 0xb2ffffff, 0x3f7f8000, 0xbf808000, 0x0c000001]


def f32(number):
    """Bits of an integer below 256."""
    return 0 if not number else (126 + number.bit_length()) << 23 | (number << (24 - number.bit_length())) & 0x7fffff


def seconds_of(kind, groups, random):
    if kind == AFFINE:
        return [random.bits(1) << 31 | (0x30 + random.bits(4)) << 23 | random.bits(23) if random.bits(2) else 0
                for _ in range(groups)]
    return [f32(random.bits((4, 8)[i % 2])) for i in range(groups)] if kind == STEPS else []


def finite_steps(scale, through):
    """Scales that STEPS may have."""
    return min(scale, LARGEST_SCALES[through])


def grid_tile(kind, field, group, count, inner, random, exceptions=0, scales=None, seconds=None, bits=8, through=None,
              coded=(False, False), integers=None):
    """inner: RAW, or a structure and a field of one byte."""
    groups, through = (count + group - 1) // group, through or field
    scales = scales or [SCALES[(random.bits(8) + i) % len(SCALES)] for i in range(groups)]
    integers = integers or [random.bits(bits) for _ in range(count)]
    if kind != PRODUCT:
        scales = [scale & 0x7fffffff for scale in scales]
    if kind == STEPS:
        scales = [finite_steps(scale, through) for scale in scales]
    seconds = seconds or seconds_of(kind, groups, random)
    size = FIELDS[field][3]
    numbers = sorted({random.below(count) for _ in range(exceptions)})
    pairs = [(number, random.bits(8 * size)) for number in numbers]
    chain, param, number, stored = ("GRID", "RAW"), 0, 0, bytes(integers)
    if inner != "RAW":
        param, inner_field = inner
        chain, number = ("GRID", "LEVELS"), FIELDS[inner_field][0]
        stored = levels(param, inner_field, from_field(inner_field, stored))
    decoded = grid_elements(kind, through, field, group, scales, seconds, integers, pairs)
    return Tile(chain, grid(kind, through, field, group, scales, seconds, pairs, stored, coded),
                to_bytes(decoded, size), param, number)


CODED = ((False, False), (True, False), (False, True), (True, True))


def sound_grid():
    random, turn = Random(8), 0
    for kind, name in KINDS.items():
        for through in FLOATS:
            for field in FLOATS:
                prefix = f"grid-{name}-{through}-{field}"
                # all integers with odd parameters, in groups of 32; four bits, with every way to store parameters
                scales = ODD_SCALES if kind == PRODUCT else ODD_SCALES[turn % 2::2]
                every = [(i * 37 + 11 * (i // 256)) % 256 for i in range(32 * len(scales))]
                if kind == PRODUCT:
                    scales = [scale | (i & 1) << 31 for i, scale in enumerate(scales)]
                yield f"{prefix}-odd", grid_tile(
                    kind, field, 32, len(every), "RAW", random, scales=scales, through=through, integers=every,
                    seconds=[OFFSETS[(i * 5 + turn) % 16] for i in range(len(scales))] if kind == AFFINE else None)
                inner = ("RAW", (1, "i8"), (3, "nibble"), (5, "i8"))[turn % 4]
                count, group = ((129, 64), (65, 32), (300, 128))[turn % 3]
                count += inner != "RAW" and inner[1] == "nibble" and count % 2
                yield f"{prefix}-{count}", grid_tile(kind, field, group, count, inner, random, turn % 6, bits=4,
                                                     through=through, coded=CODED[turn // 2 % 4])
                turn += 1
        yield f"grid-{name}-one", grid_tile(kind, "bf16", 32, 1, "RAW", random, 1)
        yield f"grid-{name}-large-group", grid_tile(kind, "bf16", 512, 700, "RAW", random)
        yield f"grid-{name}-largest-group", grid_tile(kind, "f16", TILE_MAX, 40, "RAW", random)
        yield f"grid-{name}-all-exceptions", grid_tile(kind, "f32", 32, 3, "RAW", random, 40)
        yield f"grid-{name}-full", grid_tile(kind, "bf16", 1 << 15, TILE_MAX // 2, "RAW", random, integers=[
            i % 24 + 3 for i in range(TILE_MAX // 2)])
    yield "grid-product-smallest-group", grid_tile(PRODUCT, "bf16", 16, 40, "RAW", random)
    # -1 times a scale that is too small for the field is -0, as is 0 times a negative one
    for field in FLOATS:
        yield f"grid-product-{field}-zeroes", grid_tile(
            PRODUCT, field, 16, 32, "RAW", random, scales=[0x00800000, 0x80800000], through="f16",
            integers=[0, 0x80, 1, 0xff] * 8)
        # a sum that is zero, and one that is rounded to it from below
        yield f"grid-affine-{field}-zeroes", grid_tile(
            AFFINE, field, 32, 64, "RAW", random, scales=[0x00800000, 0x3f800000], seconds=[0x81000000, 0xc0000000],
            through="f16", integers=[0, 1, 2, 3, 4, 8] * 10 + [1, 2, 3, 4])
        # where nothing is subtracted; where the sum wraps; differences that only the second rounding loses
        yield f"grid-steps-{field}-zeroes", grid_tile(
            STEPS, field, 32, 96, "RAW", random, scales=[0x3f800000, 0x3c000001, 0x00800000],
            seconds=[0, f32(200), f32(255)], through="bf16", integers=[0, 1, 55, 56, 100, 255, 254, 8] * 12)
    yield "grid-affine-cancels", grid_tile(AFFINE, "bf16", 256, 256, "RAW", random, scales=[0x3f800000],
                                           seconds=[0xc3000000], integers=list(range(256)))
    yield "grid-affine-far-apart", grid_tile(AFFINE, "f32", 32, 64, "RAW", random, scales=[0x00800000, 0x7f000000],
                                             seconds=[0x7f000000, 0x80800000])
    for through, scale in LARGEST_SCALES.items():
        yield f"grid-steps-{through}-largest-scale", grid_tile_steps(through, scale)


def grid_tile_steps(through, scale):
    stored = grid(STEPS, through, "f32", 32, [scale], [f32(1)], [], bytes([254, 255, 0, 127]))
    decoded = grid_elements(STEPS, through, "f32", 32, [scale], [f32(1)], [254, 255, 0, 127])
    return Tile(("GRID", "RAW"), stored, to_bytes(decoded, 4))


def bad_grid():
    random = Random(80)
    good = grid_tile(PRODUCT, "bf16", 32, 70, "RAW", random, 3, scales=[0x3f800000, 0x3f900000, 0xbf800000])
    coded = grid_tile(PRODUCT, "bf16", 32, 70, "RAW", random, 3, scales=[0x3f800000, 0x3f900000, 0xbf800000],
                      coded=(True, False))
    affine = grid_tile(AFFINE, "bf16", 32, 40, "RAW", random, scales=[0x3f800000, 0x3f810000], seconds=[0, 0])
    scales_size = GRID_HEADER.unpack_from(coded.stored)[2]
    exceptions = GRID_HEADER.size + 12

    def length(size, tile=good):
        return Tile(tile.chain, tile.stored, bytes(size))

    def changed(name, error, at, value, tile=good):
        return f"grid-{name}", error, tile, patched(tile.stored, at, value)

    def parameters(name, kind, scales, seconds=(), through="bf16"):
        stored = grid(kind, through, "bf16", 32, scales, seconds, [], bytes(40))
        return f"grid-{name}", "STREAM", Tile(good.chain, stored, bytes(80)), stored

    yield "grid-without-header", "TRUNCATED", good, good.stored[:19]
    yield changed("reserved", "PADDING", 19, b"\x01")
    for kind in (3, 255):
        yield changed(f"kind-{kind}", "GEOMETRY", 17, bytes([kind]))
    for number in (0, 4, 7, 8, 255):
        yield changed(f"field-{number}", "GEOMETRY", 16, bytes([number]))
        yield changed(f"through-{number}", "GEOMETRY", 18, bytes([number]))
    yield "grid-half-an-element", "GEOMETRY", length(141), good.stored
    yield "grid-of-nothing", "GEOMETRY", length(0), good.stored
    yield "grid-beyond-a-tile", "GEOMETRY", length(TILE_MAX + 2), good.stored
    for group in (15, 0, TILE_MAX + 1, 0xffffffff):
        yield changed(f"group-{group}", "GEOMETRY", 0, u32(group))
    for kind in (AFFINE, STEPS):
        small = Tile(affine.chain, patched(affine.stored, 17, bytes([kind])), affine.decoded)
        yield f"grid-{KINDS[kind]}-group-31", "GEOMETRY", small, patched(small.stored, 0, u32(31))
    yield changed("exceptions-more-than-elements", "GEOMETRY", 4, u32(71))
    yield changed("product-with-offsets", "GEOMETRY", 12, u32(12))
    yield changed("scales-beyond-end", "TRUNCATED", 8, u32(0xffffffff))
    yield changed("offsets-beyond-end", "TRUNCATED", 12, u32(0xffffffff), affine)
    yield "grid-exceptions-beyond-end", "TRUNCATED", good, good.stored[:exceptions + 17]
    # not the bytes that they have as they are: by LEVELS
    yield changed("scales-raw-cut", "TRUNCATED", 8, u32(11))
    yield changed("scales-none", "TRUNCATED", 8, u32(0))
    yield changed("offsets-none", "TRUNCATED", 12, u32(0), affine)
    yield changed("scales-cut", "TRUNCATED", 8, u32(scales_size - 1), coded)
    yield changed("scales-trailing", "TRAILING", 8, u32(scales_size + 1), coded)
    yield changed("scales-fewer", "GEOMETRY", 0, u32(64), coded)
    yield changed("scales-levels-reserved", "PADDING", 20 + 29, b"\x01", coded)
    for name, scale in (("zero", 0), ("subnormal", 0x00400000), ("infinite", 0x7f800000), ("nan", 0xffc00000)):
        for kind in KINDS:
            yield parameters(f"{KINDS[kind]}-scale-{name}", kind, [0x3f800000, scale], [0, 0] if kind else [])
    for kind in (AFFINE, STEPS):
        yield parameters(f"{KINDS[kind]}-scale-negative", kind, [0xbf800000, 0x3f800000], [0, 0])
    for name, second in (("subnormal", 1), ("infinite", 0x7f800000), ("nan", 0x7fc00000), ("minus-zero", 0x80000000)):
        yield parameters(f"offset-{name}", AFFINE, [0x3f800000, 0x3f800000], [0, second])
        yield parameters(f"zero-point-{name}", STEPS, [0x3f800000, 0x3f800000], [0, second])
    for name, second in (("256", 0x43800000), ("half", 0x3f000000), ("1.5", 0x3fc00000), ("255.5", 0x437f8000),
                         ("minus-1", 0xbf800000), ("254.99", 0x437effff)):
        yield parameters(f"zero-point-{name}", STEPS, [0x3f800000, 0x3f800000], [0, second])
    for through, scale in LARGEST_SCALES.items():
        yield parameters(f"steps-{through}-scale-too-large", STEPS, [0x3f800000, scale + 1], [0, 0], through)
    yield changed("exception-outside", "STREAM", exceptions + 8, u32(70))
    yield changed("exception-twice", "STREAM", exceptions + 4, good.stored[exceptions:exceptions + 4])
    yield changed("exceptions-descend", "STREAM", exceptions + 8, u32(0))
    yield "grid-inner-cut", "TRUNCATED", good, good.stored[:-1]
    yield "grid-inner-trailing", "TRAILING", good, good.stored + b"\0"
    wide = Tile(("GRID", "LEVELS"), good.stored, good.decoded, 3, FIELDS["f16"][0])
    yield "grid-inner-of-two-bytes", "CHAIN", wide, good.stored
    for field in ("i8", "nibble"):
        inner = grid_tile(PRODUCT, "bf16", 32, 70, (3, field), random)
        yield f"grid-inner-{field}-cut", "TRUNCATED", inner, inner.stored[:-1]
        yield f"grid-inner-{field}-reserved", "PADDING", inner, flipped(inner.stored, 20 + 12 + 29, 1)
