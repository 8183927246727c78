/* SPDX-License-Identifier: BSD-3-Clause */
/* The sampler against softmax and cutoffs computed the plain way. */
#include "random.h"
#include "codec/cpu.h"
#include "engine/sampler.h"

#include <immintrin.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the ones above first */
#include <cmocka.h>

#define VOCABULARY_MAX 4096u
/* Up to infinity; what is subnormal is zero. */
#define OTHER_MXCSR (_MM_MASK_MASK | _MM_ROUND_UP | _MM_FLUSH_ZERO_ON | 0x0040u)

static float noise(void)
{
    return (float)(rnd() >> 40) / (float)(1 << 24);
}

static struct sampler *sampler_of(const struct kernels *kernels, uint32_t vocabulary,
                                  struct sampler_options options)
{
    struct failure failure;
    struct sampler *sampler = sampler_new(&options, kernels, vocabulary, &failure);

    assert_non_null(sampler);
    return sampler;
}

static bool runs_here(const struct kernels *kernels)
{
    return (kernels->isa & ~lwc_cpu_isa()) == 0;
}

static uint32_t one_token(const struct kernels *kernels, const float *logits, uint32_t vocabulary,
                          struct sampler_options options)
{
    struct sampler *sampler = sampler_of(kernels, vocabulary, options);
    uint32_t token = sampler_next(sampler, logits);

    sampler_free(sampler);
    return token;
}

struct share {
    double share;
    uint32_t token;
};

static int order(const void *left, const void *right)
{
    const struct share *a = left, *b = right;

    if (a->share != b->share)
        return a->share > b->share ? -1 : 1;
    return a->token < b->token ? -1 : 1;
}

/* How likely each token is; 0 of those that are cut off. */
static void expect(const float *logits, uint32_t count, const struct sampler_options *options,
                   double *shares)
{
    struct share *sorted = calloc(count, sizeof(*sorted));
    uint32_t kept = options->top_k && options->top_k < count ? options->top_k : count;
    double max = -INFINITY, all = 0, sum = 0;

    assert_non_null(sorted);
    for (uint32_t i = 0; i < count; i++)
        max = fmax(max, (double)logits[i]);
    for (uint32_t i = 0; i < count; i++)
        sorted[i] =
            (struct share){exp(((double)logits[i] - max) / (double)options->temperature), i};
    qsort(sorted, count, sizeof(*sorted), order);
    for (uint32_t i = 0; i < kept; i++)
        all += sorted[i].share;
    for (uint32_t i = 0; i < kept; i++) {
        if (i && options->top_p < 1 && sum >= (double)options->top_p * all)
            kept = i;
        else
            sum += sorted[i].share;
    }
    memset(shares, 0, count * sizeof(*shares));
    for (uint32_t i = 0; i < kept; i++)
        shares[sorted[i].token] = sorted[i].share / sum;
    free(sorted);
}

/* Many draws are spread as expected: chi-square, within six deviations of what chance makes. */
static void check_spread(const float *logits, uint32_t count, struct sampler_options options)
{
    enum { DRAWS = 40000 };
    static uint32_t drawn[VOCABULARY_MAX];
    static double shares[VOCABULARY_MAX];
    const struct kernels *kernels = kernels_select(lwc_cpu_isa());
    struct sampler *sampler = sampler_of(kernels, count, options);
    double square = 0, rest = 0, rest_drawn = 0, freedom = -1;

    expect(logits, count, &options, shares);
    memset(drawn, 0, sizeof(drawn));
    for (uint32_t i = 0; i < DRAWS; i++) {
        uint32_t token = sampler_next(sampler, logits);

        assert_true(token < count);
        drawn[token]++;
    }
    sampler_free(sampler);
    for (uint32_t i = 0; i < count; i++) {
        double expected = shares[i] * DRAWS;

        if (shares[i] == 0)
            assert_int_equal(drawn[i], 0);
        if (expected < 8) {
            rest += expected;
            rest_drawn += drawn[i];
            continue;
        }
        square += (drawn[i] - expected) * (drawn[i] - expected) / expected;
        freedom++;
    }
    if (rest >= 8) {
        square += (rest_drawn - rest) * (rest_drawn - rest) / rest;
        freedom++;
    }
    if (square > freedom + 6 * sqrt(2 * fmax(freedom, 1)))
        fail_msg("chi-square %g of %g degrees: vocabulary %u, temperature %g, top_k %u, top_p %g",
                 square, freedom, count, (double)options.temperature, options.top_k,
                 (double)options.top_p);
}

