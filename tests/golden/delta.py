# SPDX-License-Identifier: BSD-3-Clause
"""
delta.py CONTAINER.lwc BASE MODEL: decodes the DELTA tiles of a container by what uapi/lwcmem_format.h says and nothing
else. BASE and MODEL are directories with a model.safetensors each, where a tensor is one tile. Prints the fields seen.
"""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "cli"))
from hostile_container import NAMES, OBJECTS, TABLES, TILES, Container  # noqa: E402

# LWC_FIELD_… → name, bits of symbol and mantissa, bytes of an element
FIELDS = {1: ("bf16", 8, 7, 2), 2: ("f16", 5, 10, 2), 3: ("f32", 8, 23, 4), 4: ("e4m3", 4, 3, 1), 5: ("e5m2", 5, 2, 1),
          6: ("i8", 4, 4, 1), 7: ("byte", 8, 0, 1)}
DIRECT, TOTAL, LOW, STATES = 15, 4096, 65536, 4


def tensors_of(directory):
    with open(os.path.join(directory, "model.safetensors"), "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    return {name: data[slice(*entry["data_offsets"])] for name, entry in header.items()}


def classes_of(stored, count):
    """[(first symbol, frequencies by token)], and where they end."""
    position = 16

    def nibble():
        nonlocal position
        position += 1
        return stored[(position - 1) // 2] >> 4 * ((position - 1) % 2) & 15

    def byte():
        lower = nibble()
        return lower | nibble() << 4

    classes = []
    for _ in range(count):
        first, codes, code, frequencies = byte(), byte(), 14, [0]
        for j in range(1, codes + 1):
            step = nibble()
            code = byte() if step == 15 else code + step - 12
            frequencies += [(code * code + 1) // 2] * (2 if j <= DIRECT // 2 else 1)
        frequencies[0] = TOTAL - sum(frequencies)
        assert frequencies[0] >= 0
        classes.append((first, frequencies))
    assert classes[0][0] == 0
    return classes, (position + 1) // 2


def token_value(token):
    """Where it begins, and its low bits."""
    if token < DIRECT:
        return token, 0
    low = (token - DIRECT) // 2 + 3
    return (2 + (token - DIRECT) % 2 << low) - 1, low


def ordered(value, bits, floats):
    if not floats:
        return value
    return value ^ (2 ** bits - 1) if value >> (bits - 1) else value + 2 ** (bits - 1)


def unordered(value, bits, floats):
    if not floats:
        return value
    return value - 2 ** (bits - 1) if value >> (bits - 1) else value ^ (2 ** bits - 1)


def decode(field, stored, base):
    _, symbol_bits, mantissa, element = FIELDS[field]
    bits, floats = 8 * element, field < 6
    low_bytes, count, shift, pivot = int.from_bytes(stored[:4], "little"), stored[4], stored[5], stored[6]
    classes, at = classes_of(stored, count)
    states = [int.from_bytes(stored[at + 4 * i:at + 4 * i + 4], "little") for i in range(STATES)]
    at += 4 * STATES
    low = int.from_bytes(stored[at:at + low_bytes], "little")
    words, used, out = stored[at + low_bytes:], 0, bytearray()
    for i in range(len(base) // element):
        old = int.from_bytes(base[element * i:element * i + element], "little")
        symbol = old >> mantissa & (1 << symbol_bits) - 1
        frequencies = [f for first, f in classes if first <= symbol][-1]
        slot, begin, token = states[i % STATES] % TOTAL, 0, 0
        while begin + frequencies[token] <= slot:
            begin += frequencies[token]
            token += 1
        state = frequencies[token] * (states[i % STATES] // TOTAL) + slot - begin
        if state < LOW:
            state = state << 16 | int.from_bytes(words[:2], "little")
            words = words[2:]
        states[i % STATES] = state
        shifted = min(shift + max(0, pivot - symbol), bits - 6)
        value, more = token_value(token)
        u = (value << shifted) + (low >> used & (1 << more + shifted) - 1)
        used += more + shifted
        value = ordered(old, bits, floats) + (-(u + 1) // 2 if u % 2 else u // 2)
        out += unordered(value % 2 ** bits, bits, floats).to_bytes(element, "little")
    assert states == [LOW] * STATES and not words and low >> used == 0 and (used + 7) // 8 == low_bytes
    return bytes(out)


def main(container, base, model):
    bases, tensors = tensors_of(base), tensors_of(model)
    with open(container, "rb") as file:
        good = Container(file.read())
    seen = set()
    for i in range(good.get("Q", TABLES + 24 * OBJECTS + 8)):
        offset, length = good.read(OBJECTS, i, 0, "Q"), good.read(OBJECTS, i, 8, "I")
        name = bytes(good.read(NAMES, offset + j, 0, "B") for j in range(length)).decode()
        tile = good.read(OBJECTS, i, 96, "Q")
        if not length or not good.read(OBJECTS, i, 104, "Q") or good.read(TILES, tile, 16, "B") != 10:
            continue
        start, stored = good.read(TILES, tile, 0, "Q"), good.read(TILES, tile, 8, "I")
        field = good.read(TILES, tile, 21, "B")
        got = decode(field, bytes(good.data[start:start + stored]), bases[name]) if stored else bases[name]
        assert got == tensors[name], name
        seen.add(FIELDS[field][0] if stored else "equal")
    print(*sorted(seen))


main(*sys.argv[1:])
