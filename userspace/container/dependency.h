/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Containers that depend on another one, their base: what names a base, and
 * finding out whether a file is that base.
 */
#ifndef LWC_DEPENDENCY_H
#define LWC_DEPENDENCY_H

#include "reader.h"

#define UUID_TEXT_SIZE 37

void uuid_text(const uint8_t uuid[16], char text[UUID_TEXT_SIZE]);

/* What a container that depends on base says of it. -1 with a message, if base has a base itself.
 */
int dependency_describe(struct container *base, struct lwc_dep *dep, struct failure *failure);

/*
 * Open path for decoding. If it depends on a base, base_path must be that one;
 * else base_path is not used, and may be NULL. NULL with a message.
 */
struct container *dependency_open(const char *path, const char *base_path, struct failure *failure);

/* If the container depends on a base: -1 with a message that says so, and what to do. */
int dependency_refuse(struct container *container, const char *advice, struct failure *failure);

#endif