static void draw_logits(float *logits, uint32_t count, float width)
{
    for (uint32_t i = 0; i < count; i++)
        logits[i] = width * (noise() - 0.5f);
}

static void test_spread(void **state)
{
    static float logits[VOCABULARY_MAX];

    (void)state;
    for (uint32_t count = 1; count <= 300; count = count * 3 + 1) {
        draw_logits(logits, count, 6);
        for (int i = 0; i < 3; i++)
            check_spread(logits, count,
                         (struct sampler_options){(float[]){0.5f, 1, 2.5f}[i], 0, 1, rnd()});
    }
}

static void test_cutoffs(void **state)
{
    static float logits[VOCABULARY_MAX];

    (void)state;
    for (int round = 0; round < 30; round++) {
        uint32_t count = 2 + (uint32_t)(rnd() % 200);
        struct sampler_options options = {0.4f + noise(), 0, 1, rnd()};

        draw_logits(logits, count, 8);
        if (round % 3 != 0)
            options.top_k = 1 + (uint32_t)(rnd() % (count + 3));
        if (round % 3 != 1)
            options.top_p = noise();
        check_spread(logits, count, options);
    }
    draw_logits(logits, 50, 4);
    check_spread(logits, 50, (struct sampler_options){1, 0, 0, 1});
    check_spread(logits, 50, (struct sampler_options){1, 0, 1e-9f, 1});
    check_spread(logits, 50, (struct sampler_options){1, 50, 0.999f, 1});
    check_spread(logits, 50, (struct sampler_options){1, 0xffffffff, 1, 1});
}

/* Of equally likely tokens the first are kept. */
static void test_equal(void **state)
{
    static float logits[VOCABULARY_MAX];

    (void)state;
    for (uint32_t i = 0; i < 100; i++)
        logits[i] = i % 10 == 3 ? 2 : 1;
    check_spread(logits, 100, (struct sampler_options){1, 7, 1, 5});
    check_spread(logits, 100, (struct sampler_options){1, 17, 1, 5});
    check_spread(logits, 100, (struct sampler_options){1, 0, 0.05f, 5});
    assert_int_equal(one_token(kernels_all[0], logits, 100, (struct sampler_options){0, 0, 1, 9}),
                     3);
}

static void test_greedy(void **state)
{
    static float logits[VOCABULARY_MAX];

    (void)state;
    for (int round = 0; round < 200; round++) {
        uint32_t count = 1 + (uint32_t)(rnd() % 300), best = 0;

        draw_logits(logits, count, 10);
        logits[rnd() % count] = logits[rnd() % count];
        for (uint32_t i = 1; i < count; i++)
            best = logits[i] > logits[best] ? i : best;
        for (size_t k = 0; k < kernels_count; k++) {
            if (!runs_here(kernels_all[k]))
                continue;
            assert_int_equal(
                one_token(kernels_all[k], logits, count, (struct sampler_options){0, 0, 1, rnd()}),
                best);
            assert_int_equal(one_token(kernels_all[k], logits, count,
                                       (struct sampler_options){0.7f, 1, 1, rnd()}),
                             best);
        }
    }
}

