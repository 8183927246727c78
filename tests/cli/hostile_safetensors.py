# SPDX-License-Identifier: BSD-3-Clause
"""hostile_safetensors.py DIR: a directory for each file that lies; those named ok- are legal."""
import json
import os
import struct
import sys


def header(tensors):
    return json.dumps({name: {"dtype": dtype, "shape": shape, "data_offsets": offsets}
                       for name, dtype, shape, offsets in tensors}).encode()


def content(text, data=b"", length=None):
    return struct.pack("<Q", len(text) if length is None else length) + text + data


CASES = {
    "short": b"\1\2\3",
    "header-longer-than-file": content(b"{}", length=1000),
    "header-length-huge": content(b"{}", length=2**64 - 1),
    "header-over-limit": content(b"{}", length=100000001),
    "not-json": content(b"{nonsense"),
    "json-list": content(b"[]"),
    "json-deep": content(b"[" * 100000),
    "offsets-past-end": content(header([("a", "F32", [4], [0, 16])]), b"1234"),
    "offsets-reversed": content(header([("a", "F32", [1], [4, 0])]), b"1234"),
    "offsets-negative": content(header([("a", "F32", [1], [-4, 0])]), b"1234"),
    "offsets-float": content(header([("a", "F32", [1], [0.0, 4.0])]), b"1234"),
    "offsets-huge": content(header([("a", "U8", [1], [2**63 - 1, 2**63])]), b"1234"),
    "overlap": content(header([("a", "U8", [4], [0, 4]), ("b", "U8", [4], [2, 6])]), b"123456"),
    "shape-does-not-fit": content(header([("a", "F32", [3], [0, 4])]), b"1234"),
    "shape-overflow": content(header([("a", "U8", [2**32, 2**32], [0, 4])]), b"1234"),
    "shape-negative": content(header([("a", "U8", [-4], [0, 4])]), b"1234"),
    "shape-not-a-list": content(header([("a", "U8", 4, [0, 4])]), b"1234"),
    "no-offsets": content(b'{"a": {"dtype": "U8", "shape": [4]}}', b"1234"),
    "duplicate-name": content(b'{"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}, '
                              b'"a": {"dtype": "U8", "shape": [1], "data_offsets": [1, 2]}}', b"12"),
    "ok-unknown-dtype": content(header([("a", "F4", [8], [0, 4])]), b"1234"),
    "ok-nine-dimensions": content(header([("a", "U8", [1] * 9, [0, 1])]), b"1"),
    "ok-gap-and-tail": content(header([("a", "U8", [1], [0, 1]), ("b", "U8", [1], [3, 4])]),
                               b"123456"),
    "ok-no-tensors": content(b"{}"),
    "ok-metadata": content(b'{"__metadata__": {"format": "pt"}}', b""),
    "ok-name-of-spaces-and-dots": content(header([("../../x y", "U8", [1], [0, 1])]), b"1"),
}

for name, data in CASES.items():
    os.makedirs(os.path.join(sys.argv[1], name))
    with open(os.path.join(sys.argv[1], name, "model.safetensors"), "wb") as out:
        out.write(data)
