// SPDX-License-Identifier: GPL-2.0-only
/*
 * Superblock and inodes of a backing, and the file operations of a region.
 * One superblock serves all regions of a container, so that they share one
 * page cache; each region file has a private mount of it and so keeps it.
 */
#include <linux/backing-dev.h>
#include <linux/compat.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs_context.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "lwcmem.h"

#define LWCMEM_SUPER_MAGIC	0x6c77636d	/* "lwcm" */
#define READAHEAD_TILES		8		/* in flight for one reader */

static struct kmem_cache *inode_cache;

/* --- file operations --- */

static int region_open(struct inode *inode, struct file *file)
{
	file->f_mode |= LWCMEM_FMODE;
	atomic64_inc(&lwcmem_regions);
	return 0;
}

static int region_release(struct inode *inode, struct file *file)
{
	atomic64_dec(&lwcmem_regions);
	return 0;
}

static ssize_t region_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct lwcmem_backing *backing = lwcmem_backing_of(file_inode(iocb->ki_filp));
	ssize_t got = generic_file_read_iter(iocb, to);

	if (got > 0)
		atomic64_add(got, &backing->stats.bytes_read);
	return got;
}

static long region_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	void __user *user = (void __user *)argument;
	struct lwcmem_info info;
	int error;

	if (!lwcmem_is_command(command, LWCMEM_IOC_INFO))
		return -ENOTTY;
	error = lwcmem_copy_in(&info, sizeof(info), user);
	if (error)
		return error;
	lwcmem_fill_info(&info, file_inode(file));
	return lwcmem_copy_out(user, &info, sizeof(info));
}

static const struct file_operations region_fops = {
	.owner = THIS_MODULE,
	.open = region_open,
	.release = region_release,
	.llseek = generic_file_llseek,
	.read_iter = region_read_iter,
	.mmap = generic_file_readonly_mmap,
	.splice_read = lwcmem_splice_read,
	.unlocked_ioctl = region_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.show_fdinfo = lwcmem_show_fdinfo,
	LWCMEM_FOP_FLAGS
};

/* --- inodes: one for each view and file --- */

static struct inode *alloc_inode(struct super_block *sb)
{
	struct lwcmem_inode *region = alloc_inode_sb(sb, inode_cache, GFP_KERNEL);

	if (!region)
		return NULL;
	region->layout = NULL;
	return &region->vfs_inode;
}

static void free_inode(struct inode *inode)
{
	kmem_cache_free(inode_cache, lwcmem_inode(inode));
}

static void evict_inode(struct inode *inode)
{
	truncate_inode_pages_final(&inode->i_data);
	clear_inode(inode);
	lwcmem_layout_free(lwcmem_inode(inode)->layout);
	lwcmem_inode(inode)->layout = NULL;
}

static void init_once(void *object)
{
	struct lwcmem_inode *region = object;

	inode_init_once(&region->vfs_inode);
}

struct inode_key {
	u32 view;
	u64 file;
};

static unsigned long key_hash(const struct inode_key *key)
{
	return key->file << 1 | key->view;
}

static int inode_test(struct inode *inode, void *data)
{
	struct inode_key *key = data;

	return lwcmem_inode(inode)->view == key->view && lwcmem_inode(inode)->file == key->file;
}

static int inode_set(struct inode *inode, void *data)
{
	struct inode_key *key = data;

	lwcmem_inode(inode)->view = key->view;
	lwcmem_inode(inode)->file = key->file;
	inode->i_ino = key_hash(key) + 2;	/* 1 is the root */
	return 0;
}

static void init_region_inode(struct inode *inode, struct lwcmem_layout *layout)
{
	lwcmem_inode(inode)->layout = layout;
	inode->i_mode = S_IFREG | 0444;
	inode->i_size = layout->length;
	inode->i_blocks = DIV_ROUND_UP_ULL(layout->length, 512);
	lwcmem_init_times(inode);
	inode->i_fop = &region_fops;
	inode->i_mapping->a_ops = &lwcmem_aops;
	mapping_set_gfp_mask(inode->i_mapping, GFP_USER | __GFP_MOVABLE);
}

static struct inode *get_inode(struct super_block *sb, u32 view, u64 file)
{
	struct inode_key key = { view, file };
	struct lwcmem_layout *layout;
	struct inode *inode;

	inode = iget5_locked(sb, key_hash(&key), inode_test, inode_set, &key);
	if (!inode)
		return ERR_PTR(-ENOMEM);
	if (!(inode->i_state & I_NEW))
		return inode;
	layout = lwcmem_layout_load(sb->s_fs_info, view, file);
	if (IS_ERR(layout)) {
		iget_failed(inode);
		return ERR_CAST(layout);
	}
	init_region_inode(inode, layout);
	unlock_new_inode(inode);
	return inode;
}

/* --- superblock --- */

static void put_super(struct super_block *sb)
{
	lwcmem_backing_stop(sb->s_fs_info);
}

static const struct super_operations super_ops = {
	.alloc_inode = alloc_inode,
	.free_inode = free_inode,
	.evict_inode = evict_inode,
	.put_super = put_super,
	.statfs = simple_statfs,
};

static int make_root(struct super_block *sb)
{
	struct inode *root = new_inode(sb);

	if (!root)
		return -ENOMEM;
	root->i_ino = 1;
	root->i_mode = S_IFDIR | 0555;
	root->i_op = &simple_dir_inode_operations;
	root->i_fop = &simple_dir_operations;
	set_nlink(root, 2);
	sb->s_root = d_make_root(root);
	return sb->s_root ? 0 : -ENOMEM;
}

