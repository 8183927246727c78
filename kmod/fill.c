// SPDX-License-Identifier: GPL-2.0-only
/*
 * Folios of a region that the page cache wants filled. They come locked, are
 * cut into parts of tiles, and are unlocked by the worker that brings the last
 * part. Nothing here waits: io_uring and RWF_NOWAIT come this way.
 */
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/mount.h>
#include <linux/overflow.h>
#include <linux/pagemap.h>
#include <linux/refcount.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "compat.h"
#include "lwcmem.h"

/*
 * Read-ahead gives up where this many parts of a backing wait, and leaves it to
 * read_folio, which somebody waits for: a hostile container can have tiles of
 * one byte, and a container on a slow filesystem can be read ahead for ever.
 */
#define READAHEAD_PARTS_MAX	8192

struct item {
	struct folio *folio;
	atomic_t missing;	/* parts, and one until all parts are known */
	bool failed;
};

/* Locked folios that follow each other without a gap. */
struct lwcmem_batch {
	struct lwcmem_inode *region;
	struct vfsmount *mount;	/* keeps the superblock, so that closing need not wait; or NULL */
	bool readahead;
	refcount_t parts_left;
	pgoff_t first;		/* page numbers, good also when the folios are gone */
	pgoff_t last;
	unsigned int count;
	struct item *items;
	struct lwcmem_part *parts;
};

static u64 item_end(const struct item *item)
{
	return folio_pos(item->folio) + folio_size(item->folio);
}

static void item_done(struct item *item)
{
	if (!atomic_dec_and_test(&item->missing))
		return;
	if (!READ_ONCE(item->failed))
		folio_mark_uptodate(item->folio);
	folio_unlock(item->folio);
}

static void batch_free(struct lwcmem_batch *batch)
{
	/* if it is the last one, a worker leaves the unmounting to the system */
	mntput(batch->mount);
	kvfree(batch->items);
	kvfree(batch->parts);
	kfree(batch);
}

/* The bytes of the span that lie in the item's folio: copied from data, or zeroed without it. */
static void fill_item(struct item *item, const struct lwcmem_span *span, const u8 *data)
{
	u64 pos = folio_pos(item->folio);
	u64 from = max(pos, span->start), to = min(item_end(item), span->start + span->length);
	void *address = folio_address(item->folio) + (from - pos);

	if (from >= to)
		return;
	if (data)
		memcpy(address, data + span->skip + (from - span->start), to - from);
	else
		memset(address, 0, to - from);
}

/* Number of the item that holds the part's last byte, as far as the batch goes. */
static unsigned int last_item(const struct lwcmem_part *part)
{
	const struct lwcmem_batch *batch = part->batch;
	unsigned int last = part->first;

	while (last + 1 < batch->count &&
	       item_end(&batch->items[last]) < part->span.start + part->span.length)
		last++;
	return last;
}

/*
 * Will somebody ask for the tile again? Not if the cache has all of it. Folios that are in the cache but not
 * filled have a reader whose part is not here yet. And read-ahead that ends in
 * a folio that two tiles share has decoded the second tile for its first bytes:
 * the next read-ahead wants the rest.
 */
static enum lwcmem_tile_state tile_state(const struct lwcmem_part *part)
{
	const struct lwcmem_batch *batch = part->batch;
	struct address_space *mapping = batch->region->vfs_inode.i_mapping;
	pgoff_t index = part->span.start >> PAGE_SHIFT;
	pgoff_t last = (part->span.start + part->span.length - 1) >> PAGE_SHIFT;
	bool all = part->span.length == part->span.tile_length;

	for (; index <= last; index++) {
		if (index >= batch->first && index <= batch->last)
			continue;
		switch (lwcmem_folio_state(mapping, index)) {
		case LWCMEM_FOLIO_PENDING:
			return LWCMEM_TILE_HELD;
		case LWCMEM_FOLIO_ABSENT:
			if (batch->readahead)
				return LWCMEM_TILE_HELD;
			all = false;
			break;
		case LWCMEM_FOLIO_FILLED:
			break;
		}
	}
	return all ? LWCMEM_TILE_SPENT : LWCMEM_TILE_IDLE;
}

static enum lwcmem_tile_state part_done(struct lwcmem_part *part, const u8 *data)
{
	struct lwcmem_batch *batch = part->batch;
	struct lwcmem_backing *backing = lwcmem_backing_of(&batch->region->vfs_inode);
	unsigned int first = part->first, last = last_item(part), i;
	u64 start = ktime_get_ns(), end;
	enum lwcmem_tile_state state;

