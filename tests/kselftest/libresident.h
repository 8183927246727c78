/* SPDX-License-Identifier: BSD-3-Clause */
/* Containers that are held in RAM. */
#ifndef LIBRESIDENT_H
#define LIBRESIDENT_H

#include "libregion.h"

/* The new descriptor, or -1 and errno. */
int try_attach(const char *container, uint32_t view, uint32_t flags);
int attach_resident(const char *container, uint32_t view);
struct view open_packed(const char *model);
/* Waits for the bytes held of the region's container: closing is not complete when close() returns.
 */
bool resident_becomes(int region, uint64_t bytes);
/* Bytes of a line of smaps of the mapping that begins at address. */
uint64_t mapping_number(const void *address, const char *key);

#endif
