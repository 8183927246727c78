// SPDX-License-Identifier: GPL-2.0-only
/* The .lwc behind a region: its superblock, its metadata, its stored bytes. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cred.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/memcontrol.h>
#include <linux/nodemask.h>
#include <linux/overflow.h>
#include <linux/pagemap.h>
#include <linux/printk.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "lwcmem.h"

static int lwcmem_errno(enum lwc_error error)
{
	switch (error) {
	case LWC_OK:
		return 0;
	case LWC_ERR_FEATURE:
	case LWC_ERR_VERSION:
		return -EOPNOTSUPP;
	default:
		return -EBADMSG;
	}
}

static int read_exactly(struct file *file, void *data, size_t len, loff_t pos)
{
	while (len) {
		ssize_t got = kernel_read(file, data, len, &pos);

		if (got <= 0)
			return got ? got : -EIO;
		data += got;
		len -= got;
	}
	return 0;
}

/* As who opened the container: a worker's own credentials may mean nothing to its filesystem. */
int lwcmem_read_file(struct lwcmem_backing *backing, void *data, size_t len, u64 offset)
{
	const struct cred *old = override_creds(backing->file->f_cred);
	int error = read_exactly(backing->file, data, len, offset);

	revert_creds(old);
	return error;
}

int lwcmem_read_stored(struct lwcmem_backing *backing, void *data, size_t len, u64 offset)
{
	if (lwcmem_resident_read(backing, data, len, offset))
		return 0;
	return lwcmem_read_file(backing, data, len, offset);
}

int lwcmem_label(const struct lwcmem_backing *backing, char label[LWCMEM_LABEL])
{
	int length = snprintf(label, LWCMEM_LABEL, "%pD4", backing->file);

	/* the name itself always fits */
	return length < LWCMEM_LABEL ? length :
	       scnprintf(label, LWCMEM_LABEL, "%pD", backing->file);
}

static void report_unknown(const struct lwcmem_backing *backing, u64 unknown)
{
	char label[LWCMEM_LABEL];
	int length = lwcmem_label(backing, label);

	pr_err_ratelimited("%*pE: needs features (incompat bits 0x%llx) that this module does not know\n",
			   length, label, unknown);
}

/* The newest slot that is as it was written: the other one may be what a crash left. */
static int choose_superblock(struct lwcmem_backing *backing)
{
	struct lwc_superblock *slot = kmalloc(sizeof(*slot), GFP_KERNEL);
	loff_t size = i_size_read(file_inode(backing->file));
	int result = -EBADMSG;
	bool found = false;
	u64 unknown = 0;
	u32 i;

	if (!slot)
		return -ENOMEM;
	for (i = 0; i < LWC_SUPERBLOCK_SLOTS && size >= LWC_DATA_START; i++) {
		int error = lwcmem_read_stored(backing, slot, sizeof(*slot),
					       (u64)i * LWC_SUPERBLOCK_SIZE);

		if (error) {
			result = error;
			break;
		}
		if (!lwc_superblock_written(slot) ||
		    (found && lwc_le64(&slot->generation) <= lwc_le64(&backing->sb.generation)))
			continue;
		backing->sb = *slot;
		found = true;
		result = lwcmem_errno(lwc_superblock_check(slot, size, &unknown));
	}
	kfree(slot);
	if (result == -EOPNOTSUPP && unknown)
		report_unknown(backing, unknown);
	return result;
}

/* --- metadata: one folio of the inode is one block that passed its check --- */

#define META_TABLE_SHIFT	56	/* of a folio's index; a file has fewer blocks than this */

int lwcmem_read_block(struct lwcmem_backing *backing, u32 table, u64 index,
		      struct lwc_block *block)
{
	u64 offset = lwc_le64(&backing->sb.tables[table].offset) + index * LWC_BLOCK_SIZE;
	int error = lwcmem_read_stored(backing, block, LWC_BLOCK_SIZE, offset);

	if (error)
		return error;
	return lwcmem_errno(lwc_block_check(block, &backing->sb, table, index));
}

static int meta_read_folio(struct file *file, struct folio *folio)
{
	struct lwcmem_backing *backing = folio->mapping->host->i_private;
	int error = lwcmem_read_block(backing, folio->index >> META_TABLE_SHIFT,
				      folio->index & ((1ull << META_TABLE_SHIFT) - 1),
				      folio_address(folio));

	if (!error)
		folio_mark_uptodate(folio);
	folio_unlock(folio);
	return error;
}

