/* SPDX-License-Identifier: BSD-3-Clause */
#include "favor.h"

#include <string.h>

static const struct {
    const char *name;
    struct encode_policy policy;
} favors[] = {
    {"balanced", {.structure = LWC_STRUCTURE_223, .zstd_level = 3, .slow_gain = 10}},
    {"size", {.structure = LWC_STRUCTURE_223, .zstd_level = 15}},
    {"speed", {.structure = LWC_STRUCTURE_4, .zstd_level = 1, .slow_gain = 25}},
};

#define FAVORS (sizeof(favors) / sizeof(favors[0]))

int favor_parse(const char *text, struct encode_policy *policy)
{
    for (size_t i = 0; i < FAVORS; i++)
        if (strcmp(text, favors[i].name) == 0) {
            *policy = favors[i].policy;
            return 0;
        }
    return -1;
}

int favor_structure(const char *text)
{
    if (strcmp(text, "4") == 0 || strcmp(text, "(4)") == 0)
        return LWC_STRUCTURE_4;
    if (strcmp(text, "2,2,3") == 0 || strcmp(text, "(2,2,3)") == 0)
        return LWC_STRUCTURE_223;
    return 0;
}

struct encode_policy favor_of_tiles(const struct lwc_tile *tiles, uint64_t count)
{
    uint64_t counts[256] = {0};
    uint8_t most = 0;

    for (uint64_t i = 0; i < count; i++)
        if (tiles[i].chain[0] == LWC_CODEC_LEVELS && ++counts[tiles[i].param] > counts[most])
            most = tiles[i].param;
    for (size_t i = 0; i < FAVORS; i++)
        if (counts[most] && favors[i].policy.structure == most)
            return favors[i].policy;
    return favors[0].policy;
}