/* The same seed, the same tokens, whatever the ISA and the caller's MXCSR. */
static void test_reproducible(void **state)
{
    enum { TOKENS = 60 };
    static float logits[VOCABULARY_MAX], copy[VOCABULARY_MAX];
    uint32_t want[TOKENS], others = 0;

    (void)state;
    for (uint32_t round = 0; round < 12; round++) {
        uint32_t count = 100 + (uint32_t)(rnd() % 900);
        struct sampler_options options = {1, round % 3 * 40, round % 2 ? 0.9f : 1, round};

        draw_logits(logits, count, 5);
        memcpy(copy, logits, sizeof(copy));
        for (size_t k = 0; k < 2 * kernels_count; k++) {
            struct sampler *sampler;

            if (!runs_here(kernels_all[k / 2]))
                continue;
            sampler = sampler_of(kernels_all[k / 2], count, options);
            for (uint32_t i = 0; i < TOKENS; i++) {
                uint32_t mxcsr = k % 2 ? OTHER_MXCSR : _MM_MASK_MASK, after, token;

                _mm_setcsr(mxcsr);
                token = sampler_next(sampler, logits);
                after = _mm_getcsr() & ~_MM_EXCEPT_MASK;
                _mm_setcsr(_MM_MASK_MASK);
                assert_int_equal(after, mxcsr);
                if (k == 0)
                    want[i] = token;
                assert_int_equal(token, want[i]);
            }
            sampler_free(sampler);
        }
        assert_memory_equal(copy, logits, sizeof(copy));
        options.seed += 1000;
        for (uint32_t i = 0; i < 3; i++)
            others += one_token(kernels_all[0], logits, count, options) != want[0];
    }
    assert_true(others > 18);
}

/* What is subnormal is more than zero, also to a caller that flushes it. */
static void test_greedy_subnormal(void **state)
{
    const float logits[] = {-1, 0, 1e-40f, 2e-40f, 1e-41f};
    uint32_t token;

    (void)state;
    _mm_setcsr(OTHER_MXCSR);
    token = one_token(kernels_all[0], logits, 5, (struct sampler_options){0, 0, 1, 0});
    _mm_setcsr(_MM_MASK_MASK);
    assert_int_equal(token, 3);
}

/* Nothing but a token comes of logits that are no numbers; -inf is never drawn where a number is.
 */
static void test_strange(void **state)
{
    static const float strange[] = {NAN, -NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 0};
    static float logits[VOCABULARY_MAX];
    const size_t kinds = sizeof(strange) / sizeof(strange[0]);

    (void)state;
    for (uint32_t round = 0; round < 600; round++) {
        uint32_t count = 1 + (uint32_t)(rnd() % 400), number;
        struct sampler_options options = {round % 5 ? noise() * 2 : 1e-30f,
                                          round % 3 ? (uint32_t)(rnd() % (count + 2)) : 0,
                                          round % 2 ? noise() : 1, rnd()};

        draw_logits(logits, count, 10);
        for (uint32_t i = 0; i < count; i++)
            if (round % 4 == 0 || rnd() % 8 == 0)
                logits[i] = strange[round % 4 == 0 ? round / 4 % kinds : rnd() % kinds];
        for (size_t k = 0; k < kernels_count; k++)
            if (runs_here(kernels_all[k]))
                assert_true(one_token(kernels_all[k], logits, count, options) < count);
        number = (uint32_t)(rnd() % count);
        for (uint32_t i = 0; i < count; i++)
            logits[i] = i == number ? -50 : -INFINITY;
        assert_int_equal(one_token(kernels_all[0], logits, count, options), number);
        options.temperature = 0;
        assert_int_equal(one_token(kernels_all[0], logits, count, options), number);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spread),       cmocka_unit_test(test_cutoffs),
        cmocka_unit_test(test_equal),        cmocka_unit_test(test_greedy),
        cmocka_unit_test(test_reproducible), cmocka_unit_test(test_greedy_subnormal),
        cmocka_unit_test(test_strange),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
