/* SPDX-License-Identifier: BSD-3-Clause */
/* Who may update a container, and who keeps it from being updated. */
#ifndef LWC_LOCK_H
#define LWC_LOCK_H

#include "failure.h"

/*
 * Lock the open file until fd is closed: LOCK_EX to update it, LOCK_SH to keep
 * updates away. Fails at once if another process has a lock that excludes this
 * one, and if the file is not the one at path any more. 0, or -1 with a message.
 */
int lock_file(int fd, const char *path, int operation, struct failure *failure);

#endif
