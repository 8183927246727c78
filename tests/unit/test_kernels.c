/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The numeric kernels of every ISA of this CPU against a plain model of the
 * 64-lane contract, bit for bit; exp and rotary against long double.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "container/decoder.h"
#include "kernels/kernels.h"
#include "random.h"
#include "codec/cpu.h"
#include <cmocka.h> /* last: it makes a macro of fail */

#define MAX_COLS 4096
#define MAX_VECTORS 64

static float from_bits(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, 4);
    return value;
}

static uint32_t to_bits(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, 4);
    return bits;
}

static float canonical(float value)
{
    return isnan(value) ? from_bits(0x7fc00000) : value;
}

static float model_weight(enum lwc_dtype dtype, const uint8_t *w, size_t i)
{
    uint16_t half;
    uint32_t bits;

    if (dtype == LWC_DTYPE_F32) {
        memcpy(&bits, w + 4 * i, 4);
        return from_bits(bits);
    }
    memcpy(&half, w + 2 * i, 2);
    if (dtype == LWC_DTYPE_BF16)
        return from_bits((uint32_t)half << 16);
    if ((half & 0x7c00) == 0x7c00)
        return half & 0x3ff ? from_bits(0x7fc00000) : half & 0x8000 ? -INFINITY : INFINITY;
    return (half & 0x8000 ? -1.0f : 1.0f) *
           ldexpf((float)((half & 0x3ff) | (half & 0x7c00 ? 0x400 : 0)),
                  (half & 0x7c00 ? (half >> 10 & 31) : 1) - 25);
}

/* The contract, word for word. */
static float model_dot(enum lwc_dtype dtype, const uint8_t *w, const float *x, size_t count)
{
    float lane[64] = {0};

    for (size_t c = 0; c < count; c++)
        lane[c % 64] = fmaf(model_weight(dtype, w, c), x[c], lane[c % 64]);
    for (int step = 32; step >= 1; step /= 2)
        for (int i = 0; i < step; i++)
            lane[i] = lane[i] + lane[i + step];
    return canonical(lane[0]);
}

enum values { NORMAL, WILD, SUBNORMAL, ZEROES, VALUES };

static float activation(enum values values)
{
    switch (values) {
    case WILD:
        return rnd() % 50 ? from_bits((uint32_t)rnd() & 0x3fffffff) : from_bits((uint32_t)rnd());
    case SUBNORMAL:
        return from_bits((uint32_t)rnd() & 0x807fffff);
    case ZEROES:
        return rnd() & 1 ? 0.0f : -0.0f;
    default:
        return (float)(int64_t)rnd() * 0x1p-62f;
    }
}

static void weights(enum lwc_dtype dtype, enum values values, uint8_t *w, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = to_bits(activation(values));
        uint16_t half = (uint16_t)(bits >> 16);

        if (dtype == LWC_DTYPE_F16)
            half = (uint16_t)(values == SUBNORMAL ? rnd() & 0x83ff
                              : values == WILD    ? rnd()
                                                  : 0x2000 + (rnd() & 0x8fff));
        if (dtype == LWC_DTYPE_F32)
            memcpy(w + 4 * i, &bits, 4);
        else
            memcpy(w + 2 * i, &half, 2);
    }
}

/* Calls test for each kernels struct that this CPU runs. */
static void each_isa(void (*test)(const struct kernels *))
{
    unsigned int run = 0;

    for (size_t i = 0; i < kernels_count; i++)
        if (kernels_all[i]->isa & lwc_cpu_isa()) {
            test(kernels_all[i]);
            run++;
        }
    assert_true(run >= 1);
}

static void assert_same(float got, float want)
{
    assert_int_equal(to_bits(got), to_bits(want));
}

