/* SPDX-License-Identifier: BSD-3-Clause */
/* What tests of codecs share: random bits, and one verdict of all implementations of this CPU. */
#ifndef TESTS_CODEC_CHECKS_H
#define TESTS_CODEC_CHECKS_H

#include <stdarg.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec/cpu.h"
#include "container/decoder.h"
#include "encode/encode.h"
#include "random.h"
#include <cmocka.h> /* last: it makes a macro of fail */

static inline struct lwc_scratch scratch_new(void)
{
    struct lwc_scratch scratch = {.zstd_len = lwc_zstd_workspace()};

    scratch.tile = malloc(LWC_SCRATCH_TILE);
    scratch.zstd = malloc(scratch.zstd_len);
    return scratch;
}

/* Decode with every implementation: one verdict, and the bytes of want if it is good. */
static inline enum lwc_error verdict(const struct lwc_tile *entry, const uint8_t *stored,
                                     size_t size, const uint8_t *want, size_t length,
                                     struct lwc_scratch *scratch)
{
    uint8_t *exact = malloc(size ? size : 1), *out = malloc(length + 1);
    enum lwc_error first = LWC_OK;

    memcpy(exact, stored, size);
    for (unsigned int i = 0; i < lwc_impl_count; i++) {
        uint8_t *output;
        enum lwc_error error;

        if (!(lwc_impls[i]->isa & lwc_cpu_isa()))
            continue;
        output = malloc(length ? length : 1); /* ASan sees a read or write past its end */
        error = lwc_tile_decode(lwc_impls[i], entry, exact, size, output, length, scratch);
        if (!i) {
            first = error;
            memcpy(out, want ? want : output, length);
        }
        assert_int_equal(error, first);
        if (!error)
            assert_memory_equal(output, out, length);
        free(output);
    }
    free(exact);
    free(out);
    return first;
}

/*
 * One bit of the tile flipped, in half of the rounds among the first bytes, and
 * in a quarter a cut: how many of a hundred are refused, by all alike.
 */
static inline unsigned int damage(const struct encoded_tile *tile, size_t first, size_t length,
                                  struct lwc_scratch *scratch)
{
    unsigned int refused = 0;

    for (unsigned int i = 0; i < 100; i++) {
        size_t cut = i % 4 ? tile->size : rnd() % tile->size;
        size_t at = (i % 2 ? rnd() % first : rnd()) % tile->size;

        tile->data[at] ^= (uint8_t)(1u << i % 8);
        refused += verdict(&tile->entry, tile->data, cut, NULL, length, scratch) != LWC_OK;
        tile->data[at] ^= (uint8_t)(1u << i % 8);
    }
    return refused;
}

#endif
