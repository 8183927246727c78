// SPDX-License-Identifier: GPL-2.0-only
/* /dev/lwcmem: control. */
#include <linux/compat.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "lwcmem.h"

#define STRUCT_MIN	8	/* size and one field: shorter ones never existed */

int lwcmem_copy_in(void *to, u32 known, const void __user *from)
{
	u32 size;
	int error;

	if (get_user(size, (const u32 __user *)from))
		return -EFAULT;
	if (size < STRUCT_MIN)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	error = copy_struct_from_user(to, known, from, size);
	if (error)
		return error;
	/* user memory may have changed since */
	memcpy(to, &size, sizeof(size));
	return 0;
}

/* Not more than the caller has room for, and its own size back. */
int lwcmem_copy_out(void __user *to, const void *from, u32 known)
{
	u32 size;

	if (get_user(size, (const u32 __user *)to))
		return -EFAULT;
	if (size < STRUCT_MIN)
		return -EINVAL;
	size = min(size, known);
	if (copy_to_user(to + sizeof(size), from + sizeof(size), size - sizeof(size)))
		return -EFAULT;
	return 0;
}

static long query(void __user *user)
{
	struct lwcmem_query query;
	int error = lwcmem_copy_in(&query, sizeof(query), user);

	if (error)
		return error;
	lwcmem_fill_query(&query);
	return lwcmem_copy_out(user, &query, sizeof(query));
}

static int check_attach(const struct lwcmem_attach *attach)
{
	const bool resident = attach->flags & LWCMEM_RESIDENT;
	const u32 placement = attach->flags & (LWCMEM_INTERLEAVE | LWCMEM_REPLICATE);

	if (attach->flags & ~(LWCMEM_RESIDENT | LWCMEM_INTERLEAVE | LWCMEM_REPLICATE |
			      LWCMEM_REQUIRE_VERITY) ||
	    attach->reserved)
		return -EINVAL;
	if (attach->base_count > LWC_MAX_DEPS || (attach->bases && !attach->base_count))
		return -EINVAL;
	if (placement && (!resident || placement == (LWCMEM_INTERLEAVE | LWCMEM_REPLICATE)))
		return -EINVAL;
	switch (attach->view) {
	case LWCMEM_VIEW_ARENA:
		return attach->file ? -EINVAL : 0;
	case LWCMEM_VIEW_FILE:
		return 0;
	case LWCMEM_VIEW_PACKED:
		return attach->file || !resident ? -EINVAL : 0;
	default:
		return -EINVAL;
	}
}

static void put_files(struct file **files, u32 count)
{
	while (count)
		fput(files[--count]);
}

static int get_bases(const struct lwcmem_attach *attach, struct file **bases)
{
	__s32 fds[LWC_MAX_DEPS];
	u32 i;

	if (copy_from_user(fds, u64_to_user_ptr(attach->bases),
			   attach->base_count * sizeof(fds[0])))
		return -EFAULT;
	for (i = 0; i < attach->base_count; i++) {
		bases[i] = fget(fds[i]);
		if (!bases[i]) {
			put_files(bases, i);
			return -EBADF;
		}
	}
	return 0;
}

static struct lwcmem_backing *open_backing(const struct lwcmem_attach *attach)
{
	struct file *container = fget(attach->fd), *bases[LWC_MAX_DEPS];
	struct lwcmem_backing *backing;
	int error;

	if (!container)
		return ERR_PTR(-EBADF);
	error = get_bases(attach, bases);
	if (error) {
		backing = ERR_PTR(error);
	} else {
		backing = lwcmem_backing_open(container, bases, attach->base_count, attach->flags);
		put_files(bases, attach->base_count);
	}
	fput(container);
	return backing;
}

static struct file *open_region(const struct lwcmem_attach *attach)
{
	struct lwcmem_backing *backing = open_backing(attach);

	if (IS_ERR(backing))
		return ERR_CAST(backing);
	return lwcmem_region_open(backing, attach->view, attach->file, attach->flags);
}

static long attach(const void __user *user)
{
	struct lwcmem_attach attach;
	struct file *region;
	int fd = lwcmem_copy_in(&attach, sizeof(attach), user);

	if (!fd)
		fd = check_attach(&attach);
	if (!fd)
		fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	region = open_region(&attach);
	if (IS_ERR(region)) {
		put_unused_fd(fd);
		return PTR_ERR(region);
	}
	fd_install(fd, region);
	return fd;
}

bool lwcmem_is_command(unsigned int command, unsigned int known)
{
	const unsigned int size = _IOC_SIZEMASK << _IOC_SIZESHIFT;

	return (command & ~size) == (known & ~size);
}

static long device_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	if (lwcmem_is_command(command, LWCMEM_IOC_QUERY))
		return query((void __user *)argument);
	if (lwcmem_is_command(command, LWCMEM_IOC_ATTACH))
		return attach((const void __user *)argument);
	return -ENOTTY;
}

static const struct file_operations device_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "lwcmem",
	.mode = 0660,
	.fops = &device_fops,
	.groups = lwcmem_sysfs_groups,
};

int lwcmem_device_init(void)
{
	return misc_register(&device);
}

void lwcmem_device_exit(void)
{
	misc_deregister(&device);
}