static const struct address_space_operations meta_aops = {
	.read_folio = meta_read_folio,
};

static int meta_init(struct lwcmem_backing *backing, struct super_block *sb)
{
	BUILD_BUG_ON(PAGE_SIZE != LWC_BLOCK_SIZE);
	backing->meta = new_inode(sb);
	if (!backing->meta)
		return -ENOMEM;
	/* folios are written by address */
	mapping_set_gfp_mask(backing->meta->i_mapping, GFP_NOFS);
	backing->meta->i_mapping->a_ops = &meta_aops;
	backing->meta->i_private = backing;
	backing->meta->i_size = MAX_LFS_FILESIZE;
	return 0;
}

static int check_file(const struct file *file, u32 flags)
{
	int error = lwcmem_check_container(file);

	if (error)
		return error;
	return flags & LWCMEM_REQUIRE_VERITY && !IS_VERITY(file_inode(file)) ? -ENODATA : 0;
}

/* One container by itself. */
static struct lwcmem_backing *open_one(struct file *file, u32 flags)
{
	struct lwcmem_backing *backing;
	struct file *own;
	int error = check_file(file, flags);

	if (error)
		return ERR_PTR(error);
	backing = kzalloc(struct_size(backing, residents, nr_node_ids + 1), GFP_KERNEL_ACCOUNT);
	if (!backing)
		return ERR_PTR(-ENOMEM);
	/* flags and read-ahead state of the caller's open are not ours to share */
	own = dentry_open(&file->f_path, O_RDONLY | O_LARGEFILE, file->f_cred);
	if (IS_ERR(own)) {
		kfree(backing);
		return ERR_CAST(own);
	}
	backing->file = own;
	backing->verity = IS_VERITY(file_inode(own));
	lwcmem_stored_open(backing, &file->f_path);
	spin_lock_init(&backing->lock);
	mutex_init(&backing->resident_lock);
	hash_init(backing->tiles);
	INIT_LIST_HEAD(&backing->idle);
	INIT_LIST_HEAD(&backing->held);
	INIT_LIST_HEAD(&backing->spare);
	init_waitqueue_head(&backing->buffer_wait);
	backing->memcg = get_mem_cgroup_from_mm(current->mm);
	error = choose_superblock(backing);
	if (!error)
		return backing;
	lwcmem_backing_free(backing);
	return ERR_PTR(error);
}

struct lwcmem_backing *lwcmem_backing_open(struct file *file, struct file *const *bases,
					   u32 base_count, u32 flags)
{
	struct lwcmem_backing *backing, *base = NULL;
	int error;

	if (base_count > LWC_MAX_DEPS)
		return ERR_PTR(-EINVAL);
	backing = open_one(file, flags);
	if (IS_ERR(backing))
		return backing;
	if (base_count)
		base = open_one(bases[0], flags);
	if (IS_ERR(base)) {
		error = PTR_ERR(base);
	} else {
		backing->base = base;
		error = lwcmem_base_check(backing);
	}
	if (!error)
		return backing;
	lwcmem_backing_free(backing);
	return ERR_PTR(error);
}

int lwcmem_backing_start(struct lwcmem_backing *backing, struct super_block *sb)
{
	int error = lwcmem_buffers_init(backing);

	if (!error && backing->base)
		error = meta_init(backing->base, sb);
	if (error)
		return error;
	backing->servers = alloc_workqueue("lwcmem-serve", WQ_UNBOUND, 0);
	if (!backing->servers)
		return -ENOMEM;
	backing->loaders = alloc_workqueue("lwcmem-load", WQ_UNBOUND, 0);
	if (!backing->loaders)
		return -ENOMEM;
	backing->decoders = alloc_workqueue("lwcmem-decode", WQ_UNBOUND, lwcmem_buffers_max());
	if (!backing->decoders)
		return -ENOMEM;
	atomic64_inc(&lwcmem_backings);
	return meta_init(backing, sb);
}

void lwcmem_backing_stop(struct lwcmem_backing *backing)
{
	if (backing->decoders)
		lwcmem_tiles_drain(backing);
	iput(backing->meta);
	backing->meta = NULL;
	if (backing->base)
		lwcmem_backing_stop(backing->base);
}

