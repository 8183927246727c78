# SPDX-License-Identifier: BSD-3-Clause
"""Weights in blocks of GGUF files, random ones and what they mean, by the formulas of ggml's reference in numpy."""
import numpy as np

from gguf_file import TYPES

# Offsets of the half-precision numbers of a block.
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q4_K": [0, 2], "Q5_K": [0, 2],
          "Q6_K": [208]}
KINDS = list(HALVES)


def half(raw, at):
    return raw[:, at:at + 2].copy().view("<f2").astype(np.float32)


def nibbles(raw, run):
    """Of each run of bytes first the lower ones, then the upper ones."""
    parts = raw.reshape(len(raw), -1, run)
    return np.stack([parts & 15, parts >> 4], axis=2).reshape(len(raw), -1)


def planes(raw, width, run):
    """Of each run of bytes as many planes of width bits as a byte has, the lowest first."""
    parts = raw.reshape(len(raw), -1, run)
    return np.stack([parts >> shift & (1 << width) - 1 for shift in range(0, 8, width)], axis=2).reshape(len(raw), -1)


def six_bits(packed):
    first, second, third = packed[:, :4], packed[:, 4:8], packed[:, 8:]
    return (np.concatenate([first & 63, third & 15 | first >> 6 << 4], axis=1).astype(np.float32),
            np.concatenate([second & 63, third >> 4 | second >> 6 << 4], axis=1).astype(np.float32))


def fifth_bits(raw):
    return np.unpackbits(raw, axis=1, bitorder="little") << 4


def dequantise(kind, raw):
    """raw: an array of bytes, whole blocks. An array of float32, every NaN the same one."""
    raw = raw.reshape(-1, TYPES[kind][2])
    d = half(raw, HALVES[kind][0])
    with np.errstate(all="ignore"):
        if kind == "Q8_0":
            out = raw[:, 2:].view(np.int8).astype(np.float32) * d
        elif kind in ("Q4_0", "Q5_0"):
            quants = nibbles(raw[:, -16:], 16).astype(np.int32)
            if kind == "Q5_0":
                quants |= fifth_bits(raw[:, 2:6])
            out = (quants - (8 if kind == "Q4_0" else 16)).astype(np.float32) * d
        elif kind in ("Q4_1", "Q5_1"):
            quants = nibbles(raw[:, -16:], 16)
            if kind == "Q5_1":
                quants |= fifth_bits(raw[:, 4:8])
            out = quants.astype(np.float32) * d + half(raw, 2)
        elif kind in ("Q4_K", "Q5_K"):
            scales, offsets = six_bits(raw[:, 4:16])
            quants = nibbles(raw[:, -128:], 32)
            if kind == "Q5_K":
                quants |= planes(raw[:, 16:48], 1, 32) << 4
            quants = quants.astype(np.float32).reshape(len(raw), 8, 32)
            out = (d * scales)[:, :, None] * quants - (half(raw, 2) * offsets)[:, :, None]
        else:
            quants = nibbles(raw[:, :128], 64) | planes(raw[:, 128:192], 2, 32) << 4
            quants = (quants.astype(np.int32) - 32).astype(np.float32).reshape(len(raw), 16, 16)
            out = (d * raw[:, 192:208].view(np.int8).astype(np.float32))[:, :, None] * quants
    out = np.ascontiguousarray(out, np.float32).reshape(-1)
    out[np.isnan(out)] = np.float32(np.nan)
    return out


def blocks(rng, kind, rows, columns, wild):
    """
    Random blocks of a matrix, with scales like those of weights; in each of the rows in wild one block has a scale and
    an offset of any bits.
    """
    _, elements, size = TYPES[kind]
    raw = rng.integers(0, 256, (rows, columns // elements, size), np.uint8)
    for at in HALVES[kind]:
        halves = rng.normal(0, 0.01, raw.shape[:2]).astype("<f2").view("<u2")
        for row in wild:
            halves[row, rng.integers(raw.shape[1])] = rng.choice(
                [0x7c00, 0xfc00, 0x7e01, 0xfd55, 0x0001, 0x83ff, 0x0000, 0x8000, 0x7bff, rng.integers(0x10000)])
        raw[:, :, at:at + 2] = halves.astype("<u2")[:, :, None].view(np.uint8)
    return raw.reshape(-1)
