/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trace events. A container is the device and inode number of its file, never
 * its name, which may hold any bytes. A tile is the number of its object in the
 * table of objects, and its own number in that object. Each lwcmem_tile_begin
 * is followed by one lwcmem_tile_end or one lwcmem_tile_error.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM lwcmem

#if !defined(LWCMEM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define LWCMEM_TRACE_H

#include <linux/fs.h>
#include <linux/kdev_t.h>
#include <linux/tracepoint.h>

#include "lwcmem.h"

TRACE_EVENT(lwcmem_region_create,
	TP_PROTO(const struct lwcmem_backing *backing, const struct lwcmem_inode *region),
	TP_ARGS(backing, region),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u64, ino)
		__field(u64, generation)
		__field(u32, view)
		__field(u64, file)
		__field(u64, length)
	),
	TP_fast_assign(
		__entry->dev = file_inode(backing->file)->i_sb->s_dev;
		__entry->ino = file_inode(backing->file)->i_ino;
		__entry->generation = lwc_le64(&backing->sb.generation);
		__entry->view = region->view;
		__entry->file = region->file;
		__entry->length = region->layout->length;
	),
	TP_printk("container %u:%u:%llu generation %llu view %u file %llu length %llu",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->ino, __entry->generation,
		  __entry->view, __entry->file, __entry->length)
);

TRACE_EVENT(lwcmem_tile_begin,
	TP_PROTO(const struct lwcmem_tile *tile),
	TP_ARGS(tile),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u64, ino)
		__field(u64, object)
		__field(u64, tile)
		__field(bool, readahead)
	),
	TP_fast_assign(
		__entry->dev = file_inode(tile->backing->file)->i_sb->s_dev;
		__entry->ino = file_inode(tile->backing->file)->i_ino;
		__entry->object = tile->object;
		__entry->tile = tile->number;
		__entry->readahead = tile->readahead;
	),
	TP_printk("container %u:%u:%llu object %llu tile %llu readahead %d",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->ino, __entry->object,
		  __entry->tile, __entry->readahead)
);

TRACE_EVENT(lwcmem_tile_end,
	TP_PROTO(const struct lwcmem_tile *tile, const struct lwcmem_cost *cost),
	TP_ARGS(tile, cost),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u64, ino)
		__field(u64, object)
		__field(u64, tile)
		__field(u32, decoded)
		__field(u32, stored)
		__field(u64, read_ns)
		__field(u64, decode_ns)
	),
	TP_fast_assign(
		__entry->dev = file_inode(tile->backing->file)->i_sb->s_dev;
		__entry->ino = file_inode(tile->backing->file)->i_ino;
		__entry->object = tile->object;
		__entry->tile = tile->number;
		__entry->decoded = tile->length;
		__entry->stored = cost->stored;
		__entry->read_ns = cost->read_ns;
		__entry->decode_ns = cost->decode_ns;
	),
	TP_printk("container %u:%u:%llu object %llu tile %llu decoded %u stored %u read_ns %llu decode_ns %llu",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->ino, __entry->object,
		  __entry->tile, __entry->decoded, __entry->stored, __entry->read_ns,
		  __entry->decode_ns)
);

TRACE_EVENT(lwcmem_tile_error,
	TP_PROTO(const struct lwcmem_tile *tile, int error),
	TP_ARGS(tile, error),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u64, ino)
		__field(u64, object)
		__field(u64, tile)
		__field(int, error)
	),
	TP_fast_assign(
		__entry->dev = file_inode(tile->backing->file)->i_sb->s_dev;
		__entry->ino = file_inode(tile->backing->file)->i_ino;
		__entry->object = tile->object;
		__entry->tile = tile->number;
		__entry->error = error;
	),
	TP_printk("container %u:%u:%llu object %llu tile %llu error %d",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->ino, __entry->object,
		  __entry->tile, __entry->error)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
