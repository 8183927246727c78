/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the module share. Data walks one way:
 *
 *   device   ATTACH: from descriptors to a region descriptor
 *   super    superblock of a backing, for ATTACH and for mount
 *   namespace the tree of directories that a mount shows
 *   region   inodes; file operations of a region
 *   fill     folios that the page cache wants filled -> parts of tiles
 *   tiles    one entry for each tile in flight: who waits for it
 *   decode   stored bytes of a tile -> decoded bytes in a buffer
 *   backing  the .lwc: superblock, checked metadata, stored bytes
 *   resident a copy of the .lwc in RAM, where somebody asked for it
 *   base     whether another .lwc is what this one depends on
 *
 * direct stands beside fill: it decodes into the memory of readers. stored reads
 * for decode past the page cache of the .lwc. layout says which tile a byte of a
 * view comes from; buffer keeps the memory that tiles are decoded into; stats
 * counts, sysfs and trace show.
 */
#ifndef LWCMEM_LWCMEM_H
#define LWCMEM_LWCMEM_H

#include <linux/atomic.h>
#include <linux/fs.h>
#include <linux/hashtable.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "../uapi/lwcmem.h"
#include "codec/codec.h"

struct attribute_group;
struct bio_vec;
struct folio;
struct iov_iter;
struct kiocb;
struct lwcmem_buffer;
struct mem_cgroup;
struct path;
struct seq_file;
struct vfsmount;

/* --- stats.c --- */

/*
 * How long parts of tiles (struct lwcmem_part) took from being asked for to being
 * done, well or badly. Bucket i counts those of less than 2^i us that are in no
 * bucket before it; the last one all others.
 */
#define LWCMEM_LATENCY_BUCKETS	24

struct lwcmem_stats {
	atomic64_t tiles_decoded;
	atomic64_t bytes_decoded;
	atomic64_t bytes_stored_read;
	atomic64_t tiles_failed;
	atomic64_t tiles_in_flight;
	atomic64_t tiles_in_flight_max;
	atomic64_t readahead_tiles;
	atomic64_t bytes_read;
	atomic64_t tiles_straight;
	atomic64_t ns_read;
	atomic64_t ns_decode;
	atomic64_t ns_copy;
	atomic64_t latency[LWCMEM_LATENCY_BUCKETS];
};

extern struct lwcmem_stats lwcmem_all;	/* since the module was loaded */
extern atomic64_t lwcmem_backings;	/* alive */
extern atomic64_t lwcmem_regions;	/* open region files */

void lwcmem_count_start(struct lwcmem_stats *stats);
/* decoded: bytes of the tile, 0 if it failed. stored: bytes read for it. */
void lwcmem_count_end(struct lwcmem_stats *stats, u32 decoded, u32 stored, bool readahead);
void lwcmem_count_latency(struct lwcmem_stats *stats, u64 ns);
void lwcmem_fill_query(struct lwcmem_query *query);
void lwcmem_fill_info(struct lwcmem_info *info, struct inode *inode);
void lwcmem_show_fdinfo(struct seq_file *m, struct file *file);

/* --- sysfs.c --- */

extern const struct attribute_group *lwcmem_sysfs_groups[];

/* --- backing.c --- */

#define LWCMEM_TILES_BITS	10

/*
 * One .lwc at one generation. Lives as long as its superblock; everything but
 * what is below the lock is constant after lwcmem_backing_start. A base is one
 * without what decoding needs: its tiles are only read.
 */
struct lwcmem_backing {
	struct file *file;		/* own open of the .lwc */
	struct file *direct;		/* another with O_DIRECT, or NULL */
	bool direct_works;
	struct lwcmem_backing *base;	/* what DELTA tiles refer to, or NULL */
	bool verity;			/* was a file of fs-verity before anything of it was read */
	struct lwc_superblock sb;	/* private copy, checked */
	struct inode *meta;		/* page cache of the checked metadata blocks */
	struct mem_cgroup *memcg;	/* of who attached first: pays for buffers */
	struct workqueue_struct *decoders;	/* of tiles without a buffer: they may wait for one */
	struct workqueue_struct *servers;	/* of decoded tiles: they never wait, so buffers return */
	bool names_checked;		/* by lwcmem_check_names, which found nothing */
	atomic_t parts;			/* that wait for tiles */
	struct lwcmem_stats stats;

