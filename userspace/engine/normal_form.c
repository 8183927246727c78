/* SPDX-License-Identifier: BSD-3-Clause */
#include "normal_form.h"

#include <stdbool.h>
#include <stdlib.h>
#include <uninorm.h>

/*
 * What came after Unicode 9, up to 18, and is a mark that is ordered among others, or composes:
 * ranges from the tables of Unicode, found by comparing normal forms of all characters with those
 * of Unicode 9.
 */
static const uint32_t late[][2] = {
    {0x5c8, 0x5c9},     {0x7fd, 0x7fd},     {0x897, 0x89f},     {0x8ca, 0x8d3},
    {0x9fe, 0x9fe},     {0xc3c, 0xc3c},     {0xd3b, 0xd3c},     {0xeba, 0xeba},
    {0x1715, 0x1715},   {0x1abf, 0x1af0},   {0x1df6, 0x1dfa},   {0xa82c, 0xa82c},
    {0x105c9, 0x105c9}, {0x105d2, 0x105d2}, {0x105da, 0x105da}, {0x105e4, 0x105e4},
    {0x10d24, 0x10d27}, {0x10d69, 0x10d6d}, {0x10eab, 0x10eac}, {0x10ecb, 0x10ecf},
    {0x10ef0, 0x10efb}, {0x10efd, 0x10eff}, {0x10f46, 0x10f50}, {0x10f82, 0x10f85},
    {0x11070, 0x11070}, {0x1133b, 0x1133b}, {0x11383, 0x11383}, {0x11385, 0x11385},
    {0x1138e, 0x1138e}, {0x11391, 0x11391}, {0x113b8, 0x113b8}, {0x113bb, 0x113bb},
    {0x113c2, 0x113c2}, {0x113c5, 0x113c5}, {0x113c7, 0x113c9}, {0x113ce, 0x113d0},
    {0x1145e, 0x1145e}, {0x11839, 0x1183a}, {0x11930, 0x11930}, {0x11938, 0x11938},
    {0x1193d, 0x1193e}, {0x11943, 0x11943}, {0x119e0, 0x119e0}, {0x11a34, 0x11a34},
    {0x11a47, 0x11a47}, {0x11a99, 0x11a99}, {0x11d42, 0x11d42}, {0x11d44, 0x11d45},
    {0x11d97, 0x11d97}, {0x11f41, 0x11f42}, {0x1611e, 0x16129}, {0x1612f, 0x1612f},
    {0x16d67, 0x16d6a}, {0x16ff0, 0x16ff1}, {0x1d127, 0x1d128}, {0x1d250, 0x1d252},
    {0x1d25b, 0x1d25c}, {0x1d25f, 0x1d25f}, {0x1d280, 0x1d281}, {0x1e08f, 0x1e08f},
    {0x1e130, 0x1e136}, {0x1e2ae, 0x1e2ae}, {0x1e2ec, 0x1e2ef}, {0x1e4ec, 0x1e4ef},
    {0x1e5ee, 0x1e5ef}, {0x1e6e3, 0x1e6e3}, {0x1e6e6, 0x1e6e6}, {0x1e6ee, 0x1e6ef},
    {0x1e6f5, 0x1e6f5}};

static bool is_late(uint32_t code)
{
    size_t low = 0, high = sizeof(late) / sizeof(*late);

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (late[middle][1] < code)
            low = middle + 1;
        else
            high = middle;
    }
    return low < sizeof(late) / sizeof(*late) && code >= late[low][0];
}

/* Bytes before the next late character, whose size it sets; 0 at the end. */
static size_t known_size(const char *bytes, size_t size, size_t *late_size)
{
    size_t at = 0;

    for (*late_size = 0; at < size; at += *late_size) {
        *late_size = character_size(bytes + at, size - at);
        if (*late_size > 1 && is_late(character_code(bytes + at, *late_size)))
            return at;
    }
    *late_size = 0;
    return at;
}

int text_add_composed(struct text *text, const char *bytes, size_t size)
{
    size_t ascii = 0, late_size;

    while (ascii < size && (uint8_t)bytes[ascii] < 0x80)
        ascii++;
    if (ascii == size)
        return text_add(text, bytes, size);
    while (size) {
        size_t known = known_size(bytes, size, &late_size), composed_size = 0;
        uint8_t *composed =
            known ? u8_normalize(UNINORM_NFC, (const uint8_t *)bytes, known, NULL, &composed_size)
                  : NULL;
        int result = known && !composed ? -1 : text_add(text, (char *)composed, composed_size);

        free(composed);
        if (result < 0 || text_add(text, bytes + known, late_size) < 0)
            return -1;
        bytes += known + late_size;
        size -= known + late_size;
    }
    return 0;
}
