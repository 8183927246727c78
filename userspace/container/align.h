/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LWC_ALIGN_H
#define LWC_ALIGN_H

#include <stdint.h>

/* The multiple of alignment at or behind value, which is far from 2^64. */
static inline uint64_t align_up(uint64_t value, uint64_t alignment)
{
    return (value + alignment - 1) / alignment * alignment;
}

#endif