static void gemm_case(const struct kernels *k, enum lwc_dtype dtype, enum values values,
                      size_t rows, size_t cols, size_t n, bool is_packed)
{
    size_t element = dtype == LWC_DTYPE_F32 ? 4 : 2, stride = cols + 3, y_stride = rows + 5;
    uint8_t *w = malloc(rows * cols * element); /* exact: ASan sees a read past its end */
    float *x = malloc(((n - 1) * stride + cols) * 4), *y = malloc(n * y_stride * 4);
    float *packed = is_packed ? malloc(n * cols * 4) : NULL;
    size_t floats = is_packed ? k->gemm_scratch(cols, n) : 0;
    float *scratch = floats ? malloc(floats * 4) : NULL;
    struct activations in;

    weights(dtype, values, w, rows * cols);
    for (size_t i = 0; i < (n - 1) * stride + cols; i++)
        x[i] = activation(values);
    memset(y, 0x5a, n * y_stride * 4);
    in = (struct activations){.x = x, .x_stride = stride, .n = n};
    if (packed)
        k->pack(&in, cols, packed);
    in.packed = packed;
    k->gemm(dtype, w, rows, cols, &in, &(struct products){y, y_stride}, scratch);
    for (size_t t = 0; t < n; t++)
        for (size_t r = 0; r < y_stride; r++)
            if (r < rows)
                assert_same(y[t * y_stride + r],
                            model_dot(dtype, w + r * cols * element, x + t * stride, cols));
            else
                assert_int_equal(to_bits(y[t * y_stride + r]), 0x5a5a5a5a);
    free(w);
    free(x);
    free(y);
    free(packed);
    free(scratch);
}

static void gemm_cases(const struct kernels *k)
{
    static const size_t cols[] = {1, 2, 7, 8, 15, 16, 63, 64, 65, 100, 127, 288, 768, 1000, 4096};
    static const enum lwc_dtype dtypes[] = {LWC_DTYPE_BF16, LWC_DTYPE_F16, LWC_DTYPE_F32};

    for (size_t d = 0; d < 3; d++)
        for (unsigned int values = 0; values < VALUES; values++)
            for (size_t c = 0; c < sizeof(cols) / sizeof(*cols); c++)
                for (size_t n = 1; n <= 13; n += 1 + (cols[c] > 100))
                    gemm_case(k, dtypes[d], values, 3 + c % 2 * 6, cols[c], n, n < 3 || n % 4);
    gemm_case(k, LWC_DTYPE_BF16, NORMAL, 5, 288, MAX_VECTORS, true);
    /* more than a part of rows */
    gemm_case(k, LWC_DTYPE_F16, NORMAL, 71, 200, 8, true);
    /* several rows at once: more than one part of them, and some left */
    for (size_t d = 0; d < 3; d++)
        gemm_case(k, dtypes[d], NORMAL, 1201, 128, 1, false);
}

static void test_gemm(void **unused)
{
    (void)unused;
    each_isa(gemm_cases);
}

/* Enough vectors for outer products: blocks of them, and what is left; blocks of rows of all sizes.
 */
static void gemm_many_cases(const struct kernels *k)
{
    static const size_t cols[] = {1, 15, 17, 48, 63, 64, 65, 130, 200, 320};
    static const size_t counts[] = {16, 37, 48, 63, 64, 79};
    static const enum lwc_dtype dtypes[] = {LWC_DTYPE_BF16, LWC_DTYPE_F16, LWC_DTYPE_F32};

    for (size_t d = 0; d < 3; d++)
        for (unsigned int values = 0; values < VALUES; values++)
            for (size_t c = 0; c < sizeof(cols) / sizeof(*cols); c++)
                gemm_case(k, dtypes[d], values, 1 + (c + 4 * d + values) % 13, cols[c],
                          counts[(c + d + values) % 6], true);
    for (size_t rows = 1; rows <= 75; rows++)
        gemm_case(k, dtypes[rows % 3], NORMAL, rows, 64, counts[rows % 6], true);
    gemm_case(k, LWC_DTYPE_BF16, NORMAL, 9, 20000, 49, true);
}

static void test_gemm_many(void **unused)
{
    (void)unused;
    each_isa(gemm_many_cases);
}

/* The order of the tree shows only in rounding: make sure that the model sees it. */
static void test_model_is_sensitive(void **unused)
{
    float x[128], ones[128], sum = 0;
    int differs = 0;

    (void)unused;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 128; i++) {
            x[i] = activation(NORMAL);
            ones[i] = 1.0f;
        }
        sum = 0;
        for (int i = 0; i < 128; i++)
            sum += x[i];
        differs += sum != model_dot(LWC_DTYPE_F32, (uint8_t *)ones, x, 128);
    }
    assert_true(differs > 5);
}

