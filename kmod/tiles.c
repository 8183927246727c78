// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tiles in flight. A tile has at most one entry, so that it is decoded once
 * for all that ask for it while it is read or shortly afterwards: a decoded
 * tile stays idle in its buffer until the buffer is needed elsewhere.
 */
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "lwcmem.h"

/*
 * Folios enter the page cache before anybody asks for their tile. A reader that
 * is late there must find the tile that others had decoded meanwhile; should it
 * never come, the tile is let go.
 */
#define HOLD_FOR	(5 * HZ)
#define HELD_MAX	16

static struct lwcmem_tile *find_tile(struct lwcmem_backing *backing, u64 index)
{
	struct lwcmem_tile *tile;

	hash_for_each_possible(backing->tiles, tile, hash, index)
		if (tile->tile == index)
			return tile;
	return NULL;
}

/*
 * How the tile should rest afterwards. The last part knows best: the others'
 * folios are filled by then.
 */
static enum lwcmem_tile_state parts_done(struct list_head *parts, const u8 *data)
{
	enum lwcmem_tile_state state = LWCMEM_TILE_IDLE;
	struct lwcmem_part *part, *next;

	list_for_each_entry_safe(part, next, parts, node)
		state = part->done(part, data);
	return state;
}

/*
 * Nobody waits for the tile now. The buffer of a spent one is taken first, while
 * the CPU's caches still have it.
 */
static void rest(struct lwcmem_tile *tile, enum lwcmem_tile_state state)
{
	struct lwcmem_backing *backing = tile->backing;

	if (state == LWCMEM_TILE_HELD && backing->held_count < HELD_MAX) {
		tile->state = LWCMEM_TILE_HELD;
		tile->held_since = jiffies;
		list_add_tail(&tile->idle, &backing->held);
		backing->held_count++;
	} else if (state == LWCMEM_TILE_SPENT) {
		tile->state = LWCMEM_TILE_SPENT;
		list_add(&tile->idle, &backing->idle);
	} else {
		tile->state = LWCMEM_TILE_IDLE;
		list_add_tail(&tile->idle, &backing->idle);
	}
}

static void unrest(struct lwcmem_tile *tile)
{
	list_del_init(&tile->idle);
	if (tile->state == LWCMEM_TILE_HELD)
		tile->backing->held_count--;
}

/*
 * The parts that wait now; parts may come while these are served. Without any,
 * the tile rests, or is gone if it has no buffer.
 */
static bool take_parts(struct lwcmem_tile *tile, struct list_head *parts,
		       enum lwcmem_tile_state state)
{
	struct lwcmem_backing *backing = tile->backing;
	bool gone = false, any;

	INIT_LIST_HEAD(parts);
	spin_lock(&backing->lock);
	any = !list_empty(&tile->parts);
	if (any) {
		list_splice_init(&tile->parts, parts);
	} else if (tile->buffer) {
		rest(tile, state);
	} else {
		hash_del(&tile->hash);
		gone = true;
	}
	spin_unlock(&backing->lock);
	if (!any)
		wake_up(&backing->buffer_wait);
	if (gone)
		kfree(tile);
	return any;
}

static void serve_tile(struct work_struct *work)
{
	struct lwcmem_tile *tile = container_of(work, struct lwcmem_tile, work);
	struct lwcmem_backing *backing = tile->backing;
	unsigned int nofs = memalloc_nofs_save();	/* its folios are locked */
	enum lwcmem_tile_state state = LWCMEM_TILE_IDLE;
	struct list_head parts;

	if (!tile->buffer) {
		struct lwcmem_buffer *buffer = lwcmem_buffer_get(backing);

		if (lwcmem_decode_tile(tile, buffer, NULL))
			lwcmem_buffer_put(backing, buffer);
		else
			tile->buffer = buffer;
	}
	while (take_parts(tile, &parts, state))
		state = parts_done(&parts, tile->buffer ? tile->buffer->decoded : NULL);
	memalloc_nofs_restore(nofs);
}

static void init_tile(struct lwcmem_tile *tile, struct lwcmem_backing *backing,
		      const struct lwcmem_span *span, bool readahead)
{
	INIT_LIST_HEAD(&tile->parts);
	INIT_LIST_HEAD(&tile->idle);
	INIT_WORK(&tile->work, serve_tile);
	tile->backing = backing;
	tile->buffer = NULL;
	tile->state = LWCMEM_TILE_IDLE;
	tile->readahead = readahead;
	tile->tile = span->tile;
	tile->object = span->object;
	tile->number = span->number;
	tile->length = span->tile_length;
}

void lwcmem_tile_request(struct lwcmem_backing *backing, struct lwcmem_part *part,
			 struct lwcmem_tile *spare, bool readahead)
{
	struct lwcmem_tile *tile;
	bool refused = false, queue = false;

	part->requested = ktime_get_ns();
	spin_lock(&backing->lock);
	tile = find_tile(backing, part->span.tile);
	if (!tile) {
		tile = spare;
		spare = NULL;
		init_tile(tile, backing, &part->span, readahead);
		hash_add(backing->tiles, &tile->hash, tile->tile);
	}
	/* a hostile container may give one tile to two objects that differ */
	if (tile->length != part->span.tile_length) {
		refused = true;
	} else {
		list_add_tail(&part->node, &tile->parts);
		queue = tile->state != LWCMEM_TILE_BUSY;
		if (queue)
			unrest(tile);
		tile->state = LWCMEM_TILE_BUSY;
	}
	/*
	 * Under the lock: a tile that rests may be stolen, a queued one may not.
	 * One with a buffer must not queue behind those that wait for buffers.
	 */
	if (queue)
		queue_work(tile->buffer ? backing->servers : backing->decoders, &tile->work);
	spin_unlock(&backing->lock);
	kfree(spare);
	if (refused)
		part->done(part, NULL);
}

static struct lwcmem_tile *oldest(struct lwcmem_backing *backing, bool held)
{
	struct lwcmem_tile *tile;

	tile = list_first_entry_or_null(&backing->idle, struct lwcmem_tile, idle);
	if (tile)
		return tile;
	tile = list_first_entry_or_null(&backing->held, struct lwcmem_tile, idle);
	if (tile && !held && time_before(jiffies, tile->held_since + HOLD_FOR))
		return NULL;
	return tile;
}

bool lwcmem_tiles_spent(struct lwcmem_backing *backing)
{
	struct lwcmem_tile *tile;

	lockdep_assert_held(&backing->lock);
	tile = list_first_entry_or_null(&backing->idle, struct lwcmem_tile, idle);
	return tile && tile->state == LWCMEM_TILE_SPENT;
}

struct lwcmem_buffer *lwcmem_tiles_steal(struct lwcmem_backing *backing, bool held)
{
	struct lwcmem_buffer *buffer;
	struct lwcmem_tile *tile;

	lockdep_assert_held(&backing->lock);
	tile = oldest(backing, held);
	if (!tile)
		return NULL;
	unrest(tile);
	hash_del(&tile->hash);
	buffer = tile->buffer;
	kfree(tile);
	return buffer;
}

void lwcmem_tiles_drain(struct lwcmem_backing *backing)
{
	struct lwcmem_buffer *buffer;

	drain_workqueue(backing->decoders);
	drain_workqueue(backing->servers);
	cancel_delayed_work_sync(&backing->trim);
	spin_lock(&backing->lock);
	while ((buffer = lwcmem_tiles_steal(backing, true)))
		list_add(&buffer->spare, &backing->spare);
	spin_unlock(&backing->lock);
}
