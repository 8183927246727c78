// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads of a region that is open with O_DIRECT: tiles are decoded into the
 * reader's memory, past the page cache. A read is cut into spans; lanes, which
 * are work items of the backing, take them one after the other. A whole tile is
 * decoded by the lane that takes it, a part of one is asked for as the page
 * cache does, so that small reads of one tile decode it once.
 *
 * Whoever submits never waits for a tile. The file is held until the last lane
 * is done, and with it inode, superblock, backing and module; the memory by
 * pins here, or by whoever gave the bvecs, until ki_complete.
 */
#include <linux/bvec.h>
#include <linux/completion.h>
#include <linux/file.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/refcount.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "compat.h"
#include "lwcmem.h"

#define LANES_MAX	8	/* tiles in flight for one read */
#define PAGES_AT_ONCE	32

struct lane {
	struct direct_read *read;
	struct lwcmem_tile tile;	/* its work, and what it decodes; not in the table of tiles */
	struct lwcmem_part part;
	struct iov_iter to;		/* where the span goes */
};

struct direct_read {
	struct file *file;
	struct lwcmem_inode *region;
	struct lwcmem_backing *backing;
	struct kiocb *iocb;		/* NULL: somebody waits for done */
	struct completion done;
	refcount_t users;
	atomic_t lanes_left;
	u64 start;

	spinlock_t lock;
	u64 next;			/* byte that no lane has taken */
	u64 end;			/* of the view, the read, or before the first bad byte */
	struct iov_iter to;		/* from next on */

	struct bio_vec *pages;		/* of pinned user memory, or NULL */
	unsigned int page_count;
	struct lane lanes[];
};

static void put_read(struct direct_read *read)
{
	if (refcount_dec_and_test(&read->users))
		kfree(read);
}

static ssize_t result_of(const struct direct_read *read)
{
	return read->end > read->start ? read->end - read->start : -EIO;
}

static void release_pages_of(struct direct_read *read)
{
	unsigned int i;

	for (i = 0; i < read->page_count; i++)
		lwcmem_release_page(read->pages[i].bv_page);
	kvfree(read->pages);
}

/* No lane works for the read any more. */
static void finish(struct direct_read *read)
{
	struct kiocb *iocb = read->iocb;
	struct file *file = read->file;
	ssize_t result = result_of(read);

	release_pages_of(read);
	if (result > 0)
		atomic64_add(result, &read->backing->stats.bytes_read);
	if (iocb) {
		put_read(read);
		if (result > 0)
			iocb->ki_pos += result;
		iocb->ki_complete(iocb, result);
	} else {
		complete(&read->done);
		put_read(read);
	}
	/* the last one is left to the system: the work that runs here is waited for */
	fput(file);
}

/* Bytes from the lane's span on are not good, later ones need not be decoded. */
static void fail(struct lane *lane)
{
	struct direct_read *read = lane->read;

	spin_lock(&read->lock);
	read->end = min(read->end, lane->part.span.start);
	spin_unlock(&read->lock);
}

/* The next span for the lane, cut to what is asked for. */
static bool take_span(struct lane *lane)
{
	struct direct_read *read = lane->read;
	struct lwcmem_span *span = &lane->part.span;
	u64 skip;

	spin_lock(&read->lock);
	if (read->next >= read->end) {
		spin_unlock(&read->lock);
		return false;
	}
	lwcmem_layout_find(read->region->layout, read->next, span);
	skip = read->next - span->start;
	span->start = read->next;
	span->length = min(span->length - skip, read->end - read->next);
	if (!span->hole)
		span->skip += skip;
	lane->to = read->to;
	iov_iter_truncate(&lane->to, span->length);
	iov_iter_advance(&read->to, span->length);
	read->next += span->length;
	spin_unlock(&read->lock);
	return true;
}