static void convert_cases(const struct kernels *k)
{
    uint8_t *w = malloc(65536 * 2);
    float *out = malloc(65536 * 4);

    for (size_t i = 0; i < 65536; i++)
        memcpy(w + 2 * i, &(uint16_t){(uint16_t)i}, 2);
    k->convert(LWC_DTYPE_F16, w, 65536, out);
    for (size_t i = 0; i < 65536; i++)
        assert_same(canonical(out[i]), model_weight(LWC_DTYPE_F16, w, i));
    k->convert(LWC_DTYPE_BF16, w, 65536, out);
    for (size_t i = 0; i < 65536; i++)
        assert_int_equal(to_bits(out[i]), i << 16);
    for (size_t count = 0; count < 70; count++) {
        float *exact = malloc(count * 4 + 1);

        k->convert(LWC_DTYPE_F16, w + 2000, count, exact);
        for (size_t i = 0; i < count; i++)
            assert_same(exact[i], model_weight(LWC_DTYPE_F16, w + 2000, i));
        free(exact);
    }
    free(w);
    free(out);
}

static void test_convert(void **unused)
{
    (void)unused;
    each_isa(convert_cases);
}

/* Elementwise kernels and softmax: every ISA like the scalar one. */
static void like_scalar(const struct kernels *k)
{
    static const size_t counts[] = {2, 6, 48, 64, 66, 130, 288, 1000};
    const struct kernels *scalar = kernels_all[0];
    float a[1000], b[1000], c[1000], d[1000], want[1000];

    for (unsigned int values = 0; values < VALUES; values++)
        for (size_t s = 0; s < sizeof(counts) / sizeof(*counts); s++) {
            size_t n = counts[s];

            for (size_t i = 0; i < n; i++) {
                a[i] = activation(values);
                b[i] = activation(values);
                c[i] = activation(NORMAL);
            }
#define BOTH(call_want, call_got)                                                                  \
    do {                                                                                           \
        memcpy(want, a, sizeof(a));                                                                \
        memcpy(d, a, sizeof(a));                                                                   \
        call_want;                                                                                 \
        call_got;                                                                                  \
        assert_memory_equal(d, want, n * sizeof(float));                                           \
    } while (0)
            BOTH(scalar->add(want, b, n), k->add(d, b, n));
            BOTH(scalar->axpy(c[0], b, n, want), k->axpy(c[0], b, n, d));
            BOTH(scalar->silu_multiply(want, b, n), k->silu_multiply(d, b, n));
            BOTH(scalar->softmax(want, n), k->softmax(d, n));
            BOTH(scalar->rotate_half(want, c, b, n), k->rotate_half(d, c, b, n));
            BOTH(scalar->rmsnorm(a, c, n, 1e-5f, want), k->rmsnorm(a, c, n, 1e-5f, d));
            assert_same(k->dot(a, b, n), model_dot(LWC_DTYPE_F32, (uint8_t *)a, b, n));
        }
}

static void test_like_scalar(void **unused)
{
    (void)unused;
    each_isa(like_scalar);
}

/* Cached keys and values of both types, against the contract. */
static void attention_case(const struct kernels *k, enum lwc_dtype dtype, enum values values,
                           size_t positions, size_t dim)
{
    size_t element = dtype == LWC_DTYPE_F32 ? 4 : 2;
    uint8_t *cache = malloc(positions * dim * element);
    float *query = malloc(dim * 4), *out = malloc(positions * 4), *mixed = malloc(dim * 4);

    weights(dtype, values, cache, positions * dim);
    for (size_t i = 0; i < dim; i++)
        mixed[i] = query[i] = activation(values);
    k->scores(dtype, query, cache, positions, dim, 0.125f, out);
    for (size_t p = 0; p < positions; p++)
        assert_same(out[p],
                    canonical(model_dot(dtype, cache + p * dim * element, query, dim) * 0.125f));
    k->mix(dtype, out, positions, 1, cache, positions, dim, mixed);
    for (size_t i = 0; i < dim; i++) {
        float sum = query[i];

        for (size_t p = 0; p < positions; p++)
            sum = fmaf(out[p], model_weight(dtype, cache, p * dim + i), sum);
        assert_same(mixed[i], canonical(sum));
    }
    free(cache);
    free(query);
    free(out);
    free(mixed);
}

