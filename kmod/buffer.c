// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory that tiles are decoded into: a bounded number of buffers for each
 * backing, made when first needed and given back when the backing is idle.
 * They are charged to who attached first; one exists from the start, so that
 * decoding goes on where no more memory is to be had.
 */
#include <linux/bvec.h>
#include <linux/memcontrol.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "lwcmem.h"

#define BUFFERS_MIN	16u	/* readers of a slow container do not keep the others waiting */
#define TRIM_AFTER	(10 * HZ)

unsigned int lwcmem_buffers_max(void)
{
	return max(BUFFERS_MIN, 2 * num_online_cpus());
}

static void *alloc_charged(struct lwcmem_backing *backing, size_t size)
{
	struct mem_cgroup *old = set_active_memcg(backing->memcg);
	void *memory = __vmalloc(size, GFP_NOFS | __GFP_ACCOUNT | __GFP_NORETRY | __GFP_NOWARN);

	set_active_memcg(old);
	return memory;
}

static void free_buffer(struct lwcmem_buffer *buffer)
{
	if (!buffer)
		return;
	vfree(buffer->decoded);
	vfree(buffer->stored);
	kfree(buffer->pages);
	vfree(buffer->base);
	vfree(buffer->scratch.tile);
	vfree(buffer->scratch.zstd);
	kfree(buffer);
}

u64 lwcmem_buffers_bytes(struct lwcmem_backing *backing)
{
	u64 each = LWC_TILE_MAX + LWCMEM_STORED_PAGES * PAGE_SIZE + LWC_SCRATCH_TILE +
		   lwc_zstd_workspace() + (backing->base ? LWC_TILE_MAX : 0);

	return READ_ONCE(backing->buffers) * each;
}

static struct lwcmem_buffer *alloc_buffer(struct lwcmem_backing *backing)
{
	struct lwcmem_buffer *buffer = kzalloc(sizeof(*buffer), GFP_NOFS);

	if (!buffer)
		return NULL;
	buffer->decoded = alloc_charged(backing, LWC_TILE_MAX);
	buffer->stored = alloc_charged(backing, LWCMEM_STORED_PAGES * PAGE_SIZE);
	buffer->pages = kmalloc_array(LWCMEM_STORED_PAGES, sizeof(*buffer->pages), GFP_NOFS);
	buffer->scratch.tile = alloc_charged(backing, LWC_SCRATCH_TILE);
	buffer->scratch.zstd_len = lwc_zstd_workspace();
	buffer->scratch.zstd = alloc_charged(backing, buffer->scratch.zstd_len);
	if (backing->base)
		buffer->base = alloc_charged(backing, LWC_TILE_MAX);
	if (buffer->decoded && buffer->stored && buffer->pages && buffer->scratch.tile &&
	    buffer->scratch.zstd && !buffer->base == !backing->base) {
		lwcmem_stored_map(buffer);
		return buffer;
	}
	free_buffer(buffer);
	return NULL;
}

static void trim(struct work_struct *work)
{
	struct lwcmem_backing *backing =
		container_of(to_delayed_work(work), struct lwcmem_backing, trim);
	struct lwcmem_buffer *buffer;

	for (;;) {
		buffer = NULL;
		spin_lock(&backing->lock);
		if (backing->buffers > 1) {
			buffer = list_first_entry_or_null(&backing->spare, struct lwcmem_buffer,
							  spare);
			if (buffer)
				list_del(&buffer->spare);
			else
				buffer = lwcmem_tiles_steal(backing, true);
		}
		if (buffer)
			backing->buffers--;
		spin_unlock(&backing->lock);
		if (!buffer)
			return;
		free_buffer(buffer);
	}
}

int lwcmem_buffers_init(struct lwcmem_backing *backing)
{
	struct lwcmem_buffer *buffer = alloc_buffer(backing);

	INIT_DELAYED_WORK(&backing->trim, trim);
	if (!buffer)
		return -ENOMEM;
	list_add(&buffer->spare, &backing->spare);
	backing->buffers = 1;
	return 0;
}

void lwcmem_buffers_free(struct lwcmem_backing *backing)
{
	struct lwcmem_buffer *buffer, *next;

	list_for_each_entry_safe(buffer, next, &backing->spare, spare)
		free_buffer(buffer);
	INIT_LIST_HEAD(&backing->spare);
}

/*
 * A spare one, or that of a spent tile, or else that of the tile that was idle for
 * longest, but new ones while there may be more: other tiles stay decoded for as
 * long as memory allows.
 * NULL with more set: a new one may be made, and is counted already.
 */
static struct lwcmem_buffer *take(struct lwcmem_backing *backing, bool *more)
{
	struct lwcmem_buffer *buffer;

	spin_lock(&backing->lock);
	*more = false;
	buffer = list_first_entry_or_null(&backing->spare, struct lwcmem_buffer, spare);
	if (buffer) {
		list_del(&buffer->spare);
	} else if (!lwcmem_tiles_spent(backing) &&
		   backing->buffers < lwcmem_buffers_max() + backing->held_count) {
		*more = true;
		backing->buffers++;
	} else {
		buffer = lwcmem_tiles_steal(backing, false);
	}
	spin_unlock(&backing->lock);
	return buffer;
}

/* There is no memory for the new one: any that no worker uses will do. */
static struct lwcmem_buffer *take_any(struct lwcmem_backing *backing)
{
	struct lwcmem_buffer *buffer;

	spin_lock(&backing->lock);
	backing->buffers--;
	buffer = lwcmem_tiles_steal(backing, true);
	spin_unlock(&backing->lock);
	if (!buffer)
		schedule_timeout_uninterruptible(1);
	return buffer;
}

static bool available(struct lwcmem_backing *backing)
{
	bool yes;

	spin_lock(&backing->lock);
	yes = !list_empty(&backing->spare) || !list_empty(&backing->idle) ||
	      backing->buffers < lwcmem_buffers_max() + backing->held_count;
	spin_unlock(&backing->lock);
	return yes;
}

struct lwcmem_buffer *lwcmem_buffer_get(struct lwcmem_backing *backing)
{
	struct lwcmem_buffer *buffer;
	bool more;

	mod_delayed_work(system_unbound_wq, &backing->trim, TRIM_AFTER);
	for (;;) {
		buffer = take(backing, &more);
		if (!buffer && more)
			buffer = alloc_buffer(backing) ?: take_any(backing);
		if (buffer)
			return buffer;
		if (!more)
			wait_event(backing->buffer_wait, available(backing));
	}
}

void lwcmem_buffer_put(struct lwcmem_backing *backing, struct lwcmem_buffer *buffer)
{
	spin_lock(&backing->lock);
	list_add(&buffer->spare, &backing->spare);
	spin_unlock(&backing->lock);
	wake_up(&backing->buffer_wait);
}