/* The memory that the iterator names if it is in one piece for the kernel, else NULL. */
static u8 *in_one_piece(const struct iov_iter *to)
{
	const struct bio_vec *vec = to->bvec;
	size_t skip = to->iov_offset, left = to->count;
	u8 *start = page_address(vec->bv_page) + vec->bv_offset + skip, *end = start;

	for (;; vec++, skip = 0) {
		if (page_address(vec->bv_page) + vec->bv_offset + skip != end)
			return NULL;
		if (vec->bv_len - skip >= left)
			return start;
		end += vec->bv_len - skip;
		left -= vec->bv_len - skip;
	}
}

static void copy_out(struct lane *lane, const u8 *data)
{
	u64 length = lane->part.span.length, start = ktime_get_ns();

	if (copy_to_iter(data + lane->part.span.skip, length, &lane->to) != length)
		fail(lane);
	atomic64_add(ktime_get_ns() - start, &lane->read->backing->stats.ns_copy);
}

static void count_latency(const struct lane *lane)
{
	lwcmem_count_latency(&lane->read->backing->stats,
			     ktime_get_ns() - lane->part.requested);
}

static void decode_whole(struct lane *lane)
{
	struct lwcmem_backing *backing = lane->read->backing;
	const struct lwcmem_span *span = &lane->part.span;
	u8 *straight = in_one_piece(&lane->to);
	struct lwcmem_buffer *buffer;

	lane->tile.tile = span->tile;
	lane->part.requested = ktime_get_ns();
	buffer = lwcmem_buffer_get(backing);
	lane->tile.object = span->object;
	lane->tile.number = span->number;
	lane->tile.length = span->tile_length;
	if (lwcmem_decode_tile(&lane->tile, buffer, straight))
		fail(lane);
	else if (!straight)
		copy_out(lane, buffer->decoded);
	count_latency(lane);
	lwcmem_buffer_put(backing, buffer);
}

static void run_later(struct lane *lane)
{
	queue_work(lane->read->backing->decoders, &lane->tile.work);
}

static enum lwcmem_tile_state part_done(struct lwcmem_part *part, const u8 *data)
{
	struct lane *lane = container_of(part, struct lane, part);

	if (data)
		copy_out(lane, data);
	else
		fail(lane);
	count_latency(lane);
	run_later(lane);
	return LWCMEM_TILE_IDLE;
}

/* A lane runs once for each tile, so that others get their turn. */
static void run_lane(struct work_struct *work)
{
	struct lane *lane = container_of(work, struct lane, tile.work);
	const struct lwcmem_span *span = &lane->part.span;
	struct direct_read *read = lane->read;
	struct lwcmem_tile *spare;

	while (take_span(lane)) {
		if (span->hole) {
			iov_iter_zero(span->length, &lane->to);
			cond_resched();
			continue;
		}
		if (span->length == span->tile_length) {
			decode_whole(lane);
			run_later(lane);
			return;
		}
		spare = kmalloc(sizeof(*spare), GFP_NOFS);
		if (spare) {
			lwcmem_tile_request(read->backing, &lane->part, spare, false);
			return;
		}
		fail(lane);
	}
	if (atomic_dec_and_test(&read->lanes_left))
		finish(read);
}

