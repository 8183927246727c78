/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernels.h"
#include "blocks.h"
#include "exp.h"
#include "isa.h"

#define DEFAULT_MXCSR 0x1f80u
#define SCRATCH_BYTES (128u << 10)
#define ROWS_LEAST 4u
#define ROWS_MOST 32u

const struct kernels *const kernels_all[] = {&kernels_scalar, &kernels_avx2, &kernels_avx512};
const size_t kernels_count = sizeof(kernels_all) / sizeof(kernels_all[0]);

const struct kernels *kernels_select(uint32_t mask)
{
    for (size_t i = kernels_count; i-- > 1;)
        if (kernels_all[i]->isa & mask)
            return kernels_all[i];
    return kernels_all[0];
}

uint32_t kernels_enter(void)
{
    uint32_t before = __builtin_ia32_stmxcsr();

    __builtin_ia32_ldmxcsr(DEFAULT_MXCSR);
    return before;
}

void kernels_leave(uint32_t mxcsr)
{
    __builtin_ia32_ldmxcsr(mxcsr);
}

bool kernels_can_multiply(uint32_t dtype)
{
    return dtype == LWC_DTYPE_BF16 || dtype == LWC_DTYPE_F16 || dtype == LWC_DTYPE_F32 ||
           blocks_known(dtype);
}

/* Rows of fp32 that stay in the L2 cache, and are enough for gemm to share what it loads. */
static size_t rows_at_once(size_t cols)
{
    size_t fit = SCRATCH_BYTES / sizeof(float) / (cols ? cols : 1);

    return fit < ROWS_LEAST ? ROWS_LEAST : fit > ROWS_MOST ? ROWS_MOST : fit;
}

size_t kernels_scratch(const struct kernels *kernels, enum lwc_dtype dtype, size_t cols, size_t n)
{
    return kernels->gemm_scratch(cols, n) + (blocks_known(dtype) ? rows_at_once(cols) * cols : 0);
}

void kernels_multiply(const struct kernels *kernels, enum lwc_dtype dtype, const void *weights,
                      size_t rows, size_t cols, const struct activations *in,
                      const struct products *out, float *scratch)
{
    size_t row_bytes = (size_t)lwc_dtype_bytes(dtype, cols), part;
    float *converted = scratch + kernels->gemm_scratch(cols, in->n);

    if (!blocks_known(dtype)) {
        kernels->gemm(dtype, weights, rows, cols, in, out, scratch);
        return;
    }
    for (size_t r = 0; r < rows; r += part) {
        struct products some = {out->y + r, out->y_stride};

        part = rows - r < rows_at_once(cols) ? rows - r : rows_at_once(cols);
        kernels->convert(dtype, (const uint8_t *)weights + r * row_bytes, part * cols, converted);
        kernels->gemm(LWC_DTYPE_F32, converted, part, cols, in, &some, scratch);
    }
}

float kernels_exp(float x)
{
    return exp_fixed(x);
}

#define LN2 0x1.62e42fefa39efp-1

/* ln x = k ln 2 + 2 atanh((m - 1) / (m + 1)), the series up to its 23rd power. */
double kernels_log(double x)
{
    uint64_t bits;
    int exponent;
    double m, s, square, sum = 0;

    memcpy(&bits, &x, sizeof(bits));
    exponent = (int)(bits >> 52) - 1023;
    bits = (bits & 0xfffffffffffffull) | 1023ull << 52;
    memcpy(&m, &bits, sizeof(m));
    if (m > 0x1.6a09e667f3bcdp0) {
        m *= 0.5;
        exponent++;
    }
    s = (m - 1) / (m + 1);
    square = s * s;
    for (int i = 23; i >= 1; i -= 2)
        sum = sum * square + 1.0 / i;
    return exponent * LN2 + 2 * s * sum;
}

/* |x| < 700. */
static double natural_exp(double x)
{
    int k = (int)(x / LN2 + (x < 0 ? -0.5 : 0.5));
    double r = x - k * LN2, sum = 1, power;
    uint64_t bits = (uint64_t)(k + 1023) << 52;

    for (int i = 17; i >= 1; i--)
        sum = 1 + sum * r / i;
    memcpy(&power, &bits, sizeof(power));
    return sum * power;
}

/* Taylor series for |r| <= pi / 4. */
static void small_sine_cosine(double r, double *sine, double *cosine)
{
    double square = r * r, s = 1, c = 1;

    for (int i = 20; i >= 2; i -= 2) {
        s = 1 - s * square / (i * (i + 1));
        c = 1 - c * square / ((i - 1) * i);
    }
    *sine = s * r;
    *cosine = c;
}

double kernels_power(double x)
{
    if (x != x)
        return x;
    return x > 700 ? __builtin_inf() : x < -700 ? 0 : natural_exp(x);
}

double kernels_frequency(float base, size_t dim, size_t i)
{
    return natural_exp(-(2.0 * (double)i / (double)dim) * kernels_log((double)base));
}

void kernels_rotary(uint64_t position, double frequency, float *cosine, float *sine)
{
    /* pi / 2 in two parts: the first has 33 bits, so that its product with quarter is exact */
    const double first = 0x1.921fb544p+0, second = 0x1.0b4611a626331p-34;
    double angle = (double)position * frequency;
    int64_t quarter = (int64_t)(angle / (first + second) + 0.5);
    double r = (angle - (double)quarter * first) - (double)quarter * second, s, c;

    small_sine_cosine(r, &s, &c);
    switch (quarter & 3) {
    case 0:
        *cosine = (float)c, *sine = (float)s;
        break;
    case 1:
        *cosine = (float)-s, *sine = (float)c;
        break;
    case 2:
        *cosine = (float)-c, *sine = (float)-s;
        break;
    default:
        *cosine = (float)s, *sine = (float)-c;
    }
}