	spinlock_t lock;
	DECLARE_HASHTABLE(tiles, LWCMEM_TILES_BITS);	/* in flight or idle */
	struct list_head idle;		/* decoded tiles that nobody waits for: spent, then oldest first */
	struct list_head held;		/* those that somebody is about to ask for */
	unsigned int held_count;
	struct list_head spare;		/* buffers without a tile */
	unsigned int buffers;		/* all that exist, held ones included */
	wait_queue_head_t buffer_wait;
	struct delayed_work trim;

	struct mutex resident_lock;	/* of who looks for copies in RAM and loads them */
	atomic64_t resident_bytes;	/* loaded so far */
	struct workqueue_struct *loaders;	/* they wait for the container */
	/* Copies, not counted, NULL unless all of it is loaded: one anywhere, then one of each node */
	struct inode *residents[];
};

/*
 * Open the container behind file and its bases anew; flags: as of ATTACH.
 * Gives the errors of ATTACH that are about files.
 */
struct lwcmem_backing *lwcmem_backing_open(struct file *file, struct file *const *bases,
					   u32 base_count, u32 flags);
void lwcmem_backing_free(struct lwcmem_backing *backing);	/* NULL is allowed */
bool lwcmem_backing_same(const struct lwcmem_backing *a, const struct lwcmem_backing *b);

/*
 * Get ready to decode; sb: the superblock that is being filled. Stop, also
 * after a failure, before sb is gone: it waits for all work.
 */
int lwcmem_backing_start(struct lwcmem_backing *backing, struct super_block *sb);
void lwcmem_backing_stop(struct lwcmem_backing *backing);

/*
 * Private copies of entries that passed the check of their kind. May sleep and
 * read the container. EBADMSG if the container is damaged there.
 */
int lwcmem_get_file(struct lwcmem_backing *backing, u64 index, struct lwc_file *file);
int lwcmem_get_extent(struct lwcmem_backing *backing, u64 index, struct lwc_extent *extent);
int lwcmem_get_object(struct lwcmem_backing *backing, u64 index, struct lwc_object *object);
/*
 * Entry index of the tiles table, of a tile of length decoded bytes; a COPY is
 * replaced by the tile that it names.
 */
int lwcmem_get_tile(struct lwcmem_backing *backing, u64 index, u32 length, struct lwc_tile *tile);
/* Bytes of NAMES; the caller has checked that they lie in it. */
int lwcmem_copy_names(struct lwcmem_backing *backing, u64 offset, char *to, u32 len);
/* The object's name and a NUL, allocated; NULL if it has none or it cannot be read. */
char *lwcmem_get_name(struct lwcmem_backing *backing, const struct lwc_object *object);
/*
 * The name of the container with the directories next to it, at most LWCMEM_LABEL - 1
 * bytes, for a line in the log: print with %*pE, because names hold any bytes.
 */
#define LWCMEM_LABEL	(NAME_MAX + 1)
int lwcmem_label(const struct lwcmem_backing *backing, char label[LWCMEM_LABEL]);
/* A block of a table, checked. Does not need lwcmem_backing_start. */
int lwcmem_read_block(struct lwcmem_backing *backing, u32 table, u64 index,
		      struct lwc_block *block);
/* Exactly len bytes of the container, through its page cache. EIO where it ends too early. */
int lwcmem_read_file(struct lwcmem_backing *backing, void *data, size_t len, u64 offset);
/* The same, but from the copy in RAM if there is one. */
int lwcmem_read_stored(struct lwcmem_backing *backing, void *data, size_t len, u64 offset);

/* --- base.c --- */

