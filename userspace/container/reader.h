/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Read a .lwc container.
 *
 * container_open reads the superblocks only. Metadata blocks are read and
 * checked when an entry in them is first asked for, and stay in memory. All
 * functions but open and close may be called by any number of threads at
 * once on one container; a decoder belongs to one thread.
 *
 * Every entry that an accessor hands out is a private copy that has passed
 * the check of its kind (lwc_file_check and so on), so its ranges lie inside
 * the tables and the file. Functions return 0, or -1 with a message that
 * names the container.
 */
#ifndef LWC_READER_H
#define LWC_READER_H

#include "decoder.h"
#include "failure.h"

#include <stdint.h>

struct container;

/* Open path for reading and choose the valid superblock, the newer of two. */
struct container *container_open(const char *path, struct failure *failure);
void container_close(struct container *container); /* NULL is allowed; closes its base, too */

/*
 * Open path for an update: writable, and locked against a second one until it
 * is closed. Fails also when a newer lwcmem has written what an update by this
 * one would lose.
 */
struct container *container_open_for_update(const char *path, struct failure *failure);

/*
 * Open path for reading, and keep updates of it away until it is closed: for what
 * is to depend on just this generation. Fails while an update is under way; a
 * mere reader needs neither, for it keeps the generation that it has opened.
 */
struct container *container_open_as_base(const char *path, struct failure *failure);

/* The superblock in use, the path given to open, and the file's descriptor. */
const struct lwc_superblock *container_superblock(const struct container *container);
unsigned int container_slot(const struct container *container); /* of that superblock */
const char *container_path(const struct container *container);
int container_fd(const struct container *container);

/*
 * From now on base is what DELTA tiles refer to; before tiles are read, and
 * after dependency.h has checked that it is the right one. Taken over.
 */
void container_set_base(struct container *container, struct container *base);
struct container *container_base(const struct container *container); /* NULL without one */

/* Number of entries of a table. */
uint64_t container_count(const struct container *container, enum lwc_table table);

int container_file(struct container *container, uint64_t index, struct lwc_file *file,
                   struct failure *failure);
int container_object(struct container *container, uint64_t index, struct lwc_object *object,
                     struct failure *failure);

/* An extent and its object; the former may lie outside of the latter. */
int container_extent(struct container *container, uint64_t index, struct lwc_extent *extent,
                     struct lwc_object *object, struct failure *failure);

int container_dep(struct container *container, uint64_t index, struct lwc_dep *dep,
                  struct failure *failure);

/* Tile index (0..tile_count-1) of the object; a COPY is handed out as it is. */
int container_tile(struct container *container, const struct lwc_object *object, uint64_t index,
                   struct lwc_tile *tile, struct failure *failure);

#define CONTAINER_TILE_RUN (LWC_BLOCK_PAYLOAD / sizeof(struct lwc_tile))

/*
 * Tiles from index on, as many as lie in its metadata block, which is not kept
 * in memory for this: for who looks at all tiles once. Their number, or -1 with
 * a message.
 */
int container_tile_run(struct container *container, const struct lwc_object *object, uint64_t index,
                       struct lwc_tile tiles[CONTAINER_TILE_RUN], struct failure *failure);

/* Copy length bytes of NAMES and a NUL; name holds LWC_NAME_MAX + 1 bytes. */
int container_name(struct container *container, uint64_t offset, uint32_t length, char *name,
                   struct failure *failure);

/*
 * Copy a whole table, its blocks checked but not its entries; the caller frees
 * it. NULL with a message; an empty table is not NULL.
 */
void *container_table(struct container *container, enum lwc_table table, struct failure *failure);

/*
 * The stored bytes (at most LWC_TILE_MAX) of entry index of the tile table and
 * the entry, whatever object it belongs to: checked, but not decoded.
 */
int container_stored_tile(struct container *container, uint64_t index, struct lwc_tile *tile,
                          uint8_t *stored, struct failure *failure);

/* Check all metadata blocks, also those that no entry is asked from. */
int container_check_blocks(struct container *container, struct failure *failure);

/*
 * Replace a COPY by the entry that it names, after checking that both agree.
 * Any other tile is left as it is.
 */
int container_resolve_copy(struct container *container, struct lwc_tile *tile, uint32_t decoded,
                           struct failure *failure);

/*
 * Before a tile is decoded that is no COPY: if it is a DELTA, have its base's
 * tile decoded where decoder->scratch says.
 */
int container_load_base(struct container *container, struct decoder *decoder,
                        const struct lwc_tile *tile, uint32_t decoded, struct failure *failure);

/*
 * Read, check and decode a tile into out, which holds
 * lwc_tile_length(object, index) bytes (at most LWC_TILE_MAX).
 * stored: LWC_TILE_MAX bytes; holds the tile's stored bytes afterwards.
 */
int container_read_tile(struct container *container, struct decoder *decoder,
                        const struct lwc_object *object, uint64_t index, uint8_t *stored,
                        uint8_t *out, struct failure *failure);

/*
 * The same of stored bytes that the caller has read, from where tile says: the
 * object's entry, with a COPY replaced by what it names. Nobody may write to
 * them meanwhile. NULL: the file ends before their end.
 */
int container_decode_tile(struct container *container, struct decoder *decoder,
                          const struct lwc_object *object, uint64_t index,
                          const struct lwc_tile *tile, const uint8_t *stored, uint8_t *out,
                          struct failure *failure);

/*
 * Name of a file, NUL-terminated in LWC_NAME_MAX + 1 bytes. It is safe to
 * create below a directory: relative, without "." and "..".
 */
int container_file_name(struct container *container, const struct lwc_file *file, char *name,
                        struct failure *failure);

/* Check all files: names safe, sorted, none twice, in directories that are there; extents as below.
 */
int container_check_files(struct container *container, struct failure *failure);

/* Check all objects: none shares tiles or a place in the arena with another one. */
int container_check_objects(struct container *container, struct failure *failure);

/*
 * Check that extents first..first+count-1 tile the file without holes and lie
 * inside their objects.
 */
int container_check_extents(struct container *container, const struct lwc_file *file,
                            struct failure *failure);

#endif