/* Many queries at once like each by itself; lines have a gap that stays as it is. */
static void attention_many_case(const struct kernels *k, enum lwc_dtype dtype, enum values values,
                                size_t positions, size_t dim, size_t n)
{
    size_t element = dtype == LWC_DTYPE_F32 ? 4 : 2, stride = positions + 3;
    uint8_t *cache = malloc(positions * dim * element);
    float *queries = malloc(n * dim * 4), *scratch = malloc(k->scores_scratch(dim, n) * 4);
    float *out = malloc(n * stride * 4), *want = malloc(stride * 4), *mixed = malloc(n * dim * 4);
    float *line = malloc(dim * 4);
    struct activations in = {.x = queries, .x_stride = dim, .n = n};

    weights(dtype, values, cache, positions * dim);
    for (size_t i = 0; i < n * dim; i++)
        mixed[i] = queries[i] = activation(values);
    memset(out, 0x5a, n * stride * 4);
    memset(want, 0x5a, stride * 4);
    k->scores_many(dtype, &in, cache, positions, dim, 0.125f, &(struct products){out, stride},
                   scratch);
    for (size_t t = 0; t < n; t++) {
        k->scores(dtype, queries + t * dim, cache, positions, dim, 0.125f, want);
        assert_memory_equal(out + t * stride, want, stride * 4);
    }
    k->mix(dtype, out, stride, n, cache, positions, dim, mixed);
    for (size_t t = 0; t < n; t++) {
        memcpy(line, queries + t * dim, dim * 4);
        k->mix(dtype, out + t * stride, stride, 1, cache, positions, dim, line);
        assert_memory_equal(mixed + t * dim, line, dim * 4);
    }
    free(cache);
    free(queries);
    free(out);
    free(want);
    free(mixed);
    free(line);
    free(scratch);
}

static void attention_cases(const struct kernels *k)
{
    static const size_t dims[] = {2, 14, 48, 64, 96, 128, 200, 256};
    static const size_t positions[] = {1, 5, 8, 16, 17, 40};

    for (size_t d = 0; d < sizeof(dims) / sizeof(*dims); d++)
        for (size_t p = 0; p < sizeof(positions) / sizeof(*positions); p++)
            for (unsigned int values = 0; values < VALUES; values++) {
                attention_case(k, LWC_DTYPE_F32, values, positions[p], dims[d]);
                attention_case(k, LWC_DTYPE_F16, values, positions[p], dims[d]);
            }
    /* more positions than values in the L1 cache */
    attention_case(k, LWC_DTYPE_F32, NORMAL, 300, 64);
    for (size_t d = 0; d < sizeof(dims) / sizeof(*dims); d++)
        for (unsigned int values = 0; values < VALUES; values++) {
            attention_many_case(k, LWC_DTYPE_F32, values, 1 + d * 13, dims[d], 64);
            attention_many_case(k, LWC_DTYPE_F16, values, 100 - d * 13, dims[d], 7 + 9 * d);
        }
}

static void test_attention(void **unused)
{
    (void)unused;
    each_isa(attention_cases);
}

static void to_f16_cases(const struct kernels *k)
{
    enum { COUNT = 1021 };
    float x[COUNT];
    uint16_t out[COUNT + 1];

    for (int round = 0; round < 300; round++) {
        for (int i = 0; i < COUNT; i++) /* all magnitudes of fp16, its ties, and everything */
            x[i] = i % 3 == 0   ? from_bits((uint32_t)rnd())
                   : i % 3 == 1 ? from_bits((uint32_t)rnd() % 0x18000000 + 0x32000000)
                                : from_bits(((uint32_t)rnd() % 0x18000000 + 0x32000000) & ~0xfffu);
        out[COUNT] = 0x5a5a;
        k->to_f16(x, COUNT, out);
        for (int i = 0; i < COUNT; i++) {
            _Float16 half = (_Float16)x[i];
            uint16_t want;

            memcpy(&want, &half, 2);
            assert_int_equal(out[i], isnan(x[i]) ? 0x7e00 : want);
        }
        assert_int_equal(out[COUNT], 0x5a5a);
    }
}

static void test_to_f16(void **unused)
{
    (void)unused;
    each_isa(to_f16_cases);
}

