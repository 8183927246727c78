/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR BSD-3-Clause */
/*
 * Kernel interface of lwcmem.
 *
 * /dev/lwcmem (misc device, mode 0660) is for control only. ATTACH on it
 * turns a descriptor of an .lwc container into a region: a regular, read-only
 * file whose bytes are the decoded model. Everything else is ordinary file
 * access to the region descriptor: mmap (shared read-only or private), read,
 * pread, splice, io_uring READ and READ_FIXED, madvise, mlock, fstat.
 *
 * mount -t lwcmem MODEL.lwc DIR shows the original directory: names, modes,
 * sizes, and files that are read like regions. It needs CAP_SYS_ADMIN in the first
 * user namespace and opens MODEL.lwc as the caller. It is always read-only, and
 * nothing in it can be executed or is a device. Files and
 * directories belong to the owner of the .lwc, and have the time at which it was
 * modified; inode numbers are the same each time. All names are checked: a table of
 * files that is no tree gives EBADMSG, more than 1048576 files EFBIG, other errors
 * are those of ATTACH, and the kernel log says which, or, after fsopen(2), the log that is read
 * from its descriptor. The only option is base=PATH,
 * the base of a container that depends on one, opened as the caller; a second one,
 * or one in a remount that is not the mount's, gives EINVAL (so does any other
 * option), and /proc/mounts shows it. An option ends at a comma: give a path that has
 * one by fsconfig(2), or as /proc/self/fd/N. The .lwc and its base may be removed
 * while it is mounted; a remount then goes without the option. umount waits for tiles that are
 * being decoded, if nothing else uses the container.
 *
 * All regions and mounts of one container (same inode, same generation, same inode of
 * the base) share one page cache, and inodes: the file of a mount is the
 * LWCMEM_VIEW_FILE of its index, INFO works on it, and fstat of such a region gives
 * mode, owner and time of the file, whose mode counts when the region is opened again
 * through /proc. A region holds what it needs of the container: the control and the
 * .lwc descriptor may be closed. Its pages are reclaimable, and charged to the
 * memory cgroup that touches them first. While a container is being read, and
 * for ten seconds afterwards, up to max(16, 2 * CPUs) + 16 tiles are in decode
 * buffers of 1.25 MiB each (the tile, its stored bytes, and scratch; 0.25 MiB more
 * where there is a base), charged to the memory cgroup that attached first; where
 * the cgroup has no room for them, one buffer does.
 *
 * A container that depends on a base (lwcmem_format.h; `lwcmem pack --base`) is
 * attached with a descriptor of its base. Each of its tiles that is stored as a
 * difference reads and decodes a tile of the base, too. The base is held like the
 * container, at the generation that it had at ATTACH; updating or replacing it
 * changes nothing for regions that exist, but it is no longer what the next
 * ATTACH needs (ESTALE).
 *
 * A tile is decoded once for all who wait for it or ask for it shortly
 * afterwards, on whichever descriptor or mapping. A container that is rewritten
 * in place while it is attached gives errors, as far as its crcs tell. An update
 * that makes its next generation (lwcmem_format.h) is no such thing: a region
 * stays what it was attached as, and ATTACH gives the new model from then on.
 * Waiting for a tile ends with a fatal signal. Closing never waits: reads in
 * flight keep the container, and the module, in use until they end.
 *
 * With O_DIRECT (fcntl F_SETFL on the region, or opening /proc/self/fd/N) tiles
 * are decoded into the memory of the reader and the region's page cache is not
 * used: for who keeps the bytes, or reads all of them each time. Offset and
 * length must be multiples of lwcmem_info.direct_align, which statx(2) has as
 * stx_dio_offset_align (STATX_DIOALIGN), else EINVAL; at and
 * behind the end a read gives 0, and one that goes beyond it is short. The
 * address may be any. Reads of whole tiles are fastest, and those to io_uring's
 * registered buffers in huge pages save a copy. io_uring and aio never wait for
 * a tile when they submit; a read that is in flight is not cancelled, it keeps
 * region and memory until it completes. Waiting in read and pread ends with a
 * fatal signal (EINTR); preadv2 with RWF_NOWAIT gives EAGAIN. After an error, and
 * while the read is in flight, what the memory holds is undefined; a short read
 * has left good bytes up to its end. splice and reads into memory of the kernel
 * itself go through the page cache.
 *
 * The container is read with O_DIRECT where its filesystem can, but for its
 * tables, and but for what the page cache holds already: compressed bytes are
 * not cached beside decoded ones.
 *
 * Errors while reading a region: a tile that fails its crc or does not decode
 * gives EIO (after a short read, if bytes before it were good) or SIGBUS on a
 * mapping, a rate-limited line in the kernel log, and counts in
 * lwcmem_info.tiles_failed, one for each attempt. Other tiles still read.
 * Damaged tables are found when they are first used: what describes the view at
 * ATTACH (EBADMSG), the entry of a tile when it is read (EIO). Read errors of
 * the container itself count as failures, too.
 *
 * What all of this comes to can be seen without a descriptor: sums and a
 * histogram of latencies in /sys/class/misc/lwcmem, those of a region in its
 * fdinfo, each tile in trace events (kmod/sysfs-class-misc-lwcmem).
 *
 * Every struct starts with its size in bytes as the caller knows it, at least 8
 * (else EINVAL); it is not changed. Commands are compared without the size that
 * is encoded in their numbers. A kernel that knows a shorter struct accepts a
 * longer one if the bytes that it does not know are zero, else E2BIG; a longer
 * one treats missing bytes as zero.
 * Reserved and unknown flag bits must be zero, else EINVAL.
 */
