/* SPDX-License-Identifier: BSD-3-Clause */
#include "favor.h"
#include "container/decoder.h"
#include "codec/cpu.h"

#include <string.h>

#define SET(structure) (1u << LWC_STRUCTURE_##structure)

/* speed: on a CPU without AVX-512 only (4,1) has a fast decoder. */
static uint32_t speed_set(void)
{
    return lwc_cpu_isa() & LWC_ISA_AVX512 ? SET(3222) : SET(41);
}

int favor_parse(const char *text, struct encode_policy *policy)
{
    if (strcmp(text, "balanced") == 0)
        *policy = (struct encode_policy){
            .structures = SET(2222) | SET(111112), .zstd_level = 3, .slow_gain = 10};
    else if (strcmp(text, "size") == 0)
        *policy = (struct encode_policy){
            .structures = SET(2222) | SET(111112) | SET(211222), .zstd_level = 15, .try_all = true};
    else if (strcmp(text, "speed") == 0)
        *policy =
            (struct encode_policy){.structures = speed_set(), .zstd_level = 1, .slow_gain = 25};
    else
        return -1;
    return 0;
}

uint32_t favor_structure(const char *text)
{
    for (uint8_t structure = 1; structure < LWC_STRUCTURES; structure++) {
        const char *name = lwc_structure_name(structure);
        size_t inside = strlen(name) - 2;

        if (strcmp(text, name) == 0 ||
            (strlen(text) == inside && memcmp(text, name + 1, inside) == 0))
            return 1u << structure;
    }
    return 0;
}

struct encode_policy favor_of_tiles(const struct lwc_tile *tiles, uint64_t count)
{
    uint64_t counts[LWC_STRUCTURES] = {0};
    struct encode_policy policy;
    uint8_t most = 0;

    for (uint64_t i = 0; i < count; i++)
        if (tiles[i].chain[0] == LWC_CODEC_LEVELS && ++counts[tiles[i].param] > counts[most])
            most = tiles[i].param;
    if (counts[LWC_STRUCTURE_211222]) {
        favor_parse("size", &policy);
        return policy;
    }
    favor_parse(most == LWC_STRUCTURE_41 || most == LWC_STRUCTURE_3222 ? "speed" : "balanced",
                &policy);
    if (counts[most] && !(policy.structures >> most & 1))
        policy.structures = 1u << most; /* as a CPU of another kind took it */
    return policy;
}
