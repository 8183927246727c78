/* SPDX-License-Identifier: BSD-3-Clause */
/* The bandwidth that bounds everything else. */
#ifndef LWC_BENCH_LOAD_H
#define LWC_BENCH_LOAD_H

#include <stddef.h>
#include <stdint.h>

/* Read every byte, nothing else. ahead: bytes to prefetch in front, 0: leave it to the CPU. */
static inline void bench_load(const uint8_t *from, size_t size, size_t ahead)
{
    for (const uint8_t *line = from; line < from + size; line += 64) {
        if (ahead)
            __builtin_prefetch(line + ahead);
        __asm__ volatile("movups (%0), %%xmm0\n\tmovups 16(%0), %%xmm1\n\t"
                         "movups 32(%0), %%xmm2\n\tmovups 48(%0), %%xmm3"
                         :
                         : "r"(line)
                         : "xmm0", "xmm1", "xmm2", "xmm3", "memory");
    }
}

#endif