#ifndef _UAPI_LWCMEM_H
#define _UAPI_LWCMEM_H

#include <linux/types.h>
#include <linux/ioctl.h>

#define LWCMEM_DEVICE	"/dev/lwcmem"
#define LWCMEM_ABI	1
#define LWCMEM_SUPER_MAGIC	0x6c77636d	/* statfs.f_type of regions and mounts */

/*
 * What this module can do and has done since it was loaded. On the control
 * device. EFAULT, EINVAL (size below 8), E2BIG.
 */
struct lwcmem_query {
	__u32 size;		/* in: sizeof(struct) */
	__u32 abi;		/* LWCMEM_ABI */
	__u64 incompat;		/* LWC_INCOMPAT_ bits that ATTACH accepts */
	__u32 isa;		/* bit of the decoder in use: 1 scalar, 2 bmi2, 4 avx2, 8 avx512 */
	__u32 tile_max;		/* largest decoded tile, bytes */
	__u64 backings;		/* alive now */
	__u64 regions;		/* open files of regions and mounts alive now, reopened ones too */
	__u64 tiles_decoded;
	__u64 bytes_decoded;
	__u64 tiles_failed;
};

enum lwcmem_view {
	LWCMEM_VIEW_ARENA = 0,	/* all tensors, each at its arena_offset */
	LWCMEM_VIEW_FILE = 1,	/* one original file, by index in FILES */
	LWCMEM_VIEW_PACKED = 2,	/* the .lwc itself, from its copy in RAM: needs LWCMEM_RESIDENT */
};

/*
 * Flags of ATTACH.
 *
 * RESIDENT: hold all bytes of the container in RAM, once, however many ask for
 * it. Tiles of all its regions, also of those attached without the flag, are
 * decoded from there and the container is read no more; the crc of a tile is
 * checked at each decode all the same. Loading is a part of ATTACH, by the first
 * who asks; bytes_resident of lwcmem_info, and fdinfo of other regions of the
 * container, show how far it is. The memory is charged to the memory cgroup of
 * who loads it, for as long as it exists, is in huge pages where the kernel has
 * them, and is neither reclaimed nor swapped nor dropped by fadvise or
 * drop_caches; no RLIMIT counts it. It goes when the last descriptor or mapping
 * of those attached with the flag is closed; then regions without it read the
 * container again. Pages of the container in the page cache are given up as it is
 * loaded, unless they are mapped.
 *
 * INTERLEAVE, REPLICATE: one of them, only with RESIDENT. Spread the memory over
 * the NUMA nodes that the caller may use, 2 MiB on each in turn; or have a copy on
 * each of these nodes: then tiles are decoded from the copy of the node where that
 * is done, and VIEW_PACKED is that of the node where ATTACH is called. Without
 * either, the caller's memory policy places the copy (numactl, set_mempolicy), by
 * default on the node that loads it. A copy that exists already stays where it is,
 * and does for all but REPLICATE, which loads what is missing.
 *
 * VIEW_PACKED are the bytes of one generation: file_size bytes of its superblock,
 * and the slot of a newer generation, if an update has written one, is zeroes. So
 * they are a whole .lwc to any reader. A shared mapping has huge pages, and its
 * pages are those of all other processes: smaps shows them as file pages, huge
 * ones as FilePmdMapped, and Pss as this process's share.
 *
 * REQUIRE_VERITY: the container and its base must be files of fs-verity, else
 * ENODATA. Their filesystem then checks what it reads against the file's digest,
 * each time that it comes from the disk, and the file cannot be changed: a tile
 * with changed bytes gives EIO whatever its crc says. That the digest is the one
 * that you trust is for you to check: `lwcmem info` and `lwcmem verify` print it
 * (FS_IOC_MEASURE_VERITY). Needs a filesystem with the verity feature (ext4, f2fs,
 * btrfs) and CONFIG_FS_VERITY; a file seen through overlayfs does not count.
 */
