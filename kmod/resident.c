// SPDX-License-Identifier: GPL-2.0-only
/*
 * The container held in RAM: an inode without a name, whose page cache has all
 * of its bytes for as long as somebody has a reference to it; or one on each NUMA
 * node. Decoding takes stored bytes from it; a file on it is the packed view.
 *
 * Its folios are filled before anybody sees the inode. They are on no list that
 * reclaim walks, and private data keeps what invalidates clean folios (fadvise,
 * drop_caches) and what splits large ones (madvise) from them.
 */
#include <linux/completion.h>
#include <linux/cpuset.h>
#include <linux/err.h>
#include <linux/fadvise.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/mount.h>
#include <linux/nodemask.h>
#include <linux/pagemap.h>
#include <linux/refcount.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "lwcmem.h"

/* Of the largest folio: the one that a huge page maps. */
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
#define ORDER_MAX	HPAGE_PMD_ORDER
#else
#define ORDER_MAX	0
#endif
#define ORDER_MIN	2	/* of large ones: a folio of two pages has no room for what THP keeps */
#define ORDER_STEP	9	/* 2 MiB are on one node, and read at once, */
#define FOLIOS_MAX	64	/* but not more than so many folios */

/* --- operations of the page cache --- */

/*
 * What an update has appended since is not held, so the slot that it wrote must
 * read as one that was never written.
 */
static void hide_newer(struct lwcmem_backing *backing, u8 *data, loff_t pos, size_t len)
{
	u32 i;

	for (i = 0; i < LWC_SUPERBLOCK_SLOTS; i++) {
		loff_t at = (loff_t)i * LWC_SUPERBLOCK_SIZE;
		struct lwc_superblock *slot;

		if (at < pos || at + LWC_SUPERBLOCK_SIZE > pos + len)
			continue;
		slot = (struct lwc_superblock *)(data + (at - pos));
		if (lwc_superblock_written(slot) &&
		    lwc_le64(&slot->generation) > lwc_le64(&backing->sb.generation))
			memset(slot, 0, sizeof(*slot));
	}
}

static int fill(struct lwcmem_backing *backing, struct folio *folio)
{
	u64 left = lwc_le64(&backing->sb.file_size) - folio_pos(folio);
	size_t len = min_t(u64, left, folio_size(folio));
	u8 *data = folio_address(folio);
	/* from the copy of another node, if there is one */
	int error = lwcmem_read_stored(backing, data, len, folio_pos(folio));

	if (error)
		return error;
	memset(data + len, 0, folio_size(folio) - len);
	hide_newer(backing, data, folio_pos(folio), len);
	folio_attach_private(folio, backing);
	atomic64_add(folio_size(folio), &backing->resident_bytes);
	folio_mark_uptodate(folio);
	return 0;
}

/* Of a page that was lost to a memory failure: all others were filled at first. */
static int read_folio(struct file *file, struct folio *folio)
{
	int error = fill(lwcmem_backing_of(folio->mapping->host), folio);

	folio_unlock(folio);
	return error;
}

static bool release_folio(struct folio *folio, gfp_t gfp)
{
	return false;
}

static void invalidate_folio(struct folio *folio, size_t offset, size_t len)
{
	struct lwcmem_backing *backing;

	if (offset || len != folio_size(folio))
		return;
	backing = folio_detach_private(folio);
	if (backing)
		atomic64_sub(len, &backing->resident_bytes);
}

static const struct address_space_operations packed_aops = {
	.read_folio = read_folio,
	.release_folio = release_folio,
	.invalidate_folio = invalidate_folio,
	.migrate_folio = filemap_migrate_folio,
};

/* --- loading --- */

static gfp_t folio_gfp(unsigned int order)
{
	/* neither may have the OOM killer called: ENOMEM is the answer to what does not fit */
	return GFP_USER | __GFP_MOVABLE | __GFP_NOWARN |
	       (order ? __GFP_NORETRY : __GFP_RETRY_MAYFAIL);
}