/*
 * Is backing->base what backing depends on? 0 also where it depends on nothing
 * and has no base. EINVAL, ENOLINK, EMLINK, ESTALE as of ATTACH, or EBADMSG,
 * ENOMEM, EINTR, or what reading gave.
 */
int lwcmem_base_check(struct lwcmem_backing *backing);

/* --- stored.c --- */

/* Get ready to read path, the .lwc of the backing, past the page cache, if that can be. */
void lwcmem_stored_open(struct lwcmem_backing *backing, const struct path *path);
/* Set up the list of pages of the buffer. */
void lwcmem_stored_map(struct lwcmem_buffer *buffer);
/* Stored bytes of a tile, read into the buffer or held in RAM until the done; or an error. */
const u8 *lwcmem_read_tile(struct lwcmem_backing *backing, struct lwcmem_buffer *buffer, u32 len,
			   u64 offset);
void lwcmem_tile_done(struct lwcmem_buffer *buffer);

/* --- layout.c --- */

/* Bytes of a view that come from one object, in order of start. */
struct lwcmem_piece {
	u64 start;		/* in the view */
	u64 length;		/* not 0 */
	u64 object;
	u64 object_offset;
	u64 object_size;
	u64 tile_first;
	u32 tile_bytes;
};

struct lwcmem_layout {
	u64 length;		/* of the view */
	u32 tile_bytes;		/* of most of it */
	u64 count;
	struct lwcmem_piece *pieces;
};

/* Bytes of a view that come from one tile, or from none. */
struct lwcmem_span {
	u64 start;		/* in the view */
	u64 length;		/* not 0 */
	bool hole;		/* zeroes; the fields below are not set */
	u64 object;
	u64 number;		/* of the tile in its object */
	u64 tile;		/* of the tile in the table of tiles */
	u32 tile_length;	/* decoded */
	u32 skip;		/* start in the decoded tile */
};

/* Of a regular file, or of the arena: NULL. EBADMSG, EFBIG, ENOMEM, EINTR. */
struct lwcmem_layout *lwcmem_layout_load(struct lwcmem_backing *backing,
					 const struct lwc_file *file);
void lwcmem_layout_free(struct lwcmem_layout *layout);		/* NULL is allowed */
/* The span that holds byte pos, which is below layout->length. Does not sleep. */
void lwcmem_layout_find(const struct lwcmem_layout *layout, u64 pos, struct lwcmem_span *span);

/* --- super.c --- */

#define LWCMEM_ROOT	U64_MAX		/* as a file: the directory of the model itself */

struct lwcmem_inode {
	struct inode vfs_inode;
	u32 view;			/* LWCMEM_VIEW_FILE: also directories */
	u64 file;
	struct lwcmem_layout *layout;	/* NULL of a directory */
};

static inline struct lwcmem_inode *lwcmem_inode(const struct inode *inode)
{
	return container_of(inode, struct lwcmem_inode, vfs_inode);
}

static inline struct lwcmem_backing *lwcmem_backing_of(const struct inode *inode)
{
	return inode->i_sb->s_fs_info;
}

int lwcmem_super_init(void);
void lwcmem_super_exit(void);
/* Whether the file may be a container. EBADF, ELOOP, EINVAL. */
int lwcmem_check_container(const struct file *file);
/* A mount of the backing's superblock in no namespace. Takes over backing, also on failure. */
struct vfsmount *lwcmem_mount_backing(struct lwcmem_backing *backing);

/* --- namespace.c --- */

/* That FILES is a tree, sorted, with names that are allowed. EBADMSG, EFBIG, ENOMEM, EINTR. */
int lwcmem_check_names(struct lwcmem_backing *backing);
/* like: whose owner and times it gets. */
void lwcmem_init_directory(struct inode *inode, umode_t mode, const struct inode *like);

/* --- region.c --- */

