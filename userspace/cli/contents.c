/* SPDX-License-Identifier: BSD-3-Clause */
#include "contents.h"
#include "cli.h"

#include <stdlib.h>

struct contents_reader *contents_readers_new(unsigned int count, struct failure *failure)
{
    struct contents_reader *readers = calloc(count, sizeof(*readers));

    for (unsigned int i = 0; readers && i < count; i++) {
        readers[i].stored = malloc(LWC_TILE_MAX);
        readers[i].decoded = malloc(LWC_TILE_MAX);
        if (decoder_init(&readers[i].decoder, 0, failure) < 0) {
            contents_readers_free(readers, count);
            return NULL;
        }
        if (readers[i].stored && readers[i].decoded)
            continue;
        contents_readers_free(readers, count);
        readers = NULL;
    }
    if (!readers)
        fail(failure, "out of memory for %u threads; use a smaller -j", count);
    return readers;
}

void contents_readers_free(struct contents_reader *readers, unsigned int count)
{
    for (unsigned int i = 0; readers && i < count; i++) {
        decoder_free(&readers[i].decoder);
        free(readers[i].stored);
        free(readers[i].decoded);
    }
    free(readers);
}

int contents_object(struct container *container, struct contents_reader *reader,
                    const struct lwc_object *object, contents_sink *sink, void *context,
                    struct failure *failure)
{
    for (uint64_t tile = 0; tile < object->tile_count; tile++) {
        if (cli_check_interrupt(failure) < 0 ||
            container_read_tile(container, &reader->decoder, object, tile, reader->stored,
                                reader->decoded, failure) < 0 ||
            sink(context, tile * object->tile_bytes, reader->decoded, lwc_tile_length(object, tile),
                 failure) < 0)
            return -1;
    }
    return 0;
}

int contents_extent(struct container *container, struct contents_reader *reader,
                    const struct lwc_extent *extent, const struct lwc_object *object,
                    contents_sink *sink, void *context, struct failure *failure)
{
    uint64_t at = extent->object_offset, end;

    if (__builtin_add_overflow(at, extent->length, &end) || end > object->decoded_size)
        return fail(failure, "%s: an extent does not lie in its object; the file is damaged",
                    container_path(container));
    while (at < end) {
        uint64_t tile = at / object->tile_bytes;
        uint32_t skip = (uint32_t)(at % object->tile_bytes);
        uint64_t part = lwc_tile_length(object, tile) - skip;

        if (part > end - at)
            part = end - at;
        if (cli_check_interrupt(failure) < 0 ||
            container_read_tile(container, &reader->decoder, object, tile, reader->stored,
                                reader->decoded, failure) < 0 ||
            sink(context, extent->file_offset + (at - extent->object_offset),
                 reader->decoded + skip, part, failure) < 0)
            return -1;
        at += part;
    }
    return 0;
}

int contents_file(struct container *container, struct contents_reader *reader,
                  const struct lwc_file *file, contents_sink *sink, void *context,
                  struct failure *failure)
{
    for (uint64_t i = 0; i < file->extent_count; i++) {
        struct lwc_extent extent;
        struct lwc_object object;

        if (container_extent(container, file->extent_first + i, &extent, &object, failure) < 0 ||
            contents_extent(container, reader, &extent, &object, sink, context, failure) < 0)
            return -1;
    }
    return 0;
}
