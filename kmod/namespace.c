// SPDX-License-Identifier: GPL-2.0-only
/*
 * The files of a container as a tree of directories. FILES is sorted by full
 * name, bytewise: what lies below a directory, "a/...", is one run of entries,
 * but "a-b" comes between "a" and that run, and what lies below a child may come
 * long behind the child. So nothing is kept in memory: a name is found by
 * bisection, and so is the end of what lies below a child.
 *
 * mount checks the whole table once. The container may change afterwards: each
 * entry that is used passes its own checks again, and every loop ends whatever
 * the table says.
 */
#include <linux/bitmap.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "lwcmem.h"

#define FILES_MAX	(1u << 20)	/* that a mount reads through */

struct name {
	u32 length;
	char bytes[LWC_NAME_MAX + 1];	/* without a NUL */
};

static u64 files_count(const struct lwcmem_backing *backing)
{
	return lwc_le64(&backing->sb.tables[LWC_TABLE_FILES].count);
}

static int read_entry(struct lwcmem_backing *backing, u64 index, struct lwc_file *file,
		      struct name *name)
{
	int error;

	cond_resched();
	if (fatal_signal_pending(current))
		return -EINTR;
	error = lwcmem_get_file(backing, index, file);
	if (error)
		return error;
	name->length = lwc_le32(&file->name_length);
	error = lwcmem_copy_names(backing, lwc_le64(&file->name_offset), name->bytes, name->length);
	if (error)
		return error;
	return lwc_name_ok(name->bytes, name->length) ? 0 : -EBADMSG;
}

/* --- the check of all names --- */

struct walk {
	struct name names[2];
	/* bit n: the first n bytes of the last name are a directory */
	DECLARE_BITMAP(directories, LWC_NAME_MAX + 1);
	u64 extents;		/* end of those of the files so far */
};

static u32 common_length(const struct name *a, const struct name *b)
{
	u32 limit = min(a->length, b->length), i;

	for (i = 0; i < limit && a->bytes[i] == b->bytes[i]; i++)
		;
	return i;
}

static u32 parent_length(const struct name *name)
{
	u32 length = name->length;

	while (length && name->bytes[length - 1] != '/')
		length--;
	return length ? length - 1 : 0;
}

/* Names grow, and the directory that each is in came before. */
static bool name_follows(struct walk *walk, const struct name *last, const struct name *name)
{
	u32 common = common_length(last, name), parent = parent_length(name);

	if (common == name->length || (common < last->length &&
				       (u8)name->bytes[common] < (u8)last->bytes[common]))
		return false;
	bitmap_clear(walk->directories, common + 1, LWC_NAME_MAX - common);
	return !parent || test_bit(parent, walk->directories);
}

/* Files that shared extents would let a small container fill the memory with layouts. */
static bool extents_follow(struct walk *walk, const struct lwc_file *file)
{
	u64 first = lwc_le64(&file->extent_first), count = lwc_le64(&file->extent_count);

	if (!count)
		return true;
	if (first < walk->extents)
		return false;
	walk->extents = first + count;	/* lwc_file_check: inside the table */
	return true;
}

static int walk_files(struct lwcmem_backing *backing, struct walk *walk)
{
	u64 count = files_count(backing), i;
	struct lwc_file file;

	for (i = 0; i < count; i++) {
		struct name *name = &walk->names[i % 2];
		int error = read_entry(backing, i, &file, name);

		if (error)
			return error;
		if (!name_follows(walk, &walk->names[!(i % 2)], name) ||
		    !extents_follow(walk, &file))
			return -EBADMSG;
		if (lwc_file_kind(&file) == LWC_FILE_DIRECTORY)
			__set_bit(name->length, walk->directories);
	}
	return 0;
}

int lwcmem_check_names(struct lwcmem_backing *backing)
{
	struct walk *walk;
	int error;

	if (READ_ONCE(backing->names_checked))
		return 0;
	if (files_count(backing) > FILES_MAX)
		return -EFBIG;
	walk = kzalloc(sizeof(*walk), GFP_KERNEL_ACCOUNT);
	if (!walk)
		return -ENOMEM;
	error = walk_files(backing, walk);
	kfree(walk);
	if (!error)
		WRITE_ONCE(backing->names_checked, true);
	return error;
}

/* --- bisection --- */

struct search {
	struct name key;
	struct name entry;	/* the last that was read */
	struct lwc_file file;	/* of the entry */
};

static int compare(const struct name *a, const struct name *b)
{
	int order = memcmp(a->bytes, b->bytes, min(a->length, b->length));

	return order ? order : (int)a->length - (int)b->length;
}