u64 lwcmem_inode_number(u32 view, u64 file);
void lwcmem_init_inode(struct inode *inode, umode_t mode, const struct inode *like);
/* The inode of a view, or of a directory as LWCMEM_VIEW_FILE. */
struct inode *lwcmem_get_inode(struct super_block *sb, u32 view, u64 number);
/* What a region is besides: its layout, which it takes over, and operations of its files. */
void lwcmem_init_region(struct inode *inode, struct lwcmem_layout *layout);
/* A new file on the view; flags of ATTACH. Takes over backing, also on failure. */
struct file *lwcmem_region_open(struct lwcmem_backing *backing, u32 view, u64 file, u32 flags);

/* --- resident.c --- */

struct lwcmem_held;

/*
 * Have the container in RAM until the put, as the flags of ATTACH say; what is
 * missing is loaded. ENOMEM, EINTR, or what reading gave.
 */
struct lwcmem_held *lwcmem_resident_get(struct vfsmount *mount, u32 flags);
void lwcmem_resident_put(struct lwcmem_held *held);	/* NULL is allowed */
/* A reference to the inode that is the copy nearest to this CPU; NULL if there is none. */
struct inode *lwcmem_resident_grab(struct lwcmem_backing *backing);
/* It is being freed. */
void lwcmem_resident_evict(struct inode *inode);
/* Copies the bytes, if they are held. */
bool lwcmem_resident_read(struct lwcmem_backing *backing, void *data, size_t len, u64 offset);
/* The bytes themselves if one folio has all of them; its reference in *held keeps them. Else NULL. */
const u8 *lwcmem_resident_hold(struct lwcmem_backing *backing, size_t len, u64 offset,
			       struct folio **held);

/* --- fill.c --- */

extern const struct address_space_operations lwcmem_aops;

struct lwcmem_batch;

enum lwcmem_tile_state {
	LWCMEM_TILE_BUSY,	/* its work is queued or runs */
	LWCMEM_TILE_IDLE,	/* decoded, on the list of idle ones */
	LWCMEM_TILE_SPENT,	/* the same, at its front: the page cache has all of it */
	LWCMEM_TILE_HELD,	/* decoded, on the list of held ones: somebody will come */
};

/* A part of a tile that somebody waits for: a batch of folios, or a direct read. */
struct lwcmem_part {
	struct list_head node;
	/*
	 * The tile is there, or data is NULL: it failed. The part is gone then.
	 * How the tile should rest: held, if others are about to ask for it.
	 */
	enum lwcmem_tile_state (*done)(struct lwcmem_part *part, const u8 *data);
	struct lwcmem_span span;
	u64 requested;		/* ktime_get_ns */
	struct lwcmem_batch *batch;	/* of folios; the fields below are its own */
	u32 first;		/* item of the batch that holds its first byte */
};

/* --- direct.c --- */

#define LWCMEM_DIRECT_ALIGN	4096u	/* of position and length */

/* 0 where there are no direct reads: what is in RAM already. */
static inline u32 lwcmem_direct_align(const struct inode *inode)
{
	return lwcmem_inode(inode)->view == LWCMEM_VIEW_PACKED ? 0 : LWCMEM_DIRECT_ALIGN;
}

/* Is it a read past the page cache, and of a kind that lwcmem_direct_read takes? */
bool lwcmem_direct_wanted(struct kiocb *iocb, const struct iov_iter *to);
ssize_t lwcmem_direct_read(struct kiocb *iocb, struct iov_iter *to);

/* --- tiles.c --- */

/* A tile that somebody waits for, or that was decoded lately. */
struct lwcmem_tile {
	struct hlist_node hash;
	struct list_head idle;		/* on the backing's list idle or held */
	struct list_head parts;		/* that wait for it */
	struct work_struct work;
	struct lwcmem_backing *backing;
	struct lwcmem_buffer *buffer;	/* decoded bytes, or NULL */
	enum lwcmem_tile_state state;
	unsigned long held_since;	/* jiffies */
	bool readahead;			/* readahead asked for it first */
	u64 tile;			/* in the table of tiles */
	u64 object;
	u64 number;			/* in its object */
	u32 length;			/* decoded */
};

