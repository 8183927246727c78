// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stored bytes of tiles. They are wanted once, so they are read past the
 * page cache where the filesystem can do that: whole blocks around them. What
 * is in the page cache already is taken from there.
 */
#include <linux/bvec.h>
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/uio.h>
#include <linux/vmalloc.h>

#include "lwcmem.h"

void lwcmem_stored_open(struct lwcmem_backing *backing, const struct path *path)
{
	struct file *file = dentry_open(path, O_RDONLY | O_LARGEFILE | O_DIRECT,
					backing->file->f_cred);

	if (IS_ERR(file))
		return;
	backing->direct = file;
	backing->direct_works = true;
	/* what is read through the page cache are blocks of metadata, with tiles between them */
	backing->file->f_mode |= FMODE_RANDOM;
}

void lwcmem_stored_map(struct lwcmem_buffer *buffer)
{
	unsigned int i;

	for (i = 0; i < LWCMEM_STORED_PAGES; i++)
		buffer->pages[i] = (struct bio_vec) {
			.bv_page = vmalloc_to_page(buffer->stored + i * PAGE_SIZE),
			.bv_len = PAGE_SIZE,
		};
}

/* The bytes read, maybe fewer than length, or an error. */
static ssize_t read_blocks(struct lwcmem_backing *backing, struct lwcmem_buffer *buffer, u64 start,
			   size_t length)
{
	const struct cred *old = override_creds(backing->file->f_cred);
	size_t done = 0;
	ssize_t got;

	do {
		loff_t pos = start + done;
		struct iov_iter to;

		iov_iter_bvec(&to, READ, buffer->pages, LWCMEM_STORED_PAGES, length);
		iov_iter_advance(&to, done);
		got = vfs_iter_read(backing->direct, &to, &pos, 0);
		if (got > 0)
			done += got;
	} while (got > 0 && done < length && done % PAGE_SIZE == 0);
	revert_creds(old);
	return got < 0 ? got : done;
}

const u8 *lwcmem_read_tile(struct lwcmem_backing *backing, struct lwcmem_buffer *buffer, u32 len,
			   u64 offset)
{
	u64 start = round_down(offset, PAGE_SIZE);
	u32 skip = offset - start, length = round_up(skip + len, PAGE_SIZE);
	const u8 *held = lwcmem_resident_hold(backing, len, offset, &buffer->held);
	ssize_t got;
	int error;

	if (held)
		return held;
	if (lwcmem_resident_read(backing, buffer->stored, len, offset))
		return buffer->stored;
	if (len && READ_ONCE(backing->direct_works) &&
	    !filemap_range_has_page(backing->file->f_mapping, offset, offset + len - 1)) {
		got = read_blocks(backing, buffer, start, length);
		if (got >= (ssize_t)skip + (ssize_t)len)
			return buffer->stored + skip;
		if (got != -EINVAL)
			return ERR_PTR(got < 0 ? got : -EIO);
		/* its blocks are larger than ours, say: it says no for good */
		WRITE_ONCE(backing->direct_works, false);
	}
	error = lwcmem_read_file(backing, buffer->stored, len, offset);
	return error ? ERR_PTR(error) : buffer->stored;
}

void lwcmem_tile_done(struct lwcmem_buffer *buffer)
{
	if (buffer->held)
		folio_put(buffer->held);
	buffer->held = NULL;
}