#define LWCMEM_RESIDENT		0x1u
#define LWCMEM_INTERLEAVE	0x2u
#define LWCMEM_REPLICATE	0x4u
#define LWCMEM_REQUIRE_VERITY	0x8u

/*
 * Make a region of a container. On the control device; returns a new
 * descriptor (O_RDONLY, O_CLOEXEC). Errors that are about a file may be about
 * the container or its base; those about the two together are in the kernel log.
 *
 *   EBADF	fd or the base's is not open for reading
 *   EINVAL	not a regular file, unknown view or flag, reserved not zero,
 *		a file index beyond the table or with VIEW_ARENA or VIEW_PACKED;
 *		VIEW_PACKED, INTERLEAVE or REPLICATE without RESIDENT, or the last
 *		two together; more bases than the container depends on (version 1
 *		of the format: at most one), or bases without base_count
 *   EBADMSG	not an .lwc container, or its superblock or tables are damaged
 *   EFBIG	the view is longer than a file can be, or of more than 2^20 parts
 *		(tensors of the arena, extents of the file); what reads containers
 *		without the kernel has no such limits
 *   EOPNOTSUPP	the container needs a feature that this module does not know (the
 *		kernel log says which)
 *   ENOLINK	the container depends on a base, and none was given (the kernel log
 *		has its uuid, and so has `lwcmem info`)
 *   ESTALE	the base given is not the one needed, or is another generation of it:
 *		its uuid differs, or the sha256 of its objects
 *   EMLINK	the base given depends on a base itself: no base may
 *   ENODATA	LWCMEM_REQUIRE_VERITY, and a file is not one of fs-verity
 *   EISDIR	the file of the index is a directory
 *   ELOOP	fd or the base's is itself a region or in a mount, or lies on too many
 *		stacked filesystems
 *   EIO, EINTR	reading a container failed, or a fatal signal came
 *   ENOMEM	also where RESIDENT does not fit into the memory of the machine or of
 *		the memory cgroup; nothing is held then, and nobody is killed for it
 *   EMFILE, ENFILE, EFAULT, E2BIG
 */
struct lwcmem_attach {
	__u32 size;		/* in: sizeof(struct) */
	__u32 flags;		/* RESIDENT, and INTERLEAVE or REPLICATE; REQUIRE_VERITY */
	__s32 fd;		/* the .lwc */
	__u32 view;		/* enum lwcmem_view */
	__u64 file;		/* VIEW_FILE: index in the FILES table, else 0 */
	__u64 bases;		/* pointer to base_count __s32: descriptors of bases; or 0 */
	__u32 base_count;	/* as many as the container depends on */
	__u32 reserved;		/* 0 */
};

/*
 * What a region is and has done. On the region descriptor. Counts cover the
 * backing: all regions of the same container together.
 */
struct lwcmem_info {
	__u32 size;		/* in: sizeof(struct) */
	__u32 view;
	__u64 file;		/* as attached */
	__u64 length;		/* bytes of the region */
	__u64 generation;
	__u8 uuid[16];
	__u32 tile_bytes;	/* most common tile; reads of whole tiles are fastest. 0: PACKED */
	__u32 isa;		/* as in lwcmem_query */
	__u64 tiles_decoded;	/* each decode counts, also of the same tile */
	__u64 bytes_decoded;
	__u64 bytes_stored_read; /* of the base, too */
	__u64 tiles_failed;
	__u64 tiles_in_flight;	/* now */
	__u64 tiles_in_flight_max;
	__u64 readahead_tiles;	/* of tiles_decoded, those that readahead queued */
	__u64 bytes_read;	/* handed out by read calls and io_uring */
	__u64 tiles_straight;	/* of tiles_decoded, those decoded right into a reader's memory */
	__u32 direct_align;	/* of offset and length with O_DIRECT; 0: there is no O_DIRECT */
	__u32 reserved;		/* 0 */
	__u64 bytes_resident;	/* RAM that holds the container, also while it is loaded */
	/* Where the time of workers went, all of them together; nanoseconds of the clock */
	__u64 ns_read;		/* tables and stored bytes, waiting for the storage */
	__u64 ns_decode;	/* crc and decoding */
	__u64 ns_copy;		/* decoded bytes to page cache or reader; 0 for tiles_straight */
};

#define LWCMEM_IOC_MAGIC	0xD5
#define LWCMEM_IOC_QUERY	_IOWR(LWCMEM_IOC_MAGIC, 0x40, struct lwcmem_query)
#define LWCMEM_IOC_ATTACH	_IOW(LWCMEM_IOC_MAGIC, 0x41, struct lwcmem_attach)
#define LWCMEM_IOC_INFO		_IOWR(LWCMEM_IOC_MAGIC, 0x42, struct lwcmem_info)

#endif