/* Pin the user memory of the read and go on with its pages. */
static int pin(struct direct_read *read)
{
	unsigned int max = iov_iter_npages(&read->to, INT_MAX);
	struct page *pages[PAGES_AT_ONCE];
	size_t count = iov_iter_count(&read->to);

	read->pages = kvmalloc_array(max, sizeof(*read->pages), GFP_KERNEL_ACCOUNT);
	if (!read->pages)
		return -ENOMEM;
	while (iov_iter_count(&read->to)) {
		unsigned int room = min_t(unsigned int, max - read->page_count, PAGES_AT_ONCE), i;
		size_t offset;
		ssize_t got = lwcmem_hold_pages(&read->to, pages, room, &offset);

		if (got <= 0)
			return got ? got : -EFAULT;
		for (i = 0; got > 0; i++, offset = 0) {
			size_t part = min_t(size_t, got, PAGE_SIZE - offset);

			read->pages[read->page_count++] = (struct bio_vec) {
				.bv_page = pages[i], .bv_len = part, .bv_offset = offset };
			got -= part;
		}
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	iov_iter_bvec(&read->to, READ, read->pages, read->page_count, count);
	return 0;
}

static struct direct_read *alloc_read(struct kiocb *iocb, struct iov_iter *to, u64 length,
				      unsigned int lanes)
{
	struct direct_read *read = kzalloc(struct_size(read, lanes, lanes), GFP_KERNEL_ACCOUNT);
	unsigned int i;

	if (!read)
		return NULL;
	read->region = lwcmem_inode(file_inode(iocb->ki_filp));
	read->backing = lwcmem_backing_of(file_inode(iocb->ki_filp));
	read->iocb = is_sync_kiocb(iocb) ? NULL : iocb;
	init_completion(&read->done);
	refcount_set(&read->users, read->iocb ? 1 : 2);
	atomic_set(&read->lanes_left, lanes);
	spin_lock_init(&read->lock);
	read->start = iocb->ki_pos;
	read->next = read->start;
	read->end = read->start + length;
	read->to = *to;
	iov_iter_truncate(&read->to, length);
	for (i = 0; i < lanes; i++) {
		read->lanes[i].read = read;
		read->lanes[i].part.done = part_done;
		read->lanes[i].tile.backing = read->backing;
		INIT_WORK(&read->lanes[i].tile.work, run_lane);
	}
	return read;
}

/* A fatal signal ends the wait; what is in flight then ends by itself. */
static ssize_t wait_for(struct direct_read *read, struct kiocb *iocb)
{
	ssize_t result = -EINTR;

	if (!wait_for_completion_killable(&read->done)) {
		result = result_of(read);
	} else {
		spin_lock(&read->lock);
		read->next = read->end;
		spin_unlock(&read->lock);
	}
	put_read(read);
	if (result > 0)
		iocb->ki_pos += result;
	return result;
}

/*
 * Memory of the kernel whose owner waits for us cannot be left behind when the
 * wait is ended by a signal, and pipes are filled in the caller's context only.
 */
bool lwcmem_direct_wanted(struct kiocb *iocb, const struct iov_iter *to)
{
	return iocb->ki_flags & IOCB_DIRECT &&
	       (user_backed_iter(to) || (iov_iter_is_bvec(to) && !is_sync_kiocb(iocb)));
}

ssize_t lwcmem_direct_read(struct kiocb *iocb, struct iov_iter *to)
{
	const struct lwcmem_layout *layout = lwcmem_inode(file_inode(iocb->ki_filp))->layout;
	u64 pos = iocb->ki_pos, length = iov_iter_count(to), tiles;
	struct direct_read *read;
	unsigned int lanes, i;
	int error;

	/* first, because who reads to the end asks once more from wherever that was */
	if (!length || pos >= layout->length)
		return 0;
	if ((pos | length) % LWCMEM_DIRECT_ALIGN)
		return -EINVAL;
	if (is_sync_kiocb(iocb) && iocb->ki_flags & IOCB_NOWAIT)
		return -EAGAIN;
	length = min(length, layout->length - pos);
	tiles = length / layout->tile_bytes + 1;
	lanes = min_t(u64, tiles, LANES_MAX);
	read = alloc_read(iocb, to, length, lanes);
	if (!read)
		return -ENOMEM;
	error = user_backed_iter(to) ? pin(read) : 0;
	if (error) {
		release_pages_of(read);
		kfree(read);
		return error;
	}
	read->file = get_file(iocb->ki_filp);
	/* the read may be gone when its last lane is queued */
	for (i = 0; i < lanes; i++)
		run_later(&read->lanes[i]);
	return is_sync_kiocb(iocb) ? wait_for(read, iocb) : -EIOCBQUEUED;
}
