# SPDX-License-Identifier: BSD-3-Clause
"""Tiles of DELTA with the tile of a base that each needs, sound and not."""
from .container import Tile, raw
from .delta import (CODES, DELTA_FIELDS, DELTA_HEADER, LOW, delta, delta_parts, frequencies_of, pack_classes, step_between,
                    stepped, token_begin)
from .streams import FIELDS, to_bytes
from .tiles import TILE_MAX, Random, elements, flipped, patched, u32


def tile_of(field, base, new, stored):
    size = FIELDS[field][3]
    return Tile(("DELTA",), stored, to_bytes(new, size), 0, FIELDS[field][0], against=raw(to_bytes(base, size)))


def delta_tile(field, base, new, **options):
    us = [step_between(field, old, one) for old, one in zip(base, new)]
    return tile_of(field, base, new, delta(field, base, us, **options))


def us_tile(field, base, us, **options):
    return tile_of(field, base, [stepped(field, old, u) for old, u in zip(base, us)], delta(field, base, us, **options))


def tuned(random, field, base, spread=3):
    """Most as they were, some a few steps away, now and then any."""
    bits, out = 8 * FIELDS[field][3], []
    for old in base:
        kind = random.bits(5)
        if kind < 12:
            out.append(stepped(field, old, random.bits(spread)))
        else:
            out.append(random.bits(bits) if kind == 31 else old)
    return out


CLASSES = ((0,), (0, 1), (0, 100), (0, 14, 15, 120, 126), (0, 1, 2, 3, 8, 16, 64, 255), (0, 2, 5, 9))


def extremes(field):
    """The ends of the order and around zero, NaNs and infinities of floats."""
    _, symbol, mantissa, size = FIELDS[field]
    top = 1 << (8 * size - 1)
    if field == "i8":
        return [0, 1, 127, 128, 129, 255]
    infinity = ((1 << symbol) - 1) << mantissa
    return [0, top, 1, top + 1, top - 1, 2 * top - 1, infinity, top + infinity, infinity - 1, infinity + 1, 1 << mantissa]