	for (i = first; i <= last; i++) {
		if (data)
			fill_item(&batch->items[i], &part->span, data);
		else
			WRITE_ONCE(batch->items[i].failed, true);
	}
	end = ktime_get_ns();
	state = tile_state(part);
	atomic_dec(&backing->parts);
	atomic64_add(end - start, &backing->stats.ns_copy);
	lwcmem_count_latency(&backing->stats, end - part->requested);
	/* folios, and with them the inode, may be gone from here on */
	for (i = first; i <= last; i++)
		item_done(&batch->items[i]);
	if (refcount_dec_and_test(&batch->parts_left))
		batch_free(batch);
	return state;
}

/* First and behind the last byte of the batch, without what is behind the end of the view. */
static u64 batch_start(const struct lwcmem_batch *batch)
{
	return folio_pos(batch->items[0].folio);
}

static u64 batch_end(const struct lwcmem_batch *batch)
{
	return min(item_end(&batch->items[batch->count - 1]), batch->region->layout->length);
}

static unsigned int count_parts(const struct lwcmem_batch *batch)
{
	u64 pos = batch_start(batch), end = batch_end(batch);
	unsigned int parts = 0;
	struct lwcmem_span span;

	for (; pos < end; pos = span.start + span.length) {
		lwcmem_layout_find(batch->region->layout, pos, &span);
		parts += !span.hole;
	}
	return parts;
}

/*
 * Cut the batch into parts, count for each item how many it waits for, and
 * zero what no tile fills.
 */
static void cut(struct lwcmem_batch *batch)
{
	u64 pos = batch_start(batch), end = batch_end(batch);
	struct lwcmem_part *part = batch->parts;
	unsigned int first = 0, i;
	struct lwcmem_span span;

	for (; pos < end; pos = span.start + span.length) {
		lwcmem_layout_find(batch->region->layout, pos, &span);
		while (item_end(&batch->items[first]) <= pos)
			first++;
		for (i = first; i < batch->count; i++) {
			struct item *item = &batch->items[i];

			if (folio_pos(item->folio) >= span.start + span.length)
				break;
			if (span.hole)
				fill_item(item, &span, NULL);
			else
				atomic_inc(&item->missing);
		}
		if (!span.hole)
			*part++ = (struct lwcmem_part) {
				.done = part_done, .batch = batch, .span = span, .first = first };
	}
	/* the end of the last folio, behind the end of the view */
	span.start = batch->region->layout->length;
	span.length = PAGE_ALIGN(span.start) - span.start;
	if (span.length && end == span.start)
		fill_item(&batch->items[batch->count - 1], &span, NULL);
}

/* All entries that the parts may need, chained by their hash nodes. */
static bool alloc_spares(struct hlist_head *spares, unsigned int count, gfp_t gfp)
{
	while (count--) {
		struct lwcmem_tile *tile = kmalloc(sizeof(*tile), gfp);

		if (!tile)
			return false;
		hlist_add_head(&tile->hash, spares);
	}
	return true;
}

static struct lwcmem_tile *take_spare(struct hlist_head *spares)
{
	struct lwcmem_tile *tile = hlist_entry(spares->first, struct lwcmem_tile, hash);

	hlist_del(&tile->hash);
	return tile;
}

static void free_spares(struct hlist_head *spares)
{
	struct lwcmem_tile *tile;
	struct hlist_node *next;

	hlist_for_each_entry_safe(tile, next, spares, hash)
		kfree(tile);
}

/* file: that asks, or NULL */
static struct lwcmem_batch *alloc_batch(struct file *file, struct inode *inode,
					unsigned int items, bool readahead, gfp_t gfp)
{
	struct lwcmem_batch *batch = kmalloc(sizeof(*batch), gfp);

	if (!batch)
		return NULL;
	batch->region = lwcmem_inode(inode);
	batch->mount = NULL;
	batch->readahead = readahead;
	batch->count = 0;
	batch->parts = NULL;
	batch->items = kvmalloc_array(items, sizeof(*batch->items), gfp);
	if (!batch->items) {
		kfree(batch);
		return NULL;
	}
	/* of a region alone, whose file has no directory: umount must not find others busy with it */
	if (file && IS_ROOT(file->f_path.dentry))
		batch->mount = mntget(file->f_path.mnt);
	return batch;
}

static void add_item(struct lwcmem_batch *batch, struct folio *folio)
{
	struct item *item = &batch->items[batch->count++];

	if (item == batch->items)
		batch->first = folio->index;
	batch->last = folio->index + folio_nr_pages(folio) - 1;
	item->folio = folio;
	item->failed = false;
	atomic_set(&item->missing, 1);
}

static void unlock_all(struct lwcmem_batch *batch)
{
	unsigned int i;

	for (i = 0; i < batch->count; i++)
		folio_unlock(batch->items[i].folio);
}

/*
 * Send a batch of at least one folio on its way. Takes over the batch and its
 * folios' locks; without memory the folios are unlocked as they are.
 */