/*
 * Have the part's tile decoded, once however many ask for it at the same time.
 * spare: an allocated entry that is used if the tile has none, else freed.
 * Does not sleep; the part is done at any time from now on.
 */
void lwcmem_tile_request(struct lwcmem_backing *backing, struct lwcmem_part *part,
			 struct lwcmem_tile *spare, bool readahead);
/* Wait for all work and free the idle tiles. */
void lwcmem_tiles_drain(struct lwcmem_backing *backing);

/* --- buffer.c --- */

/* A tile's stored bytes begin and end anywhere in a page. */
#define LWCMEM_STORED_PAGES	(LWC_TILE_MAX / PAGE_SIZE + 1)

struct lwcmem_buffer {
	struct list_head spare;
	u8 *decoded;			/* LWC_TILE_MAX bytes */
	u8 *stored;			/* LWCMEM_STORED_PAGES, which are */
	struct bio_vec *pages;
	struct folio *held;		/* has the stored bytes, or NULL */
	u8 *base;			/* LWC_TILE_MAX bytes, NULL where the backing has no base */
	struct lwc_scratch scratch;
};

/* At most so many for a backing, beside those of held tiles. */
unsigned int lwcmem_buffers_max(void);

int lwcmem_buffers_init(struct lwcmem_backing *backing);
void lwcmem_buffers_free(struct lwcmem_backing *backing);
/* Bytes that the backing's buffers have now. */
u64 lwcmem_buffers_bytes(struct lwcmem_backing *backing);
/* A buffer of the backing; waits for one where all are in use. */
struct lwcmem_buffer *lwcmem_buffer_get(struct lwcmem_backing *backing);
void lwcmem_buffer_put(struct lwcmem_backing *backing, struct lwcmem_buffer *buffer);
/*
 * Take the buffer of a spent tile, else of the one that is idle for longest; held:
 * or of one that is held. NULL if there is none. Under the lock.
 */
struct lwcmem_buffer *lwcmem_tiles_steal(struct lwcmem_backing *backing, bool held);
/* Is there a spent one? Under the lock. */
bool lwcmem_tiles_spent(struct lwcmem_backing *backing);

/* --- decode.c --- */

extern const struct lwc_impl *lwcmem_impl;	/* in use; set at load */

u32 lwcmem_cpu_isa(void);
/* Codec call with the FPU section that the implementation needs. */
enum lwc_error lwcmem_decode_stored(const struct lwc_impl *impl, const struct lwc_tile *entry,
				    const u8 *stored, u8 *decoded, u32 length,
				    struct lwc_scratch *scratch);
/* What a tile took. */
struct lwcmem_cost {
	u32 stored;		/* bytes read, 0 before they are all there */
	u64 read_ns;		/* for its entries and stored bytes */
	u64 decode_ns;		/* crc and decoding */
	u64 copy_ns;		/* of a tile that could not be decoded where it belongs */
};

/*
 * Read, check and decode the tile into the buffer, or to straight if that is
 * not NULL; counts, and logs what fails. Others may change what is at straight
 * meanwhile.
 */
int lwcmem_decode_tile(struct lwcmem_tile *tile, struct lwcmem_buffer *buffer, u8 *straight);

/* --- selftest.c --- */

/*
 * Compare all implementations of the mask with the scalar one. Returns the
 * mask without those that differ, 0 if scalar itself, crc or zstd are wrong.
 * broken: implementations whose output is changed, so that tests see this work.
 */
u32 lwcmem_selftest(u32 mask, u32 broken);

/* --- device.c --- */

int lwcmem_device_init(void);
void lwcmem_device_exit(void);
/* A command is the known one whatever size of its struct the caller was built with. */
bool lwcmem_is_command(unsigned int command, unsigned int known);
/* Rules of struct sizes of uapi/lwcmem.h. */
int lwcmem_copy_in(void *to, u32 known, const void __user *from);
int lwcmem_copy_out(void __user *to, const void *from, u32 known);

#endif