/* Where memory comes from: NUMA_NO_NODE is as the memory policy of the caller says. */
struct place {
	int node;
	bool interleave;	/* node is that of the last folio */
};

static struct folio *alloc_folio(unsigned int order, const struct place *place)
{
	gfp_t gfp = folio_gfp(order);

	if (place->node == NUMA_NO_NODE)
		return filemap_alloc_folio(gfp, order);
	/* a copy of a node is worth nothing on another one */
	return __folio_alloc_node(place->interleave ? gfp : gfp | __GFP_THISNODE, order, place->node);
}

static unsigned int order_at(pgoff_t index, pgoff_t end)
{
	unsigned int order = min_t(unsigned int, ORDER_MAX, ilog2(end - index));

	if (index)
		order = min_t(unsigned int, order, __ffs(index));
	return order < ORDER_MIN ? 0 : order;
}

/* A locked folio at index, the largest that memory has, in the page cache. */
static struct folio *add_folio(struct address_space *mapping, pgoff_t index, pgoff_t end,
			       struct place *place)
{
	unsigned int order = order_at(index, end);
	struct folio *folio;
	int error;

	if (place->interleave && !(index & ((1u << ORDER_STEP) - 1)))
		place->node = next_node_in(place->node, cpuset_current_mems_allowed);
	for (;;) {
		error = -ENOMEM;
		folio = alloc_folio(order, place);
		if (folio) {
			error = filemap_add_folio(mapping, folio, index, folio_gfp(order));
			if (!error)
				return folio;
			folio_put(folio);
		}
		if (fatal_signal_pending(current))
			return ERR_PTR(-EINTR);
		if (!order)
			return ERR_PTR(error);
		order = order == ORDER_MIN ? 0 : order - 1;
	}
}

/*
 * Folios that are being filled, by a worker: the filesystem below may let nobody
 * leave who waits for it, and whoever attaches must be able to. Memory that it
 * needs for its own is not charged to them either, so that the container held so
 * far cannot leave it without. Who loads and the worker have a reference each.
 */
struct lwcmem_load {
	struct work_struct work;
	refcount_t users;
	struct completion done;
	struct inode *inode;		/* a reference of the worker while it runs */
	struct vfsmount *mount;		/* so, too */
	int error;
	unsigned int count;
	struct folio *folios[FOLIOS_MAX];	/* locked, with a reference each */
};

static void put_load(struct lwcmem_load *load)
{
	if (refcount_dec_and_test(&load->users))
		kfree(load);
}

static void fill_all(struct work_struct *work)
{
	struct lwcmem_load *load = container_of(work, struct lwcmem_load, work);
	struct vfsmount *mount = load->mount;
	struct inode *inode = load->inode;
	struct lwcmem_backing *backing = lwcmem_backing_of(inode);
	loff_t start = folio_pos(load->folios[0]), end = start;
	unsigned int i;

	for (i = 0; i < load->count; i++) {
		struct folio *folio = load->folios[i];

		if (!load->error)
			load->error = fill(backing, folio);
		end = folio_pos(folio) + folio_size(folio);
		folio_unlock(folio);
		folio_put(folio);
	}
	/* held here, it need not be in the container's own page cache as well */
	vfs_fadvise(backing->file, start, end - start, POSIX_FADV_DONTNEED);
	complete(&load->done);
	put_load(load);
	/* may be the last ones */
	iput(inode);
	mntput(mount);
}

/* Fill what was added; EINTR with a fatal signal, and then it goes on without us. */
static int run_fill(struct lwcmem_backing *backing, struct lwcmem_load *load)
{
	ihold(load->inode);
	mntget(load->mount);
	refcount_inc(&load->users);
	reinit_completion(&load->done);
	queue_work(backing->loaders, &load->work);
	return wait_for_completion_killable(&load->done) ? -EINTR : load->error;
}