static void values_are_right(const struct kernels *k)
{
    float x[300], gate[300], up[300], out[300], cosines[150], sines[150];
    double sum = 0, squares = 0;

    for (int i = 0; i < 300; i++) {
        x[i] = 10 * activation(NORMAL);
        gate[i] = 8 * activation(NORMAL);
        up[i] = activation(NORMAL);
        sum += exp((double)x[i] - 10);
        squares += (double)x[i] * (double)x[i];
    }
    memcpy(out, x, sizeof(x));
    k->softmax(out, 300);
    for (int i = 0; i < 300; i++)
        assert_true(fabs(out[i] - exp((double)x[i] - 10) / sum) < 1e-6);
    k->rmsnorm(x, up, 300, 1e-5f, out);
    for (int i = 0; i < 300; i++)
        assert_true(fabs(out[i] - up[i] * x[i] / sqrt(squares / 300 + 1e-5)) < 1e-5);
    memcpy(out, gate, sizeof(gate));
    k->silu_multiply(out, up, 300);
    for (int i = 0; i < 300; i++)
        assert_true(fabs(out[i] - gate[i] / (1 + exp(-(double)gate[i])) * up[i]) < 1e-5);
    for (int i = 0; i < 150; i++) {
        cosines[i] = cosf((float)i);
        sines[i] = sinf((float)i);
    }
    memcpy(out, x, sizeof(x));
    k->rotate_half(out, cosines, sines, 300);
    for (int i = 0; i < 150; i++) {
        assert_true(fabsf(out[i] - (x[i] * cosines[i] - x[i + 150] * sines[i])) < 1e-5f);
        assert_true(fabsf(out[i + 150] - (x[i + 150] * cosines[i] + x[i] * sines[i])) < 1e-5f);
    }
}

static void test_values(void **unused)
{
    (void)unused;
    each_isa(values_are_right);
}

static void test_exp(void **unused)
{
    double worst = 0;

    (void)unused;
    for (int i = 0; i < 400000; i++) {
        float x = (float)(i - 200000) * (87.0f / 200000.0f);
        long double want = expl((long double)x);
        double ulp =
            (double)(fabsl((long double)kernels_exp(x) - want) / ldexpl(1, ilogbl(want) - 23));

        worst = ulp > worst ? ulp : worst;
    }
    assert_true(worst < 1.5);
    assert_same(kernels_exp(0.0f), 1.0f);
    assert_same(kernels_exp(-0.0f), 1.0f);
    assert_same(kernels_exp(INFINITY), INFINITY);
    assert_same(kernels_exp(-INFINITY), 0.0f);
    assert_same(kernels_exp(-200.0f), 0.0f);
    assert_true(kernels_exp(-100.0f) > 0 && kernels_exp(-100.0f) < 0x1p-126f);
    assert_true(isnan(kernels_exp(NAN)));
}

static void test_rotary(void **unused)
{
    static const uint64_t positions[] = {0, 1, 2, 3, 100, 4095, 131071, 1000000};
    static const float bases[] = {10000.0f, 500000.0f, 1000000.0f};
    const long double tau = 6.283185307179586476925286766559L;

    (void)unused;
    for (size_t p = 0; p < sizeof(positions) / sizeof(*positions); p++)
        for (size_t b = 0; b < 3; b++)
            for (size_t i = 0; i < 64; i++) {
                long double angle = (long double)positions[p] *
                                    powl((long double)bases[b], -2.0L * (long double)i / 128.0L);
                float c, s;

                kernels_rotary(positions[p], kernels_frequency(bases[b], 128, i), &c, &s);
                angle = fmodl(angle, tau);
                assert_true(fabsl((long double)c - cosl(angle)) < 0x1p-24L);
                assert_true(fabsl((long double)s - sinl(angle)) < 0x1p-24L);
            }
}

static void test_enter_leave(void **unused)
{
    uint32_t before = __builtin_ia32_stmxcsr(), odd = before | 0x8040; /* flush to zero */

    (void)unused;
    __builtin_ia32_ldmxcsr(odd);
    assert_int_equal(kernels_enter(), odd);
    assert_int_equal(__builtin_ia32_stmxcsr() & ~0x3fu, 0x1f80);
    kernels_leave(odd);
    assert_int_equal(__builtin_ia32_stmxcsr(), odd);
    __builtin_ia32_ldmxcsr(before);
    assert_ptr_equal(kernels_select(0), kernels_all[0]);
    assert_ptr_equal(kernels_select(LWC_ISA_SCALAR | LWC_ISA_BMI2), kernels_all[0]);
    assert_string_equal(kernels_select(LWC_ISA_ALL)->name, "avx512");
    assert_string_equal(kernels_select(LWC_ISA_AVX2)->name, "avx2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gemm),
        cmocka_unit_test(test_gemm_many),
        cmocka_unit_test(test_model_is_sensitive),
        cmocka_unit_test(test_convert),
        cmocka_unit_test(test_like_scalar),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_exp),
        cmocka_unit_test(test_attention),
        cmocka_unit_test(test_to_f16),
        cmocka_unit_test(test_rotary),
        cmocka_unit_test(test_enter_leave),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