/* The first entry that is not before the key; the count of entries if there is none. */
static int find(struct lwcmem_backing *backing, struct search *search, u64 *found)
{
	u64 low = 0, high = files_count(backing);

	while (low < high) {
		u64 middle = low + (high - low) / 2;
		int error = read_entry(backing, middle, &search->file, &search->entry);

		if (error)
			return error;
		if (compare(&search->entry, &search->key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*found = low;
	return 0;
}

/* The key becomes what names in the directory begin with. */
static int begin_with(struct search *search, struct inode *directory)
{
	u64 index = lwcmem_inode(directory)->file;
	int error;

	search->key.length = 0;
	if (index == LWCMEM_ROOT)
		return 0;
	error = read_entry(lwcmem_backing_of(directory), index, &search->file, &search->key);
	if (!error)
		search->key.bytes[search->key.length++] = '/';
	return error;
}

/* --- operations --- */

static int find_child(struct inode *directory, const struct qstr *child, struct search *search,
		      u64 *index)
{
	struct lwcmem_backing *backing = lwcmem_backing_of(directory);
	int error = begin_with(search, directory);

	if (error)
		return error;
	if (search->key.length + child->len > LWC_NAME_MAX)
		return -ENOENT;
	memcpy(search->key.bytes + search->key.length, child->name, child->len);
	search->key.length += child->len;
	error = find(backing, search, index);
	if (error)
		return error;
	if (*index == files_count(backing))
		return -ENOENT;
	error = read_entry(backing, *index, &search->file, &search->entry);
	if (error)
		return error;
	return compare(&search->entry, &search->key) ? -ENOENT : 0;
}

static struct dentry *lookup(struct inode *directory, struct dentry *dentry, unsigned int flags)
{
	struct inode *inode = NULL;
	struct search *search;
	u64 index;
	int error;

	if (dentry->d_name.len > NAME_MAX)
		return ERR_PTR(-ENAMETOOLONG);
	search = kmalloc(sizeof(*search), GFP_KERNEL_ACCOUNT);
	if (!search)
		return ERR_PTR(-ENOMEM);
	error = find_child(directory, &dentry->d_name, search, &index);
	kfree(search);
	if (!error)
		inode = lwcmem_get_inode(directory->i_sb, LWCMEM_VIEW_FILE, index);
	else if (error != -ENOENT)
		inode = ERR_PTR(error);
	return d_splice_alias(inode, dentry);
}

static bool emit(struct dir_context *context, const struct search *search, u64 index)
{
	const struct name *entry = &search->entry;
	bool directory = lwc_file_kind(&search->file) == LWC_FILE_DIRECTORY;

	return dir_emit(context, entry->bytes + search->key.length,
			entry->length - search->key.length,
			lwcmem_inode_number(LWCMEM_VIEW_FILE, index),
			directory ? DT_DIR : DT_REG);
}

/*
 * From the entry, which is below a child of the directory, to the first that is
 * not below that child: the first from "child0" on, as '0' follows '/'.
 */
static int skip_child(struct lwcmem_backing *backing, struct search *search, const char *slash,
		      u64 *index)
{
	u32 prefix = search->key.length, length = slash - search->entry.bytes;
	u64 next;
	int error;

	memcpy(search->key.bytes + prefix, search->entry.bytes + prefix, length - prefix);
	search->key.bytes[length] = '/' + 1;
	search->key.length = length + 1;
	error = find(backing, search, &next);
	search->key.length = prefix;
	if (error)
		return error;
	if (next <= *index)
		return -EBADMSG;
	*index = next;
	return 0;
}

/* A position is 2 more than the entry's index, whatever directory it is in. */
static int emit_children(struct inode *directory, struct dir_context *context,
			 struct search *search)
{
	struct lwcmem_backing *backing = lwcmem_backing_of(directory);
	u64 count = files_count(backing), index;
	int error = begin_with(search, directory);

	if (!error)
		error = find(backing, search, &index);
	if (error)
		return error;
	index = max_t(u64, index, context->pos - 2);
	while (index < count) {
		const struct name *entry = &search->entry, *prefix = &search->key;
		const char *slash;

		error = read_entry(backing, index, &search->file, &search->entry);
		if (error)
			return error;
		if (entry->length <= prefix->length ||
		    memcmp(entry->bytes, prefix->bytes, prefix->length))
			break;
		slash = memchr(entry->bytes + prefix->length, '/', entry->length - prefix->length);
		if (slash) {
			error = skip_child(backing, search, slash, &index);
			if (error)
				return error;
		} else if (emit(context, search, index)) {
			index++;
		} else {
			return 0;
		}
		context->pos = index + 2;
	}
	return 0;
}

static int iterate(struct file *file, struct dir_context *context)
{
	struct search *search;
	int error;

	if (!dir_emit_dots(file, context))
		return 0;
	search = kmalloc(sizeof(*search), GFP_KERNEL_ACCOUNT);
	if (!search)
		return -ENOMEM;
	error = emit_children(file_inode(file), context, search);
	kfree(search);
	return error;
}

static const struct inode_operations directory_iops = {
	.lookup = lookup,
};

static const struct file_operations directory_fops = {
	.owner = THIS_MODULE,
	.llseek = generic_file_llseek,
	.read = generic_read_dir,
	.iterate_shared = iterate,
};

void lwcmem_init_directory(struct inode *inode, umode_t mode, const struct inode *like)
{
	lwcmem_init_inode(inode, S_IFDIR | mode, like);
	inode->i_op = &directory_iops;
	inode->i_fop = &directory_fops;
	set_nlink(inode, 1);	/* how many directories are in it is not known */
}
