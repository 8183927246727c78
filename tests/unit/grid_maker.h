/* SPDX-License-Identifier: BSD-3-Clause */
/* Tiles that are grids. */
#ifndef TESTS_GRID_MAKER_H
#define TESTS_GRID_MAKER_H

#include "codec_checks.h"

static const uint8_t floats[] = {LWC_FIELD_BF16, LWC_FIELD_F16, LWC_FIELD_F32};

static inline int sign_of(uint8_t field)
{
    return field == LWC_FIELD_F32 ? 31 : 15;
}

/* What make_grid makes. */
struct recipe {
    struct lwc_grid_arithmetic arithmetic;
    uint32_t group;
    int largest;
    bool strangers; /* one element of each group is any value */
};

static inline uint32_t f16_like(uint32_t from, uint32_t range)
{
    return (from + (uint32_t)rnd() % range) & ~0x1fffu;
}

static inline void make_grid(uint8_t *src, uint32_t count, const struct recipe *recipe)
{
    const struct lwc_grid_arithmetic *a = &recipe->arithmetic;
    uint32_t element = lwc_field_size(a->field), stranger = 0;
    struct lwc_grid_parameters p = {0, 0};
    float zero = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t in_group = i % recipe->group, integer, v;

        if (!in_group) {
            zero = (float)(3 + rnd() % 10);
            stranger = (uint32_t)rnd() % recipe->group;
            p.scale = f16_like(0x3a000000, 0x2000000);
            if (a->kind == LWC_GRID_AFFINE)
                p.second = 0x80000000 | f16_like(p.scale + 0x800000, 0x1000000);
            if (a->kind == LWC_GRID_STEPS)
                memcpy(&p.second, &zero, 4);
        }
        if (a->kind == LWC_GRID_PRODUCT) {
            integer = (uint32_t)(rnd() % (2 * (unsigned int)recipe->largest + 1)) -
                      (uint32_t)recipe->largest;
            if (in_group < 2)
                integer = (uint32_t)recipe->largest;
        } else {
            integer = in_group < 2 ? in_group * 15 : (uint32_t)rnd() % 16;
            if (a->kind == LWC_GRID_STEPS)
                integer -= (uint32_t)zero;
        }
        v = lwc_grid_element(a, p, (uint8_t)integer);
        if (recipe->strangers && in_group == stranger) {
            v = (uint32_t)rnd() & 0x7fffffff;
            v = a->field == LWC_FIELD_F32 ? v % 0x3f000000 : (v & 0x3fff);
        }
        memcpy(src + i * element, &v, element);
    }
}

/* The header of a GRID tile, NULL for another. */
static inline const struct lwc_grid_header *header_of(const struct encoded_tile *tile)
{
    return tile->entry.chain[0] == LWC_CODEC_GRID ? (const struct lwc_grid_header *)tile->data
                                                  : NULL;
}

static inline struct recipe random_recipe(unsigned int round, uint8_t field)
{
    struct recipe recipe = {.arithmetic = {(uint8_t)(round / 3 % 3), field, field}};

    recipe.group = 32u << rnd() % 4;
    recipe.largest = round & 16 ? 127 : 7;
    if (recipe.arithmetic.kind == LWC_GRID_STEPS || (round & 8 && field != LWC_FIELD_F16))
        recipe.arithmetic.through = LWC_FIELD_F16;
    recipe.strangers = round % 5 == 0 && recipe.largest == 7;
    return recipe;
}

static const uint16_t dtypes[LWC_FIELDS] = {[LWC_FIELD_BF16] = LWC_DTYPE_BF16,
                                            [LWC_FIELD_F16] = LWC_DTYPE_F16,
                                            [LWC_FIELD_F32] = LWC_DTYPE_F32};

#endif
