/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Decoded bytes of a container's objects and files, in order. What reads a
 * whole container (unpack, verify, info --bounds) is made of these.
 */
#ifndef LWC_CONTENTS_H
#define LWC_CONTENTS_H

#include "container/reader.h"

#include <stddef.h>

/* What one thread needs for decoding. */
struct contents_reader {
    struct decoder decoder;
    uint8_t *stored;
    uint8_t *decoded; /* the bytes of the tile read last */
};

/* One for each of count threads; NULL with a message. */
struct contents_reader *contents_readers_new(unsigned int count, struct failure *failure);
void contents_readers_free(struct contents_reader *readers, unsigned int count);

/* Gets the bytes of one tile or a part of it; offset: in the object or the file. */
typedef int contents_sink(void *context, uint64_t offset, const uint8_t *data, size_t size,
                          struct failure *failure);

/* All tiles of the object, whole and in order. */
int contents_object(struct container *container, struct contents_reader *reader,
                    const struct lwc_object *object, contents_sink *sink, void *context,
                    struct failure *failure);

/* The bytes of an extent of the object; offsets are those in the file. */
int contents_extent(struct container *container, struct contents_reader *reader,
                    const struct lwc_extent *extent, const struct lwc_object *object,
                    contents_sink *sink, void *context, struct failure *failure);

/* The whole file, after container_check_extents has accepted it. */
int contents_file(struct container *container, struct contents_reader *reader,
                  const struct lwc_file *file, contents_sink *sink, void *context,
                  struct failure *failure);

#endif
