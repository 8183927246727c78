/* SPDX-License-Identifier: BSD-3-Clause */
#include "sampler.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct choice {
    float share;
    uint32_t token;
};

struct sampler {
    struct sampler_options options;
    const struct kernels *kernels;
    float *shares;
    struct choice *choices;
    uint32_t vocabulary;
    uint64_t state;
};

struct sampler *sampler_new(const struct sampler_options *options, const struct kernels *kernels,
                            uint32_t vocabulary, struct failure *failure)
{
    struct sampler *sampler = calloc(1, sizeof(*sampler));

    if (sampler) {
        *sampler = (struct sampler){.options = *options,
                                    .kernels = kernels,
                                    .vocabulary = vocabulary,
                                    .state = options->seed};
        sampler->shares = calloc(vocabulary, sizeof(*sampler->shares));
        sampler->choices = calloc(vocabulary, sizeof(*sampler->choices));
        if (sampler->shares && sampler->choices)
            return sampler;
    }
    sampler_free(sampler);
    fail(failure, "out of memory for sampling");
    return NULL;
}

void sampler_free(struct sampler *sampler)
{
    if (!sampler)
        return;
    free(sampler->shares);
    free(sampler->choices);
    free(sampler);
}

/* SplitMix64 (Steele, Lea, Flood, 2014), as a number of [0, 1) with 53 bits. */
static double uniform(struct sampler *sampler)
{
    uint64_t z = sampler->state += 0x9e3779b97f4a7c15ull;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

static uint32_t most_likely(const float *logits, uint32_t count)
{
    uint32_t best = 0;

    for (uint32_t i = 1; i < count; i++)
        if (logits[i] > logits[best])
            best = i;
    return best;
}

static int by_share(const void *left, const void *right)
{
    const struct choice *a = left, *b = right;

    if (a->share != b->share)
        return a->share > b->share ? -1 : 1;
    return a->token < b->token ? -1 : 1;
}

/* A share that at least count tokens reach, near that of the last of them: by upper bits. */
static float share_of_rank(const float *shares, uint32_t vocabulary, uint32_t count)
{
    enum { SHIFT = 18 }; /* sign, exponent, five bits of the mantissa */
    uint32_t counts[1u << (32 - SHIFT)] = {0}, bits, bin = 1u << (31 - SHIFT), reached = 0;
    float share;

    for (uint32_t i = 0; i < vocabulary; i++) {
        memcpy(&bits, &shares[i], sizeof(bits));
        counts[bits >> SHIFT]++;
    }
    while (bin && reached < count)
        reached += counts[--bin];
    bits = bin << SHIFT;
    memcpy(&share, &bits, sizeof(share));
    return share;
}

/* Whether top_k leaves tokens out. */
static bool limits(const struct sampler *sampler)
{
    return sampler->options.top_k && sampler->options.top_k < sampler->vocabulary;
}

/*
 * The tokens to choose from, count of them, the most likely first where that
 * matters. Of top_p, a token below the cutoff cannot be one: all such tokens
 * together have less than 1 - top_p, so the others reach top_p without them.
 */
static uint32_t list_choices(struct sampler *sampler)
{
    const struct sampler_options *options = &sampler->options;
    uint32_t count = sampler->vocabulary, listed = 0;
    bool some = limits(sampler);
    float cutoff = 0;

    if (some)
        cutoff = share_of_rank(sampler->shares, count, options->top_k);
    else if (options->top_p < 1)
        cutoff = 0.5f * (1 - options->top_p) / (float)count;
    for (uint32_t i = 0; i < count; i++)
        if (!(sampler->shares[i] < cutoff))
            sampler->choices[listed++] = (struct choice){sampler->shares[i], i};
    if (some || options->top_p < 1)
        qsort(sampler->choices, listed, sizeof(*sampler->choices), by_share);
    return some && options->top_k < listed ? options->top_k : listed;
}

static uint32_t sample(struct sampler *sampler, const float *logits)
{
    uint32_t count, kept = 0;
    double sum = 0, all = 0, point;

    for (uint32_t i = 0; i < sampler->vocabulary; i++)
        sampler->shares[i] = logits[i] / sampler->options.temperature;
    sampler->kernels->softmax(sampler->shares, sampler->vocabulary);
    count = list_choices(sampler);
    /* top_p is a share of what top_k leaves: without it, also of tokens that are not listed */
    for (uint32_t i = 0; i < (limits(sampler) ? count : sampler->vocabulary); i++)
        all += (double)(limits(sampler) ? sampler->choices[i].share : sampler->shares[i]);
    do
        sum += (double)sampler->choices[kept++].share;
    while (kept < count &&
           (sampler->options.top_p == 1 || sum < (double)sampler->options.top_p * all));
    point = uniform(sampler) * sum;
    for (uint32_t i = 0; i < kept; i++) {
        point -= (double)sampler->choices[i].share;
        if (point < 0)
            return sampler->choices[i].token;
    }
    return sampler->choices[kept - 1].token;
}

uint32_t sampler_next(struct sampler *sampler, const float *logits)
{
    uint32_t mxcsr = kernels_enter(), token;

    if (sampler->options.temperature > 0)
        token = sample(sampler, logits);
    else
        token = most_likely(logits, sampler->vocabulary);
    kernels_leave(mxcsr);
    return token;
}