/* Filesystems that are stacked where the containers are. */
static int depth_below(const struct lwcmem_backing *backing)
{
	int depth = file_inode(backing->file)->i_sb->s_stack_depth;

	return backing->base ? max(depth, depth_below(backing->base)) : depth;
}

static int fill_super(struct super_block *sb)
{
	struct lwcmem_backing *backing = sb->s_fs_info;
	int error;

	sb->s_magic = LWCMEM_SUPER_MAGIC;
	sb->s_blocksize = PAGE_SIZE;
	sb->s_blocksize_bits = PAGE_SHIFT;
	sb->s_maxbytes = MAX_LFS_FILESIZE;
	sb->s_op = &super_ops;
	sb->s_time_gran = 1;
	sb->s_flags |= SB_RDONLY | SB_NOATIME;
	sb->s_iflags |= SB_I_NOEXEC | SB_I_NODEV;
	sb->s_stack_depth = depth_below(backing) + 1;
	if (sb->s_stack_depth > FILESYSTEM_MAX_STACK_DEPTH)
		return -ELOOP;
	error = super_setup_bdi(sb);
	if (error)
		return error;
	sb->s_bdi->ra_pages = READAHEAD_TILES * LWC_TILE_TARGET / PAGE_SIZE;
	sb->s_bdi->io_pages = sb->s_bdi->ra_pages;
	error = lwcmem_backing_start(backing, sb);
	if (!error)
		error = make_root(sb);
	/* put_super does it for a superblock that has a root */
	if (error)
		lwcmem_backing_stop(backing);
	return error;
}

static int super_test(struct super_block *sb, struct fs_context *context)
{
	return lwcmem_backing_same(sb->s_fs_info, context->s_fs_info);
}

static int get_tree(struct fs_context *context)
{
	struct super_block *sb = sget_fc(context, super_test, set_anon_super_fc);
	int error;

	if (IS_ERR(sb))
		return PTR_ERR(sb);
	if (!sb->s_root) {
		error = fill_super(sb);
		if (error) {
			deactivate_locked_super(sb);
			return error;
		}
		sb->s_flags |= SB_ACTIVE;
	}
	context->root = dget(sb->s_root);
	return 0;
}

/* A backing whose superblock exists already is not needed twice. */
static void free_context(struct fs_context *context)
{
	lwcmem_backing_free(context->s_fs_info);
}

static const struct fs_context_operations context_ops = {
	.get_tree = get_tree,
	.free = free_context,
};

static int init_context(struct fs_context *context)
{
	context->ops = &context_ops;
	context->global = true;	/* shared by whoever may open the device */
	return 0;
}

static void kill_super(struct super_block *sb)
{
	struct lwcmem_backing *backing = sb->s_fs_info;

	kill_anon_super(sb);
	lwcmem_backing_free(backing);
}

static struct file_system_type region_fs = {
	.owner = THIS_MODULE,
	.name = "lwcmem",
	.init_fs_context = init_context,
	.kill_sb = kill_super,
};

bool lwcmem_is_region(const struct file *file)
{
	return file_inode(file)->i_sb->s_magic == LWCMEM_SUPER_MAGIC &&
	       file_inode(file)->i_sb->s_type == &region_fs;
}

static struct vfsmount *mount_backing(struct lwcmem_backing *backing)
{
	struct fs_context *context = fs_context_for_mount(&region_fs, SB_RDONLY);
	struct vfsmount *mount;

	if (IS_ERR(context)) {
		lwcmem_backing_free(backing);
		return ERR_CAST(context);
	}
	context->s_fs_info = backing;
	mount = fc_mount(context);
	put_fs_context(context);
	return mount;
}

/* alloc_file_pseudo does not all that open does: module reference, modes, read-ahead. */
static struct file *open_inode(struct inode *inode, struct vfsmount *mount)
{
	bool arena = lwcmem_inode(inode)->view == LWCMEM_VIEW_ARENA;
	struct file *file;

	__module_get(THIS_MODULE);
	file = alloc_file_pseudo(inode, mount, arena ? "lwcmem:arena" : "lwcmem:file",
				 O_RDONLY | O_LARGEFILE, &region_fops);
	if (IS_ERR(file)) {
		module_put(THIS_MODULE);
		iput(inode);
		return file;
	}
	file->f_mode |= FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE;
	file_ra_state_init(&file->f_ra, inode->i_mapping);
	region_open(inode, file);
	return file;
}

struct file *lwcmem_region_open(struct lwcmem_backing *backing, u32 view, u64 number)
{
	struct vfsmount *mount = mount_backing(backing);
	struct inode *inode;
	struct file *file;

	if (IS_ERR(mount))
		return ERR_CAST(mount);
	inode = get_inode(mount->mnt_sb, view, number);
	file = IS_ERR(inode) ? ERR_CAST(inode) : open_inode(inode, mount);
	mntput(mount);
	return file;
}

int lwcmem_region_init(void)
{
	inode_cache = kmem_cache_create("lwcmem_inode", sizeof(struct lwcmem_inode), 0,
					SLAB_RECLAIM_ACCOUNT | SLAB_ACCOUNT, init_once);
	return inode_cache ? 0 : -ENOMEM;
}

void lwcmem_region_exit(void)
{
	rcu_barrier();	/* inodes are freed behind it */
	kmem_cache_destroy(inode_cache);
}
