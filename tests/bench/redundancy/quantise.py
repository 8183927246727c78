# SPDX-License-Identifier: BSD-3-Clause
"""
Integers for weights: round to nearest (RTN), GPTQ (Frantar et al., 2210.17323) and AWQ (Lin et al., 2306.00978).
Each gives the integers, and the scale and zero point of each group of columns, one a row.
"""
from dataclasses import dataclass

import numpy as np

from floats import WIDTH, rounded


@dataclass
class Grid:
    bits: int
    zero_point: bool
    scale: str

    def range(self):
        if self.zero_point:
            return 0, 2 ** self.bits - 1
        return -2 ** (self.bits - 1), 2 ** (self.bits - 1) - 1

    def fit(self, values):
        """Scale and zero point of each row of values; absmax, or the range with zero in it."""
        if self.zero_point:
            low, high = np.minimum(values.min(1), 0), np.maximum(values.max(1), 0)
            scale = rounded((high - low) / np.float32(self.range()[1]), self.scale)
        else:
            scale = rounded(np.abs(values).max(1) / np.float32(self.range()[1]), self.scale)
        scale = np.where(scale > 0, scale, np.float32(1))
        if not self.zero_point:
            return scale, np.zeros(len(scale), np.int32)
        return scale, np.clip(np.rint(-low / scale), *self.range()).astype(np.int32)

    def integers(self, values, scale, zero):
        """Of values whose rows are those of scale and zero."""
        nearest = np.rint(values / scale[:, None]).astype(np.int32) + zero[:, None]
        return np.clip(nearest, *self.range())


@dataclass
class Quantised:
    """scale and zero: (rows, groups), or (1, 1) for the tensor. group_of: the group of each column."""
    integers: np.ndarray
    scale: np.ndarray
    zero: np.ndarray
    group_of: np.ndarray

    def dequantised(self, product):
        """
        fp32: (q - z) * s in fp32. fp16: the same in fp16, scale and product rounded. fp16-affine: q * s - z * s, each
        of the three operations rounded to fp16.
        """
        group_of = self.group_of
        scale, zero = self.scale[:, group_of], self.zero[:, group_of]
        if product == "fp32":
            return (self.integers - zero).astype(np.float32) * scale
        scale = scale.astype(np.float16)
        if product == "fp16":
            return ((self.integers - zero).astype(np.float16) * scale).astype(np.float32)
        return (self.integers.astype(np.float16) * scale - zero.astype(np.float16) * scale).astype(np.float32)


def grouping(columns, group):
    """The group of each column; `group` is a number of columns, 'row' or 'tensor'. The last may be shorter."""
    width = columns if group in ("row", "tensor") else int(group)
    return np.arange(columns) // width


def rtn(values, grid, group):
    group_of = grouping(values.shape[1], group)
    if group == "tensor":
        scale, zero = grid.fit(values.reshape(1, -1))
        q = grid.integers(values.reshape(1, -1), scale, zero).reshape(values.shape)
        return Quantised(q, scale[:, None], zero[:, None], group_of)
    q = np.empty(values.shape, np.int32)
    scales, zeros = [], []
    for number in range(group_of[-1] + 1):
        members = group_of == number
        scale, zero = grid.fit(values[:, members])
        q[:, members] = grid.integers(values[:, members], scale, zero)
        scales.append(scale)
        zeros.append(zero)
    return Quantised(q, np.stack(scales, 1), np.stack(zeros, 1), group_of)


def hessian(rng, columns):
    """
    Second moments of made-up activations: a magnitude for each channel, log-normal with 1 in 100 ten times as large, and
    sixteen directions that they share.
    """
    magnitude = np.exp(0.5 * rng.standard_normal(columns))
    magnitude[rng.random(columns) < 0.01] *= 10
    shared = rng.standard_normal((columns, 16)) * 0.5
    return (np.eye(columns) + shared @ shared.T) * magnitude[:, None] * magnitude


def gptq(values, moments, grid, group, act_order=False, block=128):
    """
    Column by column; the error of each, divided by the diagonal of the upper Cholesky factor of the inverse Hessian, is
    taken from the columns that follow. Groups are fitted when their first column is reached. With act_order the columns
    with the largest diagonal come first, and groups are of columns in that order.
    """
    rows, columns = values.shape
    order = np.argsort(-np.diag(moments), kind="stable") if act_order else np.arange(columns)
    damped = moments[np.ix_(order, order)].copy()
    damped[np.diag_indices(columns)] += 0.01 * np.diag(moments).mean()
    factor = np.linalg.cholesky(np.linalg.inv(damped)).T.astype(np.float32)
    work = values[:, order].copy()
    in_order = grouping(columns, group)
    q = np.empty((rows, columns), np.int32)
    scales, zeros = [], []
    if group == "tensor":
        fitted = grid.fit(work.reshape(1, -1))
        scales, zeros = [fitted[0]], [fitted[1]]
    for first in range(0, columns, block):
        last = min(first + block, columns)
        errors = np.empty((rows, last - first), np.float32)
        for at in range(first, last):
            if in_order[at] == len(scales):
                scale, zero = grid.fit(work[:, in_order == in_order[at]])
                scales.append(scale)
                zeros.append(zero)
            scale, zero = scales[-1], zeros[-1]
            q[:, at] = grid.integers(work[:, at:at + 1], scale, zero)[:, 0]
            error = (work[:, at] - (q[:, at] - zero) * scale) / factor[at, at]
            work[:, at:last] -= np.outer(error, factor[at, at:last])
            errors[:, at - first] = error
        work[:, last:] -= errors @ factor[first:last, last:]
    back = np.argsort(order, kind="stable")
    return Quantised(q[:, back], np.stack(scales, 1), np.stack(zeros, 1), in_order[back])


def awq(values, moments, grid, group, candidates=10):
    """
    Input channels are multiplied by magnitude ** alpha before they are rounded to nearest; the best alpha is searched on
    some rows. The previous layer takes the division, so what is stored are the multiplied weights. No clipping.
    """
    magnitude = np.sqrt(np.diag(moments))
    some = values[:256]
    best = None
    for alpha in np.arange(candidates) / candidates:
        channel = magnitude ** alpha
        channel = (channel / np.sqrt(channel.max() * channel.min())).astype(np.float32)
        error = rtn(some * channel, grid, group).dequantised("fp32") / channel - some
        loss = float((error ** 2 * np.diag(moments)).sum())
        if best is None or loss < best[0]:
            best = loss, channel
    return rtn(values * best[1], grid, group)


def scale_bits(grid, product):
    return WIDTH[grid.scale] if product == "fp32" else 16
