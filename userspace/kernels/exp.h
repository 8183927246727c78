/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * exp in fp32 by one fixed sequence of IEEE operations, without a branch, so
 * that a loop around it vectorises and still gives the same bits.
 *
 * Cody and Waite's reduction (Software Manual for the Elementary Functions,
 * 1980): x = k ln 2 + r with |r| <= ln 2 / 2, ln 2 in two parts; e^r by its
 * Taylor polynomial of degree 7, whose remainder is below 2^-27; then 2^k in
 * two factors, so that subnormal results are rounded once. Within 1 ulp of
 * exp in the normal range.
 */
#ifndef LWC_KERNELS_EXP_H
#define LWC_KERNELS_EXP_H

#include <stdint.h>
#include <string.h>

static inline float exp_power_of_two(int32_t exponent)
{
    uint32_t bits = (uint32_t)(exponent + 127) << 23;
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

static inline float exp_fixed(float x)
{
    /* adding it leaves the nearest integer in the low bits of the sum */
    const float magic = 0x1.8p23f;
    float bounded = x > 89.0f ? 89.0f : x;
    float shifted, k, r, p;
    int32_t whole, half;

    bounded = bounded < -104.0f ? -104.0f : bounded;
    shifted = __builtin_fmaf(bounded, 0x1.715476p+0f, magic);
    k = shifted - magic;
    /* a NaN's conversion is not defined: it goes round the integers */
    whole = (int32_t)(k == k ? k : 0.0f);
    r = __builtin_fmaf(k, -0x1.62e4p-1f, bounded);
    r = __builtin_fmaf(k, -0x1.7f7d1cp-20f, r);
    p = 0x1.a01a02p-13f;
    p = __builtin_fmaf(p, r, 0x1.6c16c2p-10f);
    p = __builtin_fmaf(p, r, 0x1.111112p-7f);
    p = __builtin_fmaf(p, r, 0x1.555556p-5f);
    p = __builtin_fmaf(p, r, 0x1.555556p-3f);
    p = __builtin_fmaf(p, r, 0.5f);
    p = __builtin_fmaf(p, r, 1.0f);
    p = __builtin_fmaf(p, r, 1.0f);
    half = whole >> 1;
    return p * exp_power_of_two(half) * exp_power_of_two(whole - half);
}

#endif
