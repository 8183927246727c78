// SPDX-License-Identifier: GPL-2.0-only
/* Where the bytes of a view come from. */
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "lwcmem.h"

/*
 * What a hostile container can make an ATTACH remember, 56 bytes each: models
 * have some thousands of tensors.
 */
#define PIECES_MAX	(1u << 20)

/* Majority vote over the bytes of a view (Boyer and Moore). */
struct vote {
	u32 tile_bytes;
	u64 lead;
};

static void vote_add(struct vote *vote, u32 tile_bytes, u64 bytes)
{
	if (vote->tile_bytes == tile_bytes) {
		vote->lead += bytes;
	} else if (vote->lead >= bytes) {
		vote->lead -= bytes;
	} else {
		vote->tile_bytes = tile_bytes;
		vote->lead = bytes - vote->lead;
	}
}

static int alloc_pieces(struct lwcmem_layout *layout, u64 count)
{
	if (count > PIECES_MAX)
		return -EFBIG;
	layout->pieces = kvcalloc(count ? count : 1, sizeof(*layout->pieces), GFP_KERNEL_ACCOUNT);
	return layout->pieces ? 0 : -ENOMEM;
}

static void add_piece(struct lwcmem_layout *layout, struct vote *vote, u64 start, u64 length,
		      u64 index, u64 object_offset, const struct lwc_object *object)
{
	layout->pieces[layout->count++] = (struct lwcmem_piece) {
		.start = start,
		.length = length,
		.object = index,
		.object_offset = object_offset,
		.object_size = lwc_le64(&object->decoded_size),
		.tile_first = lwc_le64(&object->tile_first),
		.tile_bytes = lwc_le32(&object->tile_bytes),
	};
	vote_add(vote, lwc_le32(&object->tile_bytes), length);
}

/* Arena offsets must grow with the index, without overlap. */
static int load_arena(struct lwcmem_backing *backing, struct lwcmem_layout *layout,
		      struct vote *vote)
{
	u64 objects = lwc_le64(&backing->sb.tables[LWC_TABLE_OBJECTS].count), end = 0, i;
	struct lwc_object object;
	int error;

	layout->length = lwc_le64(&backing->sb.arena_size);
	error = alloc_pieces(layout, objects);
	for (i = 0; !error && i < objects; i++) {
		u64 start, size;

		cond_resched();
		if (fatal_signal_pending(current))
			return -EINTR;
		error = lwcmem_get_object(backing, i, &object);
		if (error)
			break;
		start = lwc_le64(&object.arena_offset);
		size = lwc_le64(&object.decoded_size);
		if (start == LWC_NO_ARENA || !size)
			continue;
		if (start < end)
			return -EBADMSG;
		end = start + size;	/* lwc_object_check: inside the arena */
		add_piece(layout, vote, start, size, i, 0, &object);
	}
	return error;
}

/* Extents must follow each other without holes, inside their objects. */
static int load_extents(struct lwcmem_backing *backing, const struct lwc_file *file,
			struct lwcmem_layout *layout, struct vote *vote)
{
	u64 first = lwc_le64(&file->extent_first), count = lwc_le64(&file->extent_count);
	struct lwc_extent extent;
	struct lwc_object object;
	u64 at = 0, i;
	int error;

	layout->length = lwc_le64(&file->size);
	error = alloc_pieces(layout, count);
	for (i = 0; !error && i < count; i++) {
		u64 length, offset, size;

		cond_resched();
		if (fatal_signal_pending(current))
			return -EINTR;
		error = lwcmem_get_extent(backing, first + i, &extent);
		if (!error)
			error = lwcmem_get_object(backing, lwc_le64(&extent.object), &object);
		if (error)
			break;
		length = lwc_le64(&extent.length);
		offset = lwc_le64(&extent.object_offset);
		size = lwc_le64(&object.decoded_size);
		if (lwc_le64(&extent.file_offset) != at || offset > size ||
		    length > size - offset || length > layout->length - at)
			return -EBADMSG;
		add_piece(layout, vote, at, length, lwc_le64(&extent.object), offset, &object);
		at += length;
	}
	return !error && at != layout->length ? -EBADMSG : error;
}

struct lwcmem_layout *lwcmem_layout_load(struct lwcmem_backing *backing,
					 const struct lwc_file *file)
{
	struct lwcmem_layout *layout = kzalloc(sizeof(*layout), GFP_KERNEL_ACCOUNT);
	struct vote vote = {};
	int error;

	if (!layout)
		return ERR_PTR(-ENOMEM);
	if (file)
		error = load_extents(backing, file, layout, &vote);
	else
		error = load_arena(backing, layout, &vote);
	/* file offsets are signed, and page numbers above this one do not exist */
	if (!error && layout->length > MAX_LFS_FILESIZE)
		error = -EFBIG;
	if (error) {
		lwcmem_layout_free(layout);
		return ERR_PTR(error);
	}
	layout->tile_bytes = vote.tile_bytes ? vote.tile_bytes : LWC_TILE_TARGET;
	return layout;
}

void lwcmem_layout_free(struct lwcmem_layout *layout)
{
	if (!layout)
		return;
	kvfree(layout->pieces);
	kfree(layout);
}

/* Number of the first piece that ends behind pos; layout->count if there is none. */
static u64 find_piece(const struct lwcmem_layout *layout, u64 pos)
{
	u64 low = 0, high = layout->count;

	while (low < high) {
		u64 middle = low + (high - low) / 2;
		const struct lwcmem_piece *piece = &layout->pieces[middle];

		if (piece->start + piece->length > pos)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* The tile of the piece that holds pos, cut to the piece. */
static void find_tile(const struct lwcmem_piece *piece, u64 pos, struct lwcmem_span *span)
{
	u64 at = pos - piece->start + piece->object_offset;	/* in the object */
	u64 number = at / piece->tile_bytes;
	u64 begin = number * piece->tile_bytes;
	u64 end = min(begin + piece->tile_bytes, piece->object_size);

	span->hole = false;
	span->object = piece->object;
	span->number = number;
	span->tile = piece->tile_first + number;
	span->tile_length = end - begin;
	span->skip = begin < piece->object_offset ? piece->object_offset - begin : 0;
	span->start = piece->start + (begin + span->skip - piece->object_offset);
	end = min(end, piece->object_offset + piece->length);
	span->length = end - begin - span->skip;
}

void lwcmem_layout_find(const struct lwcmem_layout *layout, u64 pos, struct lwcmem_span *span)
{
	u64 next = find_piece(layout, pos);
	const struct lwcmem_piece *piece = &layout->pieces[next];

	if (next < layout->count && piece->start <= pos) {
		find_tile(piece, pos, span);
		return;
	}
	memset(span, 0, sizeof(*span));
	span->hole = true;
	span->start = next ? piece[-1].start + piece[-1].length : 0;
	span->length = (next < layout->count ? piece->start : layout->length) - span->start;
}
