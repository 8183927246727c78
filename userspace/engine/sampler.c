/* SPDX-License-Identifier: BSD-3-Clause */
#include "sampler.h"

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

uint32_t sampler_next(struct sampler *sampler, const float *logits)
{
    uint32_t count = sampler->vocabulary, kept = 0;
    uint32_t mxcsr;
    double sum = 0, point;

    if (!(sampler->options.temperature > 0))
        return most_likely(logits, count);
    mxcsr = kernels_enter();
    for (uint32_t i = 0; i < count; i++)
        sampler->shares[i] = logits[i] / sampler->options.temperature;
    sampler->kernels->softmax(sampler->shares, count);
    for (uint32_t i = 0; i < count; i++)
        sampler->choices[i] = (struct choice){sampler->shares[i], i};
    if (sampler->options.top_p < 1)
        qsort(sampler->choices, count, sizeof(*sampler->choices), by_share);
    do
        sum += (double)sampler->choices[kept++].share;
    while (kept < count && sum < (double)sampler->options.top_p);
    point = uniform(sampler) * sum;
    for (uint32_t i = 0; i < kept; i++) {
        point -= (double)sampler->choices[i].share;
        if (point < 0) {
            kernels_leave(mxcsr);
            return sampler->choices[i].token;
        }
    }
    kernels_leave(mxcsr);
    return sampler->choices[kept - 1].token;
}
