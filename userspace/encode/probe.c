/* SPDX-License-Identifier: BSD-3-Clause */
#include "encode/probe.h"

#include <math.h>
#include <string.h>

/* So many runs of so many bytes make a sample. */
#define RUNS 256
#define RUN 32

double probe_entropy(const uint8_t *bytes, size_t count, unsigned int bits)
{
    uint32_t part[2][256] = {{0}}, n = 0, values = 1u << bits, present = 0;
    size_t step = count / RUNS > RUN ? count / RUNS : RUN;
    double entropy = 0;

    for (size_t at = 0; at + RUN <= count; at += step, n += RUN)
        for (unsigned int i = 0; i < RUN; i += 2) {
            part[0][bytes[at + i]]++;
            part[1][bytes[at + i + 1]]++;
        }
    if (!n)
        return bits;
    for (uint32_t v = 0; v < values; v++) {
        uint32_t total = part[0][v] + part[1][v];

        present += total != 0;
        if (total)
            entropy += total * log2((double)n / total);
    }
    /* a sample sees too little variety: the correction of Miller and Madow */
    return entropy / n + (present - 1) / (2.0 * n * 0.6931471805599453);
}

#define SLOTS 8192 /* more than twice the blocks of the largest tile */
#define BLOCK 32

unsigned int probe_repeats(const uint8_t *symbols, size_t count)
{
    uint32_t slots[SLOTS] = {0}, repeats = 0, blocks = 0;

    for (size_t at = 0; at + BLOCK <= count; at += BLOCK, blocks++) {
        uint64_t low, high, hash;
        uint32_t check, *slot;

        memcpy(&low, symbols + at, 8);
        memcpy(&high, symbols + at + 8, 8);
        hash = (low * 0x9e3779b97f4a7c15ull ^ high) * 0xc2b2ae3d27d4eb4full;
        check = (uint32_t)hash | 1;
        slot = &slots[(hash >> 48) % SLOTS];
        /* one symbol throughout, as padding has, is cheap for any code */
        if (low == high && low == (low >> 8 | low << 56))
            continue;
        repeats += *slot == check;
        *slot = check;
    }
    return blocks ? repeats * 100 / blocks : 0;
}
