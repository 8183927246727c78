# SPDX-License-Identifier: BSD-3-Clause
"""int4 and int8 weights, dequantised: --method, --group, --zero-point, --scale, --to, --product."""
from bounds import Bound, order0
from floats import WIDTH, stored
from model import source, write_model
from quantise import Grid, awq, gptq, hessian, rtn, scale_bits


def add_options(parser, bits):
    parser.add_argument("--method", choices=("rtn", "gptq", "awq"), default="rtn")
    parser.add_argument("--group", default="128" if bits == 4 else "row", metavar="N|row|tensor",
                        help="columns that share a scale")
    parser.add_argument("--zero-point", action="store_true", help="asymmetric")
    parser.add_argument("--scale", choices=tuple(WIDTH), default="fp16")
    parser.add_argument("--to", choices=tuple(WIDTH), default="bf16", help="what it is dequantised to")
    parser.add_argument("--product", choices=("fp32", "fp16", "fp16-affine"), default="fp32",
                        help="arithmetic of the dequantisation")
    parser.add_argument("--act-order", action="store_true", help="GPTQ's groups by magnitude, not by position")


def quantise(values, options, grid, rng):
    if options.method == "rtn":
        return rtn(values, grid, options.group)
    moments = hessian(rng, values.shape[1])
    if options.method == "awq":
        return awq(values, moments, grid, options.group)
    return gptq(values, moments, grid, options.group, options.act_order)


def count(bound, quantised, grid, product):
    """Adds one tensor to the bound."""
    low = grid.range()[0]
    scales = quantised.scale.size * scale_bits(grid, product)
    zeros = quantised.zero.size * grid.bits if grid.zero_point else 0
    bound.weights += quantised.integers.size
    bound.part("integers", order0(quantised.integers - low))
    bound.part("scales", scales)
    bound.part("zero points", zeros)
    bound.figure("plain", quantised.integers.size * grid.bits + scales + zeros)


def make(out, options, rng, bits):
    if options.group not in ("row", "tensor") and not (options.group.isdigit() and int(options.group) > 0):
        raise SystemExit(f"--group {options.group}: neither a number of columns nor 'row' nor 'tensor'")
    if options.act_order and options.method != "gptq":
        raise SystemExit("--act-order is of --method gptq")
    grid = Grid(bits, options.zero_point, options.scale)
    bound = Bound(f"order-0 entropy of the integers (per tensor) + ({scale_bits(grid, options.product)} bits scale"
                  + (f" + {bits} bits zero point" if grid.zero_point else "") + ") / weights of a group; "
                  f"plain: {bits} bits for the integers")
    bound.figure("plain", 0)
    tensors = []
    for name, values in source(options, rng, WIDTH[options.to]):
        if values.ndim == 2:
            quantised = quantise(values, options, grid, rng)
            content = stored(quantised.dequantised(options.product), options.to)
            count(bound, quantised, grid, options.product)
        else:
            content = stored(values, options.to)
            bound.untouched(content)
        tensors.append((name, content))
    write_model(out, tensors)
    return bound
