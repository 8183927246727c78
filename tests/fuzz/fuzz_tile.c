/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libFuzzer target: every tile decoder on arbitrary bytes. All implementations
 * that the CPU runs must agree on the error, and on the bytes when there is
 * none.
 *
 * Input: one byte each for codec, inner codec, param and field, two for the length in
 * units of two bytes less one, the rest are the stored bytes.
 */
#include "container/decoder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct decoder decoder;
static u8 *expected, *got;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct failure failure;

    (void)argc;
    (void)argv;
    expected = malloc(LWC_TILE_MAX);
    got = malloc(LWC_TILE_MAX);
    if (!expected || !got || decoder_init(&decoder, 0, &failure) < 0)
        abort();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const u32 cpu = decoder_cpu_isa();
    enum lwc_error first = LWC_OK;
    struct lwc_tile entry = {0};
    u8 *stored;
    size_t length;

    if (size < 6)
        return 0;
    entry.chain[0] = data[0] % LWC_CODECS;
    entry.chain[1] = data[1] % LWC_CODECS;
    entry.param = data[2];
    entry.field = data[3];
    length = 2 * ((data[4] | (size_t)data[5] << 8) + 1);
    /* an exact allocation, so that the sanitizer sees each byte beyond it */
    stored = malloc(size - 6);
    if (!stored)
        return 0;
    memcpy(stored, data + 6, size - 6);
    for (unsigned int i = 0; i < lwc_impl_count; i++) {
        const struct lwc_impl *impl = lwc_impls[i];
        enum lwc_error error;

        if ((impl->isa & cpu) != impl->isa)
            continue;
        error = lwc_tile_decode(impl, &entry, stored, size - 6, i ? got : expected, length,
                                &decoder.scratch);
        if (i == 0) {
            first = error;
        } else if (error != first || (!error && memcmp(expected, got, length) != 0)) {
            fprintf(stderr, "%s differs from %s: error %d, not %d\n", impl->name,
                    lwc_impls[0]->name, error, first);
            abort();
        }
    }
    free(stored);
    return 0;
}
