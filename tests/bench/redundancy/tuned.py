# SPDX-License-Identifier: BSD-3-Clause
"""bf16 models that come from another one: OUT/base and OUT/tuned."""
import os

import numpy as np

from bounds import Bound, conditional, order0
from floats import exponents, from_bf16, ordered, to_bf16
from model import source, write_model

BETA1, BETA2, EPSILON = np.float32(0.9), np.float32(0.999), np.float32(1e-8)
FORMULA = "entropy of the difference of ordered bf16 codes, given the exponent of the base's weight (per tensor)"


def add_finetune_options(parser):
    parser.add_argument("--fraction", type=float, default=1.0, help="of the weights that are trained")
    parser.add_argument("--lr", type=float, default=1e-5)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--weight-decay", type=float, default=0.01)


def add_lora_options(parser):
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--alpha", type=float, default=32.0)
    parser.add_argument("--strength", type=float, default=0.01, help="norm of the adapter / norm of the weights")


def adamw(values, rng, lr, steps, decay):
    """
    Steps of AdamW (Loshchilov and Hutter, 1711.05101) in fp32. Gradients are noise around a small constant slope for
    each weight, so that some of it adds up.
    """
    lr, decay = np.float32(lr), np.float32(decay)
    values = values.copy()
    slope = rng.standard_normal(values.shape, np.float32) * np.float32(0.3)
    m, v = np.zeros_like(values), np.zeros_like(values)
    for step in range(1, steps + 1):
        gradient = slope + rng.standard_normal(values.shape, np.float32)
        m += (1 - BETA1) * (gradient - m)
        v += (1 - BETA2) * (gradient * gradient - v)
        m_hat = m / np.float32(1 - float(BETA1) ** step)
        v_hat = v / np.float32(1 - float(BETA2) ** step)
        values -= lr * decay * values
        values -= lr * m_hat / (np.sqrt(v_hat) + EPSILON)
    return values


def count(bound, base, tuned):
    difference = ordered(tuned) - ordered(base)
    bits, missed = conditional(difference.reshape(-1), exponents(base)[0].reshape(-1))
    bound.weights += base.size
    bound.part("differences", bits)
    bound.figure("with the Miller-Madow correction", bits + missed)
    exponent, rest = exponents(tuned)
    bound.figure("without the base", order0(exponent) + rest * exponent.size)


def make(out, options, rng, change):
    """change(fp32 values) → fp32 values; of 2-d tensors only."""
    bound = Bound(FORMULA)
    bases, results = [], []
    for name, values in source(options, rng, 16):
        base = to_bf16(values)
        tuned = to_bf16(change(from_bf16(base))) if base.ndim == 2 else base.copy()
        count(bound, base, tuned)
        bases.append((name, base))
        results.append((name, tuned))
    write_model(os.path.join(out, "base"), bases)
    write_model(os.path.join(out, "tuned"), results)
    return bound


def make_finetuned(out, options, rng):
    def change(values):
        trained = rng.random(values.shape, np.float32) < options.fraction
        values[trained] = adamw(values[trained], rng, options.lr, options.steps, options.weight_decay)
        return values
    return make(out, options, rng, change)


def make_lora(out, options, rng):
    """W + alpha / r * B A; B is scaled so that the product has the stated norm."""
    def change(values):
        rows, columns = values.shape
        a = rng.standard_normal((options.rank, columns), np.float32) / np.float32(np.sqrt(columns))
        b = rng.standard_normal((rows, options.rank), np.float32)
        factor = np.float32(options.alpha / options.rank)
        wanted = options.strength * np.linalg.norm(values)
        b *= np.float32(wanted / np.linalg.norm(factor * (b @ a)))
        return values + factor * (b @ a)
    return make(out, options, rng, change)