static int submit(struct lwcmem_batch *batch, gfp_t gfp)
{
	struct lwcmem_backing *backing = lwcmem_backing_of(&batch->region->vfs_inode);
	unsigned int parts = count_parts(batch), i;
	HLIST_HEAD(spares);

	if (!batch->readahead || atomic_read(&backing->parts) + parts <= READAHEAD_PARTS_MAX)
		batch->parts = kvmalloc_array(parts ? parts : 1, sizeof(*batch->parts), gfp);
	if (!batch->parts || !alloc_spares(&spares, parts, gfp)) {
		free_spares(&spares);
		unlock_all(batch);
		batch_free(batch);
		return -ENOMEM;
	}
	cut(batch);
	refcount_set(&batch->parts_left, parts + 1);
	atomic_add(parts, &backing->parts);
	for (i = 0; i < batch->count; i++)
		item_done(&batch->items[i]);
	for (i = 0; i < parts; i++) {
		lwcmem_tile_request(backing, &batch->parts[i], take_spare(&spares), batch->readahead);
		cond_resched();
	}
	if (refcount_dec_and_test(&batch->parts_left))
		batch_free(batch);
	return 0;
}

/* Whole tiles: a tile that is decoded fills all folios that it can. */
static void expand_to_tiles(struct readahead_control *rac)
{
	const struct lwcmem_layout *layout = lwcmem_inode(rac->mapping->host)->layout;
	u64 start = readahead_pos(rac), end = start + readahead_length(rac);
	struct lwcmem_span first, last;

	if (start >= layout->length)
		return;
	lwcmem_layout_find(layout, start, &first);
	lwcmem_layout_find(layout, min(end, layout->length) - 1, &last);
	if (!first.hole)
		start = round_down(first.start, PAGE_SIZE);
	if (!last.hole)
		end = max(end, round_up(last.start + last.length, PAGE_SIZE));
	readahead_expand(rac, start, end - start);
}

static void readahead(struct readahead_control *rac)
{
	gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_NORETRY | __GFP_NOWARN;
	struct lwcmem_batch *batch;
	struct folio *folio;

	expand_to_tiles(rac);
	batch = alloc_batch(rac->file, rac->mapping->host, readahead_count(rac), true, gfp);
	if (!batch)
		return;		/* the page cache gives up what is left */
	while ((folio = readahead_folio(rac)))
		add_item(batch, folio);
	submit(batch, gfp);
}

/* The folios from index on, upwards or downwards, that are missing and can be had at once. */
static unsigned int lock_missing(struct address_space *mapping, pgoff_t index, pgoff_t limit,
				 int step, struct folio **folios)
{
	unsigned int count = 0;

	while (index != limit) {
		struct folio *folio;

		index += step;
		folio = lwcmem_trylock_folio(mapping, index);
		if (!folio)
			break;
		if (folio_test_uptodate(folio)) {
			folio_unlock(folio);
			folio_put(folio);
			break;
		}
		folios[count++] = folio;
		folio_put(folio);	/* its lock keeps it in the cache */
	}
	return count;
}

/*
 * One folio is wanted. Its tile's other folios are filled along with it, as
 * far as they can be locked without waiting: the wanted one is locked already.
 */
static int read_folio(struct file *file, struct folio *folio)
{
	struct address_space *mapping = folio->mapping;
	const struct lwcmem_layout *layout = lwcmem_inode(mapping->host)->layout;
	unsigned int nofs = memalloc_nofs_save();
	unsigned int before = 0, after = 0, i;
	pgoff_t first = folio->index, last = folio->index;
	struct lwcmem_batch *batch = NULL;
	struct folio **siblings;
	struct lwcmem_span span;
	int error = -ENOMEM;

	if (folio_pos(folio) < layout->length) {
		lwcmem_layout_find(layout, folio_pos(folio), &span);
		if (!span.hole) {
			first = span.start >> PAGE_SHIFT;
			last = max_t(pgoff_t, last, (span.start + span.length - 1) >> PAGE_SHIFT);
		}
	}
	siblings = kmalloc_array(last - first + 1, sizeof(*siblings), GFP_KERNEL);
	if (siblings) {
		before = lock_missing(mapping, folio->index, first, -1, siblings);
		after = lock_missing(mapping, folio->index, last, 1, siblings + before);
	}
	batch = alloc_batch(file, mapping->host, before + after + 1, false, GFP_KERNEL_ACCOUNT);
	if (batch) {
		for (i = before; i; i--)
			add_item(batch, siblings[i - 1]);
		add_item(batch, folio);
		for (i = 0; i < after; i++)
			add_item(batch, siblings[before + i]);
		error = submit(batch, GFP_KERNEL_ACCOUNT);
	} else {
		for (i = 0; i < before + after; i++)
			folio_unlock(siblings[i]);
		folio_unlock(folio);
	}
	kfree(siblings);
	memalloc_nofs_restore(nofs);
	return error;
}

const struct address_space_operations lwcmem_aops = {
	.readahead = readahead,
	.read_folio = read_folio,
};
