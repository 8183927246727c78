/* SPDX-License-Identifier: BSD-3-Clause */
/* Which processes use files of a directory. */
#ifndef LWC_CLI_USERS_H
#define LWC_CLI_USERS_H

#include <stddef.h>

/*
 * Writes "PID (COMMAND), ..." of the first processes that have something open, mapped or as a
 * directory of theirs at or below the absolute path; an empty string if none of those that this
 * process may look at has.
 */
void users_of(const char *directory, char *text, size_t size);

#endif