static int load_all(struct lwcmem_backing *backing, struct lwcmem_load *load, struct place *place)
{
	struct inode *inode = load->inode;
	pgoff_t index = 0, first, end = DIV_ROUND_UP_ULL(inode->i_size, PAGE_SIZE);
	int added = 0, error = 0;
	struct folio *folio;

	/* what cannot fit must not drive out what others have cached */
	if (end > max(si_mem_available(), 0l))
		return -ENOMEM;
	while (!error && !added && index < end) {
		first = index;
		load->count = 0;
		do {
			folio = add_folio(inode->i_mapping, index, end, place);
			added = PTR_ERR_OR_ZERO(folio);
			if (added)
				break;
			load->folios[load->count++] = folio;
			index = folio_next_index(folio);
		} while (index < end && load->count < FOLIOS_MAX && index - first < 1u << ORDER_STEP);
		if (load->count)
			error = run_fill(backing, load);
	}
	/* the rest goes as soon as the worker is done with it */
	if (error == -EINTR && first)
		truncate_inode_pages_range(inode->i_mapping, 0, ((loff_t)first << PAGE_SHIFT) - 1);
	return error ? error : added;
}

static int load(struct lwcmem_backing *backing, struct inode *inode, struct vfsmount *mount,
		struct place *place)
{
	struct lwcmem_load *load = kzalloc(sizeof(*load), GFP_KERNEL);
	int error;

	if (!load)
		return -ENOMEM;
	INIT_WORK(&load->work, fill_all);
	refcount_set(&load->users, 1);
	init_completion(&load->done);
	load->inode = inode;
	load->mount = mount;
	error = load_all(backing, load, place);
	put_load(load);
	return error;
}

static struct inode *new_resident(struct super_block *sb)
{
	struct lwcmem_backing *backing = sb->s_fs_info;
	struct lwcmem_layout *layout = kzalloc(sizeof(*layout), GFP_KERNEL_ACCOUNT);
	struct inode *inode = layout ? new_inode(sb) : NULL;

	if (!inode) {
		kfree(layout);
		return NULL;
	}
	layout->length = lwc_le64(&backing->sb.file_size);
	lwcmem_inode(inode)->view = LWCMEM_VIEW_PACKED;
	lwcmem_inode(inode)->file = 0;
	inode->i_ino = U32_MAX;
	lwcmem_init_inode(inode, S_IFREG | 0444, d_inode(sb->s_root));
	lwcmem_init_region(inode, layout);
	inode->i_mapping->a_ops = &packed_aops;
	mapping_set_gfp_mask(inode->i_mapping, folio_gfp(0));
	mapping_set_large_folios(inode->i_mapping);
	mapping_set_unevictable(inode->i_mapping);
	return inode;
}

/* --- for others --- */

/* What somebody holds: references to one copy or to one of each node. */
struct lwcmem_held {
	unsigned int count;
	struct inode *copies[];
};

static struct inode *grab_slot(struct lwcmem_backing *backing, unsigned int slot)
{
	struct inode *inode;

	spin_lock(&backing->lock);
	inode = backing->residents[slot];
	if (inode)
		inode = igrab(inode);
	spin_unlock(&backing->lock);
	return inode;
}

struct inode *lwcmem_resident_grab(struct lwcmem_backing *backing)
{
	struct inode *inode;
	unsigned int slot;

	if (!atomic64_read(&backing->resident_bytes))
		return NULL;
	inode = grab_slot(backing, 1 + numa_node_id());
	for (slot = 0; !inode && slot <= nr_node_ids; slot++)
		inode = grab_slot(backing, slot);
	return inode;
}

static struct inode *load_slot(struct vfsmount *mount, unsigned int slot, struct place *place)
{
	struct lwcmem_backing *backing = mount->mnt_sb->s_fs_info;
	struct inode *inode = new_resident(mount->mnt_sb);
	int error = inode ? load(backing, inode, mount, place) : -ENOMEM;

	if (error) {
		iput(inode);
		return ERR_PTR(error);
	}
	spin_lock(&backing->lock);
	backing->residents[slot] = inode;
	spin_unlock(&backing->lock);
	return inode;
}

static int hold(struct lwcmem_held *held, struct inode *inode)
{
	if (IS_ERR(inode))
		return PTR_ERR(inode);
	held->copies[held->count++] = inode;
	return 0;
}

