// SPDX-License-Identifier: GPL-2.0-only
/*
 * The superblock of a backing, and the two ways to it: ATTACH, by a private mount
 * that a region file keeps, and mount(2). Whoever names the same container gets
 * the same superblock, and so one page cache.
 *
 * mount(2) is for CAP_SYS_ADMIN in the first user namespace (no FS_USERNS_MOUNT):
 * names and modes come from a file that anybody may have written, and they would
 * be shown in a namespace whose owner could not be told from the container's.
 */
#include <linux/backing-dev.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/kdev_t.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pagemap.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/statfs.h>

#include "compat.h"
#include "lwcmem.h"

#define READAHEAD_TILES		8		/* in flight for one reader */

static struct kmem_cache *inode_cache;

/* --- superblock --- */

static struct inode *alloc_inode(struct super_block *sb)
{
	struct lwcmem_inode *region = alloc_inode_sb(sb, inode_cache, GFP_KERNEL);

	if (!region)
		return NULL;
	region->view = LWCMEM_VIEW_ARENA;
	region->layout = NULL;
	return &region->vfs_inode;
}

static void free_inode(struct inode *inode)
{
	kmem_cache_free(inode_cache, lwcmem_inode(inode));
}

static void evict_inode(struct inode *inode)
{
	if (lwcmem_inode(inode)->view == LWCMEM_VIEW_PACKED)
		lwcmem_resident_evict(inode);
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

static void put_super(struct super_block *sb)
{
	lwcmem_backing_stop(sb->s_fs_info);
}

static int statfs(struct dentry *dentry, struct kstatfs *stat)
{
	struct super_block *sb = dentry->d_sb;
	struct lwcmem_backing *backing = sb->s_fs_info;

	stat->f_type = LWCMEM_SUPER_MAGIC;
	stat->f_bsize = PAGE_SIZE;
	stat->f_blocks = lwc_le64(&backing->sb.bytes_original) >> PAGE_SHIFT;
	stat->f_files = lwc_le64(&backing->sb.tables[LWC_TABLE_FILES].count);
	stat->f_namelen = NAME_MAX;
	stat->f_fsid = u64_to_fsid(huge_encode_dev(sb->s_dev));
	return 0;
}

static int show_options(struct seq_file *m, struct dentry *root)
{
	struct lwcmem_backing *backing = root->d_sb->s_fs_info;

	if (backing->base) {
		seq_puts(m, ",base=");
		seq_file_path(m, backing->base->file, ", \t\n\\");
	}
	return 0;
}

static const struct super_operations super_ops = {
	.alloc_inode = alloc_inode,
	.free_inode = free_inode,
	.evict_inode = evict_inode,
	.put_super = put_super,
	.statfs = statfs,
	.show_options = show_options,
};

static int make_root(struct super_block *sb)
{
	struct lwcmem_backing *backing = sb->s_fs_info;
	struct inode *root = new_inode(sb);

	if (!root)
		return -ENOMEM;
	root->i_ino = 1;
	lwcmem_inode(root)->file = LWCMEM_ROOT;
	lwcmem_init_directory(root, 0755, file_inode(backing->file));
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

static void kill_super(struct super_block *sb)
{
	struct lwcmem_backing *backing = sb->s_fs_info;

	kill_anon_super(sb);
	lwcmem_backing_free(backing);
}

/* --- ATTACH --- */

static int super_test(struct super_block *sb, struct fs_context *context)
{
	/* not one that ends: nobody may have to wait for what its file still owes it */
	return atomic_read(&sb->s_active) &&
	       lwcmem_backing_same(sb->s_fs_info, context->s_fs_info);
}

static int get_backing_tree(struct fs_context *context)
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

static const struct fs_context_operations backing_ops = {
	.get_tree = get_backing_tree,
	.free = free_context,
};

static struct file_system_type lwcmem_fs;

struct vfsmount *lwcmem_mount_backing(struct lwcmem_backing *backing)
{
	struct fs_context *context = fs_context_for_mount(&lwcmem_fs, SB_RDONLY);
	struct vfsmount *mount;

	if (IS_ERR(context)) {
		lwcmem_backing_free(backing);
		return ERR_CAST(context);
	}
	context->ops = &backing_ops;
	context->s_fs_info = backing;
	mount = fc_mount(context);
	put_fs_context(context);
	return mount;
}

int lwcmem_check_container(const struct file *file)
{
	const struct inode *inode = file_inode(file);

	if (!(file->f_mode & FMODE_READ))
		return -EBADF;
	if (inode->i_sb->s_type == &lwcmem_fs)
		return -ELOOP;
	return S_ISREG(inode->i_mode) ? 0 : -EINVAL;
}

/* --- mount(2) --- */

static struct file *open_path(const char *path)
{
	/* O_NONBLOCK: what is no regular file must not make us wait before that is seen */
	return filp_open(path, O_RDONLY | O_LARGEFILE | O_NONBLOCK, 0);
}

/* mount(8) gives a remount the options that the mount shows. */
static int check_same_base(struct fs_context *context, const char *path)
{
	const struct lwcmem_backing *backing = context->root->d_sb->s_fs_info;
	struct file *base = open_path(path);
	bool same;

	if (IS_ERR(base))
		return PTR_ERR(base);
	same = backing->base && file_inode(base) == file_inode(backing->base->file);
	fput(base);
	return same ? 0 : invalf(context, "lwcmem: a remount cannot change the base");
}

/* The path of the base of a new mount, NULL if none is given, is the context's fs_private. */
enum { OPTION_BASE };

static const struct fs_parameter_spec parameters[] = {
	fsparam_string("base", OPTION_BASE),
	{}
};

static int parse_param(struct fs_context *context, struct fs_parameter *parameter)
{
	struct fs_parse_result result;
	int option = fs_parse(context, parameters, parameter, &result);

	if (option < 0)
		return option;	/* the source is the VFS's own parameter */
	/* here, and not in reconfigure: the superblock is locked there, and the base may be slow */
	if (context->purpose == FS_CONTEXT_FOR_RECONFIGURE)
		return check_same_base(context, parameter->string);
	if (context->fs_private)
		return invalf(context, "lwcmem: no container has more than one base");
	context->fs_private = parameter->string;
	parameter->string = NULL;
	return 0;
}

static void free_options(struct fs_context *context)
{
	kfree(context->fs_private);
}

static struct lwcmem_backing *open_source(const char *source, const char *base_path)
{
	struct file *container = open_path(source), *base = NULL;
	struct lwcmem_backing *backing;

	if (IS_ERR(container))
		return ERR_CAST(container);
	if (base_path)
		base = open_path(base_path);
	if (IS_ERR(base)) {
		backing = ERR_CAST(base);
	} else {
		backing = lwcmem_backing_open(container, &base, !!base, 0);
		if (base)
			fput(base);
	}
	fput(container);
	return backing;
}

/*
 * The same as ATTACH does, and then the names are checked: where no lock of the
 * superblock is held, because the container may be slow and others use it.
 */
static struct vfsmount *mount_source(const char *source, const char *base)
{
	struct lwcmem_backing *backing = open_source(source, base);
	struct vfsmount *mount;
	int error;

	if (IS_ERR(backing))
		return ERR_CAST(backing);
	mount = lwcmem_mount_backing(backing);
	if (IS_ERR(mount))
		return mount;
	error = lwcmem_check_names(mount->mnt_sb->s_fs_info);
	if (!error)
		return mount;
	mntput(mount);
	return ERR_PTR(error);
}

static const char *explain(int error)
{
	switch (error) {
	case -EBADMSG:
		return "not an .lwc container, or its tables are damaged";
	case -EOPNOTSUPP:
		return "needs a feature that this module does not know";
	case -ELOOP:
		return "lies on lwcmem itself, or on too many stacked filesystems";
	case -EFBIG:
		return "has too many files";
	case -ENOLINK:
		return "depends on a base, which the option base= gives";
	case -ESTALE:
		return "depends on another base, or on another generation of it";
	case -EMLINK:
		return "the base depends on a base itself";
	case -EINVAL:
		return "not a regular file, or a base of what depends on none";
	default:
		return "cannot be read";
	}
}

static int get_tree(struct fs_context *context)
{
	const char *source = context->source, *base = context->fs_private;
	struct vfsmount *mount;
	struct super_block *sb;

	if (!source)
		return invalf(context, "lwcmem: the source is missing, an .lwc container");
	mount = mount_source(source, base);
	if (IS_ERR(mount)) {
		errorf(context, "lwcmem: %*pE%s%*pE: %s (%ld)", (int)strlen(source), source,
		       base ? ", base " : "", base ? (int)strlen(base) : 0, base ? base : "",
		       explain(PTR_ERR(mount)), PTR_ERR(mount));
		return PTR_ERR(mount);
	}
	/* from a reference to the mount to what the caller expects */
	sb = mount->mnt_sb;
	context->root = dget(sb->s_root);
	atomic_inc(&sb->s_active);
	mntput(mount);
	down_write(&sb->s_umount);
	return 0;
}

static int reconfigure(struct fs_context *context)
{
	return context->sb_flags & SB_RDONLY ? 0 : -EROFS;
}

static const struct fs_context_operations context_ops = {
	.free = free_options,
	.parse_param = parse_param,
	.get_tree = get_tree,
	.reconfigure = reconfigure,
};

static int init_context(struct fs_context *context)
{
	context->ops = &context_ops;
	context->global = true;	/* shared by whoever may open the device */
	return 0;
}

static struct file_system_type lwcmem_fs = {
	.owner = THIS_MODULE,
	.name = "lwcmem",
	.init_fs_context = init_context,
	.parameters = parameters,
	.kill_sb = kill_super,
};
MODULE_ALIAS_FS("lwcmem");

int lwcmem_super_init(void)
{
	int error;

	inode_cache = kmem_cache_create("lwcmem_inode", sizeof(struct lwcmem_inode), 0,
					SLAB_RECLAIM_ACCOUNT | SLAB_ACCOUNT, init_once);
	if (!inode_cache)
		return -ENOMEM;
	error = register_filesystem(&lwcmem_fs);
	if (error)
		kmem_cache_destroy(inode_cache);
	return error;
}

void lwcmem_super_exit(void)
{
	unregister_filesystem(&lwcmem_fs);
	rcu_barrier();	/* inodes are freed behind it */
	kmem_cache_destroy(inode_cache);
}