void lwcmem_backing_free(struct lwcmem_backing *backing)
{
	if (!backing)
		return;
	if (backing->decoders) {
		destroy_workqueue(backing->decoders);
		atomic64_dec(&lwcmem_backings);
	}
	if (backing->servers)
		destroy_workqueue(backing->servers);
	if (backing->loaders)
		destroy_workqueue(backing->loaders);
	lwcmem_buffers_free(backing);
	lwcmem_backing_free(backing->base);
	mem_cgroup_put(backing->memcg);
	if (backing->direct)
		fput(backing->direct);
	fput(backing->file);
	kfree(backing);
}

/* Bytes that were read before a file became one of fs-verity were not checked by it. */
bool lwcmem_backing_same(const struct lwcmem_backing *a, const struct lwcmem_backing *b)
{
	if (!a || !b)
		return a == b;
	return file_inode(a->file) == file_inode(b->file) && a->verity == b->verity &&
	       a->sb.generation == b->sb.generation &&
	       !memcmp(a->sb.uuid, b->sb.uuid, sizeof(a->sb.uuid)) &&
	       lwcmem_backing_same(a->base, b->base);
}

/* len bytes at an entry; the caller has checked that index lies in the table. */
static int copy_entry(struct lwcmem_backing *backing, u32 table, u64 index, void *to, u32 len)
{
	struct lwc_block_position at = lwc_table_position(lwc_table_entry_size(table), index);
	struct lwc_block *block;
	struct folio *folio;

	folio = read_mapping_folio(backing->meta->i_mapping,
				   (pgoff_t)table << META_TABLE_SHIFT | at.block, NULL);
	if (IS_ERR(folio))
		return PTR_ERR(folio);
	block = folio_address(folio);
	memcpy(to, block->payload + at.offset, len);
	folio_put(folio);
	return 0;
}

static int get_entry(struct lwcmem_backing *backing, u32 table, u64 index, void *entry)
{
	if (index >= lwc_le64(&backing->sb.tables[table].count))
		return -EBADMSG;
	return copy_entry(backing, table, index, entry, lwc_table_entry_size(table));
}

int lwcmem_get_file(struct lwcmem_backing *backing, u64 index, struct lwc_file *file)
{
	int error = get_entry(backing, LWC_TABLE_FILES, index, file);

	return error ? error : lwcmem_errno(lwc_file_check(file, &backing->sb));
}

int lwcmem_get_extent(struct lwcmem_backing *backing, u64 index, struct lwc_extent *extent)
{
	int error = get_entry(backing, LWC_TABLE_EXTENTS, index, extent);

	return error ? error : lwcmem_errno(lwc_extent_check(extent, &backing->sb));
}

int lwcmem_get_object(struct lwcmem_backing *backing, u64 index, struct lwc_object *object)
{
	int error = get_entry(backing, LWC_TABLE_OBJECTS, index, object);

	return error ? error : lwcmem_errno(lwc_object_check(object, &backing->sb));
}

static int get_tile_entry(struct lwcmem_backing *backing, u64 index, u32 length,
			  struct lwc_tile *tile)
{
	int error = get_entry(backing, LWC_TABLE_TILES, index, tile);

	return error ? error : lwcmem_errno(lwc_tile_check(tile, &backing->sb, length));
}

int lwcmem_get_tile(struct lwcmem_backing *backing, u64 index, u32 length, struct lwc_tile *tile)
{
	int error = get_tile_entry(backing, index, length, tile);
	struct lwc_tile copy;

	if (error || tile->chain[0] != LWC_CODEC_COPY)
		return error;
	copy = *tile;
	error = get_tile_entry(backing, lwc_le64(&copy.ref), length, tile);
	if (error)
		return error;
	return lwcmem_errno(lwc_copy_check(&copy, tile));
}

int lwcmem_copy_names(struct lwcmem_backing *backing, u64 offset, char *to, u32 len)
{
	while (len) {
		struct lwc_block_position at = lwc_table_position(1, offset);
		u32 part = min_t(u32, len, LWC_BLOCK_PAYLOAD - at.offset);
		int error = copy_entry(backing, LWC_TABLE_NAMES, offset, to, part);

		if (error)
			return error;
		offset += part;
		to += part;
		len -= part;
	}
	return 0;
}

char *lwcmem_get_name(struct lwcmem_backing *backing, const struct lwc_object *object)
{
	u32 length = lwc_le32(&object->name_length);
	char *name;

	if (!length)
		return NULL;
	name = kmalloc(length + 1, GFP_NOFS);
	if (!name)
		return NULL;
	if (lwcmem_copy_names(backing, lwc_le64(&object->name_offset), name, length)) {
		kfree(name);
		return NULL;
	}
	name[length] = '\0';
	return name;
}
