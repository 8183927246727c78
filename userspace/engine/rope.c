/* SPDX-License-Identifier: BSD-3-Clause */
#include "rope.h"
#include "kernels/kernels.h"

#define TURN 6.283185307179586476925

static double clamp(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

/* Of Llama 3.1: wavelengths beyond the original context are stretched, short ones are not. */
static double llama3(const struct rope *rope, double frequency)
{
    double turns = (double)rope->original_context * frequency / TURN;
    double low = (double)rope->low_factor, high = (double)rope->high_factor, kept;

    kept = clamp((turns - low) / (high - low), 0, 1);
    return (1 - kept) * frequency / (double)rope->factor + kept * frequency;
}

/* The pair, as a fraction, that makes so many turns within the original context. */
static double pair_of_turns(const struct rope *rope, uint32_t dim, double turns)
{
    return (double)dim * kernels_log((double)rope->original_context / (turns * TURN)) /
           (2 * kernels_log((double)rope->base));
}

static double yarn(const struct rope *rope, uint32_t dim, uint32_t pair, double frequency)
{
    double low = pair_of_turns(rope, dim, (double)rope->beta_fast);
    double high = pair_of_turns(rope, dim, (double)rope->beta_slow), stretched;

    if (rope->truncate) {
        low = __builtin_floor(low);
        high = __builtin_ceil(high);
    }
    low = low < 0 ? 0 : low;
    high = high > dim - 1 ? dim - 1 : high;
    if (high == low)
        high += 0.001;
    stretched = clamp((pair - low) / (high - low), 0, 1);
    return frequency / (double)rope->factor * stretched + frequency * (1 - stretched);
}

static double yarn_mscale(const struct rope *rope, double mscale)
{
    return rope->factor <= 1 ? 1 : 0.1 * mscale * kernels_log((double)rope->factor) + 1;
}

static float yarn_scale(const struct rope *rope)
{
    if (rope->attention_factor != 0)
        return rope->attention_factor;
    if (rope->mscale != 0 && rope->mscale_all_dim != 0)
        return (float)(yarn_mscale(rope, (double)rope->mscale) /
                       yarn_mscale(rope, (double)rope->mscale_all_dim));
    return (float)yarn_mscale(rope, 1);
}

float rope_frequencies(const struct model_config *config, const float *divisors,
                       double *frequencies)
{
    const struct rope *rope = &config->rope;

    for (uint32_t i = 0; i < config->head_dim / 2; i++) {
        double frequency = kernels_frequency(rope->base, config->head_dim, i);

        if (divisors)
            frequency /= (double)divisors[i];
        switch (rope->kind) {
        case ROPE_LINEAR:
            frequency /= (double)rope->factor;
            break;
        case ROPE_LLAMA3:
            frequency = llama3(rope, frequency);
            break;
        case ROPE_YARN:
            frequency = yarn(rope, config->head_dim, i, frequency);
            break;
        case ROPE_DEFAULT:
            break;
        }
        frequencies[i] = frequency;
    }
    return rope->kind == ROPE_YARN ? yarn_scale(rope) : 1;
}
