# SPDX-License-Identifier: BSD-3-Clause
"""peers.py OURS.so GGML_DIR|- ZIPNN_MISSING GGML_MISSING [--quick]: one thread, taking turns on the same weights.
Without a peer, its row says what the argument says."""
import ctypes
import sys

ours_path, ggml, zipnn_missing, ggml_missing = sys.argv[1:5]
quick = "--quick" in sys.argv[5:]
COPY, DECODE, PLAIN, FUSED, DOT, CALL = range(6)
GGML_TYPE_BF16 = 30
HEADER, PLANES, BIT_REORDER, BYTE_REORDER, CHUNK = 32, 2, 1, 10, 256 * 1024  # what zipnn itself uses for bf16

ours = ctypes.CDLL(ours_path)
for name, result, arguments in [
        ("open", ctypes.c_void_p, [ctypes.c_size_t]),
        ("bytes", ctypes.c_void_p, [ctypes.c_void_p]),
        ("size", ctypes.c_size_t, [ctypes.c_void_p]),
        ("structures", ctypes.c_size_t, []),
        ("name", ctypes.c_char_p, [ctypes.c_size_t]),
        ("bits", ctypes.c_double, [ctypes.c_void_p, ctypes.c_size_t]),
        ("isa", ctypes.c_char_p, [ctypes.c_void_p]),
        ("fuses", ctypes.c_int, [ctypes.c_void_p, ctypes.c_size_t]),
        ("enter", ctypes.c_size_t, [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t, ctypes.c_void_p]),
        ("run", ctypes.c_int, [ctypes.c_void_p, ctypes.c_int]),
        ("rate", ctypes.c_double, [ctypes.c_void_p, ctypes.c_size_t]),
        ("products", ctypes.POINTER(ctypes.c_float), [ctypes.c_void_p, ctypes.c_size_t]),
        ("rows", ctypes.c_size_t, [ctypes.c_void_p]),
        ("failure", ctypes.c_char_p, [ctypes.c_void_p])]:
    function = getattr(ours, "ours_" + name)
    function.restype, function.argtypes = result, arguments

handle = ours.ours_open(8 << 20 if quick else 0)
if not handle:
    sys.exit("peers.py: cannot make the weights")
size = ours.ours_size(handle)
weights = memoryview((ctypes.c_char * size).from_address(ours.ours_bytes(handle))).cast("B")
isa = ours.ours_isa(handle).decode()
entrants, missing, keep = [], [], []


def enter(label, bits, kind, structure=0, function=None):
    number = ours.ours_enter(handle, kind, structure, function)
    entrants.append((label, bits, kind, number))
    return number


def enter_zipnn():
    try:
        import zipnn_core
    except ImportError as error:
        missing.append(("zipnn", zipnn_missing or str(error)))
        return
    # a copy: it reorders its input in place
    packed = zipnn_core.zipnn_core(bytes(HEADER), bytearray(weights), PLANES, BIT_REORDER, BYTE_REORDER, 0, CHUNK, 0.95, 10, 1)
    body = memoryview(packed)[HEADER:]

    def decode():
        return zipnn_core.combine_dtype(body, PLANES, BIT_REORDER, BYTE_REORDER, CHUNK, size, 1)

    if decode() != weights:
        missing.append(("zipnn", "does not give back the bytes"))
        return
    call = ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 0 if len(decode()) == size else 1)
    keep.append(call)
    enter("zipnn", 8 * len(body) / (size / 2), CALL, 0, ctypes.cast(call, ctypes.c_void_p))


def enter_ggml(plain):
    if ggml == "-":
        missing.append(("ggml", ggml_missing))
        return
    try:
        ctypes.CDLL(f"{ggml}/libggml-base.so", mode=ctypes.RTLD_GLOBAL)
        cpu = ctypes.CDLL(f"{ggml}/libggml-cpu.so")
    except OSError as error:
        missing.append(("ggml", str(error)))
        return
    cpu.ggml_cpu_init()
    cpu.ggml_get_type_traits_cpu.restype = ctypes.POINTER(ctypes.c_void_p * 2)  # from_float, vec_dot, ...
    vec_dot = cpu.ggml_get_type_traits_cpu(GGML_TYPE_BF16).contents[1]
    rows = ours.ours_rows(handle)
    want = ours.ours_products(handle, plain)[:rows]
    number = enter("ggml (llama.cpp), bf16 dot product", 16, DOT, 0, vec_dot)
    got = ours.ours_products(handle, number)[:rows]
    scale = max(map(abs, want))
    if any(not abs(a - b) < 1e-3 * scale for a, b in zip(want, got)):
        sys.exit("peers.py: the products of ggml are others than those of the kernels")


structures = range(ours.ours_structures())
enter("memcpy", 16, COPY)
for s in structures:
    enter(f"decode {ours.ours_name(s).decode()}, {isa}", ours.ours_bits(handle, s), DECODE, s)
enter_zipnn()
plain = enter(f"plain bf16, {isa}", 16, PLAIN)
for s in structures:
    if ours.ours_fuses(handle, s):
        enter(f"fused {ours.ours_name(s).decode()}, {isa}", ours.ours_bits(handle, s), FUSED, s)
enter_ggml(plain)
if ours.ours_run(handle, quick) < 0:
    sys.exit("peers.py: " + ours.ours_failure(handle).decode())
print(f"{size >> 20} MiB of Gaussian bf16, pages of 4 KiB, 1 thread, in turns; GB/s of decoded bytes, medians\n")
width = max(len(label) for label, *_ in entrants + missing)
for title, kinds in (("to a buffer", (COPY, DECODE, CALL)), ("times a vector", (PLAIN, FUSED, DOT))):
    print(f"{title:<{width}}     bits    GB/s")
    for label, bits, kind, number in entrants:
        if kind in kinds:
            print(f"{label:<{width}}  {bits:7.3f}  {ours.ours_rate(handle, number):6.2f}")
    print()
for label, reason in missing:
    print(f"{label:<{width}}  missing: {reason}")
