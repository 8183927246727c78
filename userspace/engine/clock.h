/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LWC_CLOCK_H
#define LWC_CLOCK_H

#include <time.h>

/* Since some moment; only differences mean something. */
static inline double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

#endif
