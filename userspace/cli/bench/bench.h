/* SPDX-License-Identifier: BSD-3-Clause */
/* lwcmem bench: its parts and their options. */
#ifndef LWC_BENCH_H
#define LWC_BENCH_H

#include "cli/cli.h"

#include <stddef.h>

struct bench_options {
    const char *file;   /* of parts that take one */
    char *const *files; /* of those that take any number */
    size_t file_count;
    unsigned int first_threads, last_threads; /* measured: first, then twice as many up to last */
    size_t page_size;
    uint64_t rows, cols;
    bool in_cache;
    bool quick;
    const char *hold; /* a container to be held in RAM meanwhile, or NULL */
    bool map, keep, direct;
    bool attach;
    bool json;
};

struct bench_part {
    struct command
        command; /* its name is "bench" and the part's; run: where its options are its own */
    const char *accepted; /* of the options in bench.c, one letter each */
    unsigned int threads; /* default of -j; 0: from 1 to all CPUs */
    int (*measure)(const struct bench_options *options, struct failure *failure);
};

extern const struct bench_part bench_codec;
extern const struct bench_part bench_gemv;
extern const struct bench_part bench_advise;
extern const struct bench_part bench_run;
extern const struct bench_part bench_region;
extern const struct bench_part bench_files;

#endif
