/* SPDX-License-Identifier: BSD-3-Clause */
#include "encode/levels_pack.h"

#include <string.h>

#include "encode/elements.h"
#include "kmod/codec/codec.h"
#include "kmod/codec/cpu.h"

/* Codes that are kept at a time: as much as stays in L1 from symbol to symbol; a multiple of 8. */
#define CHUNK 4096

/* Four tables: equal neighbours do not wait for each other's store. */
void packer_count_scalar(const uint8_t *symbols, uint32_t count, uint32_t counts[256])
{
    uint32_t part[4][256] = {{0}}, i = 0;

    for (; i + 8 <= count; i += 8) {
        uint64_t eight;

        memcpy(&eight, symbols + i, 8);
#pragma GCC unroll 8
        for (unsigned int k = 0; k < 8; k++)
            part[k % 4][eight >> (8 * k) & 255]++;
    }
    for (; i < count; i++)
        part[0][symbols[i]]++;
    for (uint32_t s = 0; s < 256; s++)
        counts[s] = part[0][s] + part[1][s] + part[2][s] + part[3][s];
}

uint32_t packer_rank(const uint32_t counts[256], uint8_t *ranked, uint32_t most)
{
    uint32_t used = 0;

    for (uint32_t s = 0; s < 256; s++) {
        uint32_t at = used;

        if (!counts[s])
            continue;
        if (used < most)
            used++;
        else if (counts[ranked[--at]] >= counts[s])
            continue;
        for (; at > 0 && counts[ranked[at - 1]] < counts[s]; at--)
            ranked[at] = ranked[at - 1];
        ranked[at] = (uint8_t)s;
    }
    return used;
}

/* Eight codes, one a byte, next to each other. */
INLINE uint64_t squeeze(uint64_t codes, uint32_t width)
{
    const uint64_t bytes = 0x00ff00ff00ff00ffull, words = 0x0000ffff0000ffffull;
    uint64_t pairs = (codes & bytes) | (codes >> 8 & bytes) << width;
    uint64_t fours = (pairs & words) | (pairs >> 16 & words) << (2 * width);

    return (fours & 0xffffffffull) | (fours >> 32) << (4 * width);
}

void packer_codes_scalar(const uint8_t *codes, uint32_t count, uint32_t width, uint8_t *out)
{
    uint32_t i = 0;
    uint64_t eight;

    /* whole words, as long as what they overwrite comes later */
    for (; i + 72 <= count; i += 8, out += width) {
        memcpy(&eight, codes + i, 8);
        eight = squeeze(eight, width);
        memcpy(out, &eight, 8);
    }
    for (; i < count; i += 8, out += width) {
        uint32_t n = count - i < 8 ? count - i : 8;

        eight = 0;
        memcpy(&eight, codes + i, n);
        eight = squeeze(eight, width);
        memcpy(out, &eight, lwc_stream_bytes(n, width));
    }
}

/* Codes of count symbols: the place in symbol[0 .. known - 1], else ones. */
__attribute__((optimize("O3"))) static void code_symbols(const uint8_t *restrict symbols,
                                                         uint32_t count, const uint8_t *symbol,
                                                         uint32_t known, uint8_t ones,
                                                         uint8_t *restrict codes)
{
    memset(codes, ones, count);
    for (uint32_t c = 0; c < known; c++) {
        uint8_t wanted = symbol[c];

        for (uint32_t i = 0; i < count; i++)
            codes[i] = symbols[i] == wanted ? (uint8_t)c : codes[i];
    }
}

uint32_t packer_level_scalar(uint8_t *symbols, uint32_t count, const uint8_t *symbol,
                             uint32_t known, uint32_t width, uint8_t *out)
{
    uint8_t ones = (uint8_t)((1u << width) - 1), codes[CHUNK];
    uint32_t on = 0, n;

    for (uint32_t first = 0; first < count; first += n, out += CHUNK / 8 * width) {
        n = count - first < CHUNK ? count - first : CHUNK;
        code_symbols(symbols + first, n, symbol, known, ones, codes);
        packer_codes_scalar(codes, n, width, out);
        for (uint32_t i = 0; i < n; i++) {
            symbols[on] = symbols[first + i];
            on += codes[i] == ones;
        }
    }
    return on;
}

static const struct levels_packer scalar = {"scalar", LWC_ISA_SCALAR, packer_count_scalar,
                                            packer_codes_scalar, packer_level_scalar};
static const struct levels_packer avx2 = {"avx2", LWC_ISA_AVX2, packer_count_avx2,
                                          packer_codes_avx2, packer_level_avx2};
static const struct levels_packer avx512 = {"avx512", LWC_ISA_AVX512, packer_count_avx2,
                                            packer_codes_avx512, packer_level_avx512};

const struct levels_packer *const levels_packers[] = {&scalar, &avx2, &avx512};
const unsigned int levels_packer_count = sizeof(levels_packers) / sizeof(levels_packers[0]);

const struct levels_packer *levels_packer_select(void)
{
    unsigned int i = levels_packer_count;

    while (--i)
        if (levels_packers[i]->isa & lwc_cpu_isa())
            break;
    return levels_packers[i];
}