static int hold_one(struct lwcmem_held *held, struct vfsmount *mount, bool interleave)
{
	struct place place = { NUMA_NO_NODE, interleave };

	return hold(held, lwcmem_resident_grab(mount->mnt_sb->s_fs_info) ?:
			  load_slot(mount, 0, &place));
}

static int hold_each(struct lwcmem_held *held, struct vfsmount *mount, const nodemask_t *nodes)
{
	int node, error;

	for_each_node_mask(node, *nodes) {
		struct place place = { node, false };

		error = hold(held, grab_slot(mount->mnt_sb->s_fs_info, 1 + node) ?:
				   load_slot(mount, 1 + node, &place));
		if (error)
			return error;
	}
	return 0;
}

struct lwcmem_held *lwcmem_resident_get(struct vfsmount *mount, u32 flags)
{
	struct lwcmem_backing *backing = mount->mnt_sb->s_fs_info;
	nodemask_t nodes = cpuset_current_mems_allowed;
	unsigned int most = flags & LWCMEM_REPLICATE ? nodes_weight(nodes) : 1;
	struct lwcmem_held *held = kzalloc(struct_size(held, copies, most), GFP_KERNEL_ACCOUNT);
	int error;

	if (!held)
		return ERR_PTR(-ENOMEM);
	error = mutex_lock_killable(&backing->resident_lock);
	if (!error) {
		if (flags & LWCMEM_REPLICATE)
			error = hold_each(held, mount, &nodes);
		else
			error = hold_one(held, mount, flags & LWCMEM_INTERLEAVE);
		mutex_unlock(&backing->resident_lock);
	}
	if (!error)
		return held;
	lwcmem_resident_put(held);
	return ERR_PTR(error);
}

void lwcmem_resident_put(struct lwcmem_held *held)
{
	unsigned int i;

	for (i = 0; held && i < held->count; i++)
		iput(held->copies[i]);
	kfree(held);
}

void lwcmem_resident_evict(struct inode *inode)
{
	struct lwcmem_backing *backing = lwcmem_backing_of(inode);
	unsigned int slot;

	spin_lock(&backing->lock);
	for (slot = 0; slot <= nr_node_ids; slot++)
		if (backing->residents[slot] == inode)
			backing->residents[slot] = NULL;
	spin_unlock(&backing->lock);
}

/* The folio that has the byte, with a reference, or NULL. */
static struct folio *find_folio(struct inode *inode, u64 offset)
{
	struct folio *folio = filemap_get_folio(inode->i_mapping, offset >> PAGE_SHIFT);

	if (IS_ERR_OR_NULL(folio))
		return NULL;
	if (folio_test_uptodate(folio))
		return folio;
	folio_put(folio);
	return NULL;
}

const u8 *lwcmem_resident_hold(struct lwcmem_backing *backing, size_t len, u64 offset,
			       struct folio **held)
{
	struct inode *inode = lwcmem_resident_grab(backing);
	struct folio *folio = inode ? find_folio(inode, offset) : NULL;

	/* who has the folio does not need the inode any more */
	iput(inode);
	if (!folio)
		return NULL;
	offset -= folio_pos(folio);
	if (len > folio_size(folio) - offset) {
		folio_put(folio);
		return NULL;
	}
	*held = folio;
	return folio_address(folio) + offset;
}

bool lwcmem_resident_read(struct lwcmem_backing *backing, void *data, size_t len, u64 offset)
{
	struct inode *inode = lwcmem_resident_grab(backing);
	struct folio *folio;
	size_t skip, part;

	if (!inode)
		return false;
	while (len && offset < inode->i_size) {
		folio = find_folio(inode, offset);
		if (!folio)
			break;
		skip = offset - folio_pos(folio);
		part = min_t(u64, folio_size(folio) - skip, inode->i_size - offset);
		part = min(part, len);
		memcpy(data, folio_address(folio) + skip, part);
		folio_put(folio);
		data += part;
		offset += part;
		len -= part;
	}
	iput(inode);
	return !len;
}
