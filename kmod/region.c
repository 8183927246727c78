// SPDX-License-Identifier: GPL-2.0-only
/* The inodes of a backing, one for each view and file, and what a program may do with a region. */
#include <linux/compat.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pagemap.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "lwcmem.h"
#include "trace.h"

/* --- file operations --- */

static int region_open(struct inode *inode, struct file *file)
{
	file->f_mode |= LWCMEM_FMODE | FMODE_CAN_ODIRECT;
	atomic64_inc(&lwcmem_regions);
	return 0;
}

static int region_release(struct inode *inode, struct file *file)
{
	lwcmem_resident_put(file->private_data);
	atomic64_dec(&lwcmem_regions);
	return 0;
}

static ssize_t region_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct lwcmem_backing *backing = lwcmem_backing_of(file_inode(iocb->ki_filp));
	ssize_t got;

	if (lwcmem_inode(file_inode(iocb->ki_filp))->view != LWCMEM_VIEW_PACKED &&
	    lwcmem_direct_wanted(iocb, to))
		return lwcmem_direct_read(iocb, to);
	iocb->ki_flags &= ~IOCB_DIRECT;
	got = generic_file_read_iter(iocb, to);
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
	.get_unmapped_area = thp_get_unmapped_area,
	.splice_read = lwcmem_splice_read,
	.unlocked_ioctl = region_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.show_fdinfo = lwcmem_show_fdinfo,
	LWCMEM_FOP_FLAGS
};

/* --- inodes --- */

/* Zeroes are for what has no direct reads. */
static int region_getattr(struct lwcmem_idmap *idmap, const struct path *path, struct kstat *stat,
			  u32 mask, unsigned int flags)
{
	struct inode *inode = d_inode(path->dentry);

	lwcmem_fillattr(idmap, mask, inode, stat);
	if (mask & STATX_DIOALIGN) {
		stat->result_mask |= STATX_DIOALIGN;
		stat->dio_offset_align = lwcmem_direct_align(inode);
		stat->dio_mem_align = stat->dio_offset_align ? 1 : 0;
	}
	return 0;
}

static const struct inode_operations region_iops = {
	.getattr = region_getattr,
};

struct inode_key {
	u32 view;
	u64 file;
};

u64 lwcmem_inode_number(u32 view, u64 file)
{
	return (file << 1 | view) + 2;	/* 1 is the root */
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
	inode->i_ino = lwcmem_inode_number(key->view, key->file);
	return 0;
}

void lwcmem_init_inode(struct inode *inode, umode_t mode, const struct inode *like)
{
	inode->i_mode = mode;
	inode->i_uid = like->i_uid;
	inode->i_gid = like->i_gid;
	lwcmem_copy_times(inode, like);
}

void lwcmem_init_region(struct inode *inode, struct lwcmem_layout *layout)
{
	lwcmem_inode(inode)->layout = layout;
	inode->i_size = layout->length;
	inode->i_blocks = DIV_ROUND_UP_ULL(layout->length, 512);
	inode->i_op = &region_iops;
	inode->i_fop = &region_fops;
}

static int init_region(struct inode *inode, umode_t mode, const struct lwc_file *file)
{
	struct lwcmem_layout *layout = lwcmem_layout_load(lwcmem_backing_of(inode), file);

	if (IS_ERR(layout))
		return PTR_ERR(layout);
	lwcmem_init_inode(inode, S_IFREG | mode, d_inode(inode->i_sb->s_root));
	lwcmem_init_region(inode, layout);
	inode->i_mapping->a_ops = &lwcmem_aops;
	mapping_set_gfp_mask(inode->i_mapping, GFP_USER | __GFP_MOVABLE);
	return 0;
}

static int init_inode(struct inode *inode, u32 view, u64 number)
{
	struct lwcmem_backing *backing = lwcmem_backing_of(inode);
	struct lwc_file file;
	int error;

	if (view == LWCMEM_VIEW_ARENA)
		return init_region(inode, 0444, NULL);
	if (number >= lwc_le64(&backing->sb.tables[LWC_TABLE_FILES].count))
		return -EINVAL;
	error = lwcmem_get_file(backing, number, &file);
	if (error)
		return error;
	if (lwc_file_kind(&file) == LWC_FILE_REGULAR)
		return init_region(inode, lwc_file_mode(&file), &file);
	lwcmem_init_directory(inode, lwc_file_mode(&file), d_inode(inode->i_sb->s_root));
	return 0;
}

struct inode *lwcmem_get_inode(struct super_block *sb, u32 view, u64 number)
{
	struct inode_key key = { view, number };
	struct inode *inode;
	int error;

	inode = iget5_locked(sb, lwcmem_inode_number(view, number), inode_test, inode_set, &key);
	if (!inode)
		return ERR_PTR(-ENOMEM);
	if (!(inode->i_state & I_NEW))
		return inode;
	error = init_inode(inode, view, number);
	if (error) {
		iget_failed(inode);
		return ERR_PTR(error);
	}
	unlock_new_inode(inode);
	return inode;
}

/* --- opening by ATTACH --- */

/* alloc_file_pseudo does not all that open does: module reference, modes, read-ahead. */
static struct file *open_inode(struct inode *inode, struct vfsmount *mount)
{
	static const char * const names[] = {
		[LWCMEM_VIEW_ARENA] = "lwcmem:arena",
		[LWCMEM_VIEW_FILE] = "lwcmem:file",
		[LWCMEM_VIEW_PACKED] = "lwcmem:packed",
	};
	struct file *file;

	if (S_ISDIR(inode->i_mode)) {
		iput(inode);
		return ERR_PTR(-EISDIR);
	}
	__module_get(THIS_MODULE);
	file = alloc_file_pseudo(inode, mount, names[lwcmem_inode(inode)->view],
				 O_RDONLY | O_LARGEFILE, &region_fops);
	if (IS_ERR(file)) {
		module_put(THIS_MODULE);
		iput(inode);
		return file;
	}
	file->f_mode |= FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE;
	file_ra_state_init(&file->f_ra, inode->i_mapping);
	region_open(inode, file);
	trace_lwcmem_region_create(lwcmem_backing_of(inode), lwcmem_inode(inode));
	return file;
}

/* held: what the file keeps in RAM until it is closed, or NULL. */
static struct file *open_view(struct vfsmount *mount, u32 view, u64 number,
			      struct lwcmem_held *held)
{
	struct inode *inode;
	struct file *file;

	if (view == LWCMEM_VIEW_PACKED)
		inode = lwcmem_resident_grab(mount->mnt_sb->s_fs_info);
	else
		inode = lwcmem_get_inode(mount->mnt_sb, view, number);
	if (IS_ERR(inode))
		return ERR_CAST(inode);
	file = open_inode(inode, mount);
	if (!IS_ERR(file))
		file->private_data = held;
	return file;
}

struct file *lwcmem_region_open(struct lwcmem_backing *backing, u32 view, u64 number, u32 flags)
{
	struct vfsmount *mount = lwcmem_mount_backing(backing);
	struct lwcmem_held *held = NULL;
	struct file *file;

	if (IS_ERR(mount))
		return ERR_CAST(mount);
	if (flags & LWCMEM_RESIDENT)
		held = lwcmem_resident_get(mount, flags);
	if (IS_ERR(held)) {
		file = ERR_CAST(held);
	} else {
		file = open_view(mount, view, number, held);
		if (IS_ERR(file))
			lwcmem_resident_put(held);
	}
	mntput(mount);
	return file;
}
