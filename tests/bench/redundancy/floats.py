# SPDX-License-Identifier: BSD-3-Clause
"""Formats of floats: bf16 is held as its bits in uint16, fp16 and fp32 as numpy's own types."""
import numpy as np

# --to, --scale → name in safetensors, bits
SAFETENSORS = {"bf16": "BF16", "fp16": "F16", "fp32": "F32"}
WIDTH = {"bf16": 16, "fp16": 16, "fp32": 32}


def to_bf16(values):
    """fp32 → bf16 bits, to nearest, ties to even; a NaN becomes quiet."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = (bits + np.uint32(0x7FFF) + (bits >> 16 & 1)) >> 16
    nan = (bits & 0x7FFFFFFF) > 0x7F800000
    return np.where(nan, bits >> 16 | 0x40, rounded).astype(np.uint16)


def from_bf16(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


def stored(values, kind):
    """fp32 → what a file of that kind holds."""
    if kind == "bf16":
        return to_bf16(values)
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(values, np.float16 if kind == "fp16" else np.float32)


def loaded(content, kind):
    """What a file holds → fp32; exact."""
    return from_bf16(content) if kind == "bf16" else content.astype(np.float32)


def rounded(values, kind):
    """fp32 → fp32, by way of a narrower kind."""
    return loaded(stored(values, kind), kind)


def kind_of(content):
    return {"uint16": "bf16", "float16": "fp16", "float32": "fp32"}[content.dtype.name]


def exponents(content):
    """The exponent field of each element, and how many bits besides it an element has."""
    kind = kind_of(content)
    if kind == "bf16":
        return content >> 7 & 0xFF, 8
    if kind == "fp16":
        return content.view(np.uint16) >> 10 & 0x1F, 11
    return content.view(np.uint32) >> 23 & 0xFF, 24


def ordered(bits):
    """bf16 bits → integers that are in the order of the values, one to one; -0 comes right before +0."""
    return np.where(bits & 0x8000, bits ^ 0xFFFF, bits | 0x8000).astype(np.int32)
