/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A filesystem with one container in it, whose answers to reads wait or fail as the test says.
 * Each read of the kernel arrives as it is: there is no page cache before it. The server is a
 * process of its own; the mount is seen by the case alone and ends with it.
 */
#ifndef LIBTHROTTLE_H
#define LIBTHROTTLE_H

#include "libtest.h"

struct throttle;

/* Skips the case where there is no FUSE. Call before anything that the server must not inherit. */
struct throttle *throttle_start(const char *container);
/* The container as the filesystem shows it. */
const char *throttle_path(void);

/* From now on reads that touch start..end wait; the number of the hold. */
int throttle_hold(struct throttle *throttle, uint64_t start, uint64_t end);
void throttle_release(struct throttle *throttle, int hold);
/* Reads that wait because of this hold. */
int throttle_waiting(struct throttle *throttle, int hold);
/* Fails the case if fewer than count reads wait within the time. */
void throttle_wait(struct throttle *throttle, int hold, int count, int seconds);

enum throttle_fault { FAULT_NONE, FAULT_EIO, FAULT_EMPTY };
/* From now on reads that touch start..end fail so; one such range at a time. */
void throttle_fault(struct throttle *throttle, enum throttle_fault fault, uint64_t start,
                    uint64_t end);

/* Reads so far that had this byte in them, also those that wait. */
int throttle_requests(struct throttle *throttle, uint64_t at);
int throttle_all_requests(struct throttle *throttle);

#endif
