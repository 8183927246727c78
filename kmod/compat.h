/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels that lwcmem builds for, and nothing else.
 * Kbuild probes the headers for the names that decide.
 */
#ifndef LWCMEM_COMPAT_H
#define LWCMEM_COMPAT_H

#include <linux/err.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/uio.h>

/* Splicing out of the page cache. */
#ifdef LWCMEM_HAVE_FILEMAP_SPLICE_READ
#define lwcmem_splice_read	filemap_splice_read
#else
#define lwcmem_splice_read	generic_file_splice_read
#endif

/* "Buffered reads may wait for a page asynchronously": of the file, later of its operations. */
#ifdef LWCMEM_HAVE_FOP_BUFFER_RASYNC
#define LWCMEM_FOP_FLAGS	.fop_flags = FOP_BUFFER_RASYNC,
#define LWCMEM_FMODE		FMODE_NOWAIT
#else
#define LWCMEM_FOP_FLAGS
#define LWCMEM_FMODE		(FMODE_NOWAIT | FMODE_BUF_RASYNC)
#endif

/*
 * Take hold of the pages of user memory that the iterator names next, to write
 * to them; and let go of one that was written to.
 */
static inline ssize_t lwcmem_hold_pages(struct iov_iter *iter, struct page **pages,
					unsigned int max, size_t *offset)
{
#ifdef LWCMEM_HAVE_EXTRACT_PAGES
	return iov_iter_extract_pages(iter, &pages, SIZE_MAX, max, 0, offset);
#else
	return iov_iter_get_pages2(iter, pages, SIZE_MAX, max, offset);
#endif
}

static inline void lwcmem_release_page(struct page *page)
{
#ifdef LWCMEM_HAVE_EXTRACT_PAGES
	unpin_user_pages_dirty_lock(&page, 1, true);
#else
	set_page_dirty_lock(page);
	put_page(page);
#endif
}

/* How a mount maps owners, in getattr. */
#ifdef LWCMEM_HAVE_MNT_IDMAP
#define lwcmem_idmap	mnt_idmap
#else
#define lwcmem_idmap	user_namespace
#endif

static inline void lwcmem_fillattr(struct lwcmem_idmap *idmap, u32 mask, struct inode *inode,
				   struct kstat *stat)
{
#ifdef LWCMEM_HAVE_FILLATTR_MASK
	generic_fillattr(idmap, mask, inode, stat);
#else
	generic_fillattr(idmap, inode, stat);
#endif
}

/* All times of an inode are when the other one was modified. */
static inline void lwcmem_copy_times(struct inode *inode, const struct inode *from)
{
#ifdef LWCMEM_HAVE_INODE_GET_MTIME
	struct timespec64 time = inode_get_mtime(from);

	inode_set_atime_to_ts(inode, time);
	inode_set_mtime_to_ts(inode, time);
	inode_set_ctime_to_ts(inode, time);
#else
	inode->i_atime = inode->i_mtime = inode->i_ctime = from->i_mtime;
#endif
}

/* The folio at index, locked, created if missing; NULL if it cannot be had without waiting. */
static inline struct folio *lwcmem_trylock_folio(struct address_space *mapping, pgoff_t index)
{
	struct folio *folio = __filemap_get_folio(mapping, index,
						  FGP_LOCK | FGP_CREAT | FGP_NOWAIT,
						  mapping_gfp_mask(mapping) | __GFP_NORETRY);

	return IS_ERR_OR_NULL(folio) ? NULL : folio;
}

enum lwcmem_folio_state {
	LWCMEM_FOLIO_ABSENT,
	LWCMEM_FOLIO_PENDING,	/* in the cache, but not filled */
	LWCMEM_FOLIO_FILLED,
};

static inline enum lwcmem_folio_state lwcmem_folio_state(struct address_space *mapping,
							 pgoff_t index)
{
	struct folio *folio = filemap_get_folio(mapping, index);
	bool filled;

	if (IS_ERR_OR_NULL(folio))
		return LWCMEM_FOLIO_ABSENT;
	filled = folio_test_uptodate(folio);
	folio_put(folio);
	return filled ? LWCMEM_FOLIO_FILLED : LWCMEM_FOLIO_PENDING;
}

#endif