def sound_delta():
    random, turn = Random(30), 0
    for field in DELTA_FIELDS:
        size = FIELDS[field][3]
        for count in (160, 161, 162, 163, 64, 65, 63, 300, 1000):
            base = elements(random, field, max(count, 96 if size == 1 else 1))
            firsts, shift, pivot = CLASSES[turn % 6], (0, 0, 1, 2, 0, 5)[turn // 2 % 6], (0, 0, 127, 9, 3)[turn % 5]
            tile = delta_tile(field, base, tuned(random, field, base), shift=shift, pivot=pivot, firsts=firsts,
                              plain=turn % 7 == 6)
            if len(tile.stored) > len(tile.decoded):
                shift = pivot = 0
                base, firsts = base + base[:1] * 400, firsts[:2]
                tile = delta_tile(field, base, tuned(random, field, base[:-400], 2) + base[:1] * 400, firsts=firsts)
            yield f"delta-{field}-{len(base)}-{len(firsts)}-shift{shift}-pivot{pivot}", tile
            turn += 1
        # from each of the extremes to each
        ends = extremes(field)
        base = [a for a in ends for _ in ends] + [ends[0]] * 500
        yield f"delta-{field}-extremes", delta_tile(field, base, ends * len(ends) + [ends[0]] * 500)
        base = elements(random, field, 200)
        # tokens that occur once, the largest shift, and pivots beyond it
        most = 8 * size - 6
        for name, shift, pivot in (("largest-shift", most, 0), ("shift-beyond", 255, 255), ("pivot", 0, 255)):
            us = [random.bits(1) * random.bits(most) for _ in base]
            yield f"delta-{field}-{name}", longer(field, base, us, shift=shift, pivot=pivot)
        # token 0 alone, which is certain or costs as good as nothing
        for name, classes in (("same", [(0, [])]), ("same-classes", [(0, []), (1, [5, 0, 3]), (255, [])])):
            yield f"delta-{field}-{name}", us_tile(field, base, [0] * 200, classes=classes)
        yield f"delta-{field}-equal", Tile(("DELTA",), b"", to_bytes(base, size), against=raw(to_bytes(base, size)))
        # differences of more bits than elements have
        us = [0] * 400
        us[10], us[77], us[99] = (1 << 8 * size) + 5, (1 << 8 * size) + 100, (3 << 8 * size) - 1
        if size < 4:
            yield f"delta-{field}-u-beyond", us_tile(field, base * 2, us)
    # every token in one tile
    base = elements(random, "f32", 71 * 8 + 3)
    us = [token_begin(i % 71)[0] + random.bits(token_begin(i % 71)[1]) for i in range(len(base))]
    yield "delta-all-tokens", us_tile("f32", base, us)
    us = [token_begin(i % 72)[0] + (1 << token_begin(i % 72)[1]) - 1 for i in range(len(base))]
    yield "delta-last-token", us_tile("f32", base, us)
    yield "delta-last-token-shifted", us_tile("f32", base * 2, [u % 2 << 26 if i % 9 else u << 26 for i, u in enumerate(us + [0] * len(us))], shift=26)
    # codes: those without frequency between others, the largest, all, as many as there may be
    base = elements(random, "bf16", 300)
    for name, codes in (("gaps", [0, 0, 40, 0, 1, 0, 0, 0, 30, 0, 2]), ("largest", [0] * 7 + [90, 1, 1]),
                        ("nothing-left", [63, 10, 4, 1, 1, 1, 1, 1, 1]), ("most", [1] * CODES),
                        ("zeroes-last", [30, 20, 0, 0, 0, 0])):
        allowed = [token for token, frequency in enumerate(frequencies_of(codes)) if frequency]
        us = [token_begin(allowed[random.below(len(allowed))])[0] for _ in base]
        yield f"delta-codes-{name}", longer("bf16", base, us, classes=[(0, codes)])
        yield f"delta-codes-{name}-plain", longer("bf16", base, us, classes=[(0, codes)], plain=True)
    yield "delta-token-1-and-2", longer("bf16", base, [1, 2] * 150, classes=[(0, [64])])
    few = elements(random, "bf16", 32)
    base = few * (TILE_MAX // 64)
    # of nothing but low bits, for they repeat; of words, for which a quarter of a tile has to do
    yield "delta-full", us_tile("bf16", base, [0, 1, 100, 7, 0, 30, 2, 3] * (TILE_MAX // 16), shift=10, classes=[(0, [])])
    yield "delta-quarter", us_tile("bf16", base[::4], [0, 1, 2, 0, 0, 9, 0, 100] * (TILE_MAX // 64))
    yield "delta-rare-full", us_tile("bf16", base, ([0] * 31 + [5]) * (TILE_MAX // 64))
    base = elements(random, "i8", 32) * (TILE_MAX // 32)
    yield "delta-i8-full", us_tile("i8", base, [0, 1, 0, 3] * (TILE_MAX // 4), shift=2, classes=[(0, []), (1, []), (3, [])])
    base = elements(random, "f32", 16) * (TILE_MAX // 64)
    yield "delta-f32-full", us_tile("f32", base, [0, 1, 70000, 0] * (TILE_MAX // 16), shift=17, classes=[(0, [])])
    # of more than 12 elements a stored byte; of as many as that
    for count in (900, 2000, 4000):
        base = elements(random, "bf16", count)
        yield f"delta-rare-{count}", us_tile("bf16", base, [int(i % 199 == 50) * 7 for i in range(count)], firsts=(0, 120))
    # few elements with low bits, none of which differs; and as many low bits as there can be, one behind the other
    yield "delta-rare-shifted", us_tile("bf16", base, [int(i % 199 == 50) * 7 for i in range(4000)], pivot=60)
    us = [0] * 100 + [token_begin(68 + i % 4)[0] + random.bits(29) << 10 for i in range(70)] + [0] * 830
    yield "delta-bf16-most-low-bits", us_tile("bf16", base[:1000], us, shift=10)


def longer(field, base, us, **options):
    """With elements behind them that cost little, where the tile would be larger than it is decoded."""
    tile = us_tile(field, base, us, **options)
    if len(tile.stored) > len(tile.decoded):
        cheap = us.index(min(us))
        base, us = base + base[cheap:cheap + 1] * 2000, us + us[cheap:cheap + 1] * 2000
        tile = us_tile(field, base, us, **options)
    assert len(tile.stored) <= len(tile.decoded), (field, options)
    return tile


def bad_delta():
    random = Random(31)
    base = elements(random, "bf16", 200)
    us = [0, 1, 2, 0, 0, 3, 40, 0] * 25
    firsts = (0, 120, 125)
    header, sections = delta_parts("bf16", base, us, firsts=firsts)
    good = us_tile("bf16", base, us, firsts=firsts)
    size = len(good.stored)
    classes_end = DELTA_HEADER.size + len(sections[0])
    low_end = size - len(sections[3])

    def changed(name, error, at, value):
        return f"delta-{name}", error, good, patched(good.stored, at, value)

    def other(name, error, section, content):
        parts = list(sections)
        parts[section] = content
        return f"delta-{name}", error, good, DELTA_HEADER.pack(*header) + b"".join(parts)

    def of_classes(name, error, content, count=1):
        """Classes that are refused before anything else is looked at."""
        head = [header[0], count, *header[2:]]
        return f"delta-{name}", error, good, DELTA_HEADER.pack(*head) + content + b"".join(sections[1:])

    def entry(name, error, field, data=good.stored, against=good.against, decoded=good.decoded):
        return f"delta-{name}", error, Tile(("DELTA",), b"", decoded, 0, field, against=against), data

    yield entry("without-base", "CHAIN", 1, against=None)
    for number in (0, 7, 8, 255):
        yield entry(f"field-{number}", "CHAIN", number)
    yield entry("equal-with-field", "TRUNCATED", 1, b"")
    yield entry("equal-without-base", "CHAIN", 0, b"", None)
    yield entry("half-an-element", "GEOMETRY", 1, decoded=bytes(399), against=raw(bytes(399)))
    yield entry("beyond-a-tile", "GEOMETRY", 1, decoded=bytes(TILE_MAX + 2), against=raw(bytes(TILE_MAX + 2)))
    yield entry("larger-than-tile", "TRAILING", 1, decoded=bytes(size // 2 * 2 - 2), against=raw(bytes(size // 2 * 2 - 2)))
    for cut in (1, 7, 8, 9, 10, 11, classes_end - 1, classes_end + 15, low_end - 1):
        yield f"delta-cut-to-{cut}", "TRUNCATED", good, good.stored[:cut]
    yield changed("reserved", "PADDING", 7, b"\x01")
    for count in (0, 9, 255):
        yield changed(f"classes-{count}", "GEOMETRY", 4, bytes([count]))
    yield of_classes("first-class-at-1", "GEOMETRY", pack_classes([(1, [])]))
    yield of_classes("class-twice", "GEOMETRY", pack_classes([(0, []), (0, [])]), 2)
    yield of_classes("classes-descend", "GEOMETRY", pack_classes([(0, []), (9, []), (8, [])]), 3)
    yield of_classes("codes-65", "GEOMETRY", b"\0" + bytes([CODES + 1]) + pack_classes([(0, [0] * 80)])[2:])
    for code in (91, 128, 255):
        yield of_classes(f"code-{code}", "STREAM", b"\0\x08" + pack_classes([(0, [0] * 7 + [code])])[2:])
    # nibbles: 14 - 12 - 12 is below 0; 90 + 2
    yield of_classes("code-below-0", "STREAM", bytes([0, 2, 0x00]))
    yield of_classes("code-above-90", "STREAM", bytes([0, 2, 0x0f | 0xa0, 0x05 | 0xe0]))
    for name, codes in (("twins", [64, 1]), ("two", [0] * 7 + [90, 10]), ("twin-of-90", [90])):
        yield of_classes(f"frequencies-{name}", "STREAM", pack_classes([(0, codes)]))
    yield of_classes("nibble-left", "PADDING", bytes([0, 1, 0x1c]))
    yield changed("low-beyond-end", "TRUNCATED", 0, u32(size))
    yield changed("low-overflow", "TRUNCATED", 0, u32(0xffffffff))
    yield changed("low-one-more", "STREAM", 0, u32(header[0] + 1))
    yield "delta-trailing", "STREAM", good, good.stored + b"\0"
    yield "delta-word-cut", "STREAM", good, good.stored[:-2]
    yield "delta-half-a-word", "STREAM", good, good.stored[:-1]
    yield "delta-word-more", "STREAM", good, good.stored + b"\0\0"
    low = sections[2]
    more = DELTA_HEADER.pack(header[0] + 2, *header[1:]) + b"".join(sections[:3]) + b"\0\0" + sections[3]
    yield "delta-low-two-more", "STREAM", good, more
    fewer = DELTA_HEADER.pack(header[0] - 2, *header[1:]) + b"".join(sections[:2]) + low[:-2] + sections[3]
    yield "delta-low-two-fewer", "STREAM", good, fewer
    # 100 low bits leave some of their last byte
    yield "delta-tail-of-low", "PADDING", good, flipped(good.stored, low_end - 1, 0x80)
    for state in range(4):
        at = classes_end + 4 * state
        yield f"delta-state-{state}", "STREAM", good, flipped(good.stored, at + 3, 0x40)
        yield f"delta-state-{state}-0", "STREAM", good, patched(good.stored, at, u32(0))
    yield other("states-at-end", "STREAM", 1, to_bytes([LOW] * 4, 4))
    # one state ends elsewhere: token 0 is certain
    same = us_tile("bf16", base, [0] * 200, classes=[(0, [])])
    for state in range(4):
        yield (f"delta-end-of-state-{state}", "STREAM", same,
               patched(same.stored, 8 + 2 + 4 * state, u32(LOW + 4096 * (state + 1))))
        # which the first element would make good again
        yield f"delta-begin-of-state-{state}", "STREAM", same, patched(same.stored, 8 + 2 + 4 * state, u32(1)) + b"\0\0"
    # words are used up in the middle of a tile: a block of a decoder later is too late
    base = elements(random, "bf16", 3000)
    us = [random.bits(3) for _ in base]
    long = us_tile("bf16", base, us)
    for cut in (100, 2):
        yield f"delta-long-cut-{cut}", "STREAM", long, long.stored[:-cut]
    head, parts = delta_parts("bf16", base, us, shift=4)
    half = len(parts[2]) // 2
    yield "delta-low-ends-early", "STREAM", us_tile("bf16", base, us, shift=4), (
        DELTA_HEADER.pack(half, *head[1:]) + b"".join(parts[:2]) + parts[2][:half] + parts[3])
