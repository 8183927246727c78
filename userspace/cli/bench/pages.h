/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory of a known page size. Baseline and candidate of a measurement live
 * in one mapping, so that they have the same pages.
 */
#ifndef LWC_BENCH_PAGES_H
#define LWC_BENCH_PAGES_H

#include "container/failure.h"

#include <stddef.h>
#include <stdint.h>

#define BENCH_SMALL_PAGE 4096u
#define BENCH_HUGE_PAGE (2u << 20)

struct bench_pages {
    uint8_t *base; /* aligned to BENCH_HUGE_PAGE */
    size_t size;
    size_t used;
    size_t page_size; /* what was asked for, until bench_pages_check */
    void *map;
    size_t map_size;
};

/*
 * Map size bytes. BENCH_HUGE_PAGE: from the pool of huge pages if it has
 * enough, else transparent ones.
 */
int bench_pages_map(struct bench_pages *pages, size_t size, size_t page_size,
                    struct failure *failure);
void bench_pages_unmap(struct bench_pages *pages); /* zeroed, or unmapped before: allowed */

/* The next size bytes, aligned to BENCH_HUGE_PAGE; the mapping must have them. */
void *bench_pages_take(struct bench_pages *pages, size_t size);

/* What bench_pages_take needs for size bytes. */
size_t bench_pages_round(size_t size);

/*
 * After all bytes have been touched: bytes that do not lie in pages of the
 * size asked for; negative with a message when the kernel does not tell.
 */
int64_t bench_pages_check(const struct bench_pages *pages, struct failure *failure);

#endif
