/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A container as one that is made after it sees it: its own next generation,
 * or one that depends on it. Which of its tiles does the model still have, or
 * have with differences?
 *
 * Each object of a plan gets at most one old object to compare with: the one
 * of its place (file and tensor, or position among what is between tensors),
 * else one of the same sha256 or of the same tensor name. That is only
 * where to look: a tile is the same when its decoded bytes are.
 */
#ifndef LWC_BASE_H
#define LWC_BASE_H

#include "plan.h"
#include "container/reader.h"

#include <stdbool.h>

struct base;

/*
 * Both must live as long. For equal tiles, objects that are not in their places
 * are looked for by sha256 before name, which reads them; for tiles with
 * differences by name before sha256. NULL with a message.
 */
enum base_use { BASE_EQUAL, BASE_DIFFERENCES };

struct base *base_new(struct container *container, const struct plan *plan, enum base_use use,
                      unsigned int threads, struct failure *failure);
void base_free(struct base *base); /* NULL is allowed */

/*
 * True if the old tile of the same place has just these bytes; then entry is
 * the old one, not a COPY, and stored its stored bytes until worker's next
 * call. A tile that is damaged is not the same. worker: 0..threads-1.
 */
bool base_tile(struct base *base, unsigned int worker, size_t object, uint64_t index,
               const uint8_t *data, uint32_t length, struct lwc_tile *entry,
               const uint8_t **stored);

/*
 * decoded: the decoded bytes of the old tile of the same place, until worker's
 * next call; number: its own in the table of tiles, which is not that of a COPY.
 * Both are left alone, and decoded is NULL, if no object of the same dtype is
 * there or the tile has another length. -1 with a message if it is damaged.
 */
int base_decoded(struct base *base, unsigned int worker, size_t object, uint64_t index,
                 uint32_t length, const uint8_t **decoded, uint64_t *number,
                 struct failure *failure);

#endif
