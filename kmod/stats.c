// SPDX-License-Identifier: GPL-2.0-only
/* Counts: of each backing, and of the module since it was loaded. */
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/pagemap.h>
#include <linux/seq_file.h>

#include "lwcmem.h"

atomic64_t lwcmem_backings;
atomic64_t lwcmem_regions;

struct lwcmem_stats lwcmem_all;

static void raise_max(atomic64_t *max, s64 value)
{
	s64 old = atomic64_read(max);

	while (old < value && !atomic64_try_cmpxchg(max, &old, value))
		;
}

void lwcmem_count_start(struct lwcmem_stats *stats)
{
	raise_max(&stats->tiles_in_flight_max, atomic64_inc_return(&stats->tiles_in_flight));
}

void lwcmem_count_end(struct lwcmem_stats *stats, u32 decoded, u32 stored, bool readahead)
{
	atomic64_dec(&stats->tiles_in_flight);
	atomic64_add(stored, &stats->bytes_stored_read);
	atomic64_add(stored, &lwcmem_all.bytes_stored_read);
	if (!decoded) {
		atomic64_inc(&stats->tiles_failed);
		atomic64_inc(&lwcmem_all.tiles_failed);
		return;
	}
	atomic64_inc(&stats->tiles_decoded);
	atomic64_add(decoded, &stats->bytes_decoded);
	atomic64_inc(&lwcmem_all.tiles_decoded);
	atomic64_add(decoded, &lwcmem_all.bytes_decoded);
	if (readahead)
		atomic64_inc(&stats->readahead_tiles);
}

void lwcmem_count_latency(struct lwcmem_stats *stats, u64 ns)
{
	u64 us = div_u64(ns, NSEC_PER_USEC);
	int bucket = us ? min_t(int, ilog2(us) + 1, LWCMEM_LATENCY_BUCKETS - 1) : 0;

	atomic64_inc(&stats->latency[bucket]);
	atomic64_inc(&lwcmem_all.latency[bucket]);
}

void lwcmem_fill_query(struct lwcmem_query *query)
{
	*query = (struct lwcmem_query) {
		.size = sizeof(*query),
		.abi = LWCMEM_ABI,
		.incompat = LWC_INCOMPAT_KNOWN,
		.isa = lwcmem_impl->isa,
		.tile_max = LWC_TILE_MAX,
		.backings = atomic64_read(&lwcmem_backings),
		.regions = atomic64_read(&lwcmem_regions),
		.tiles_decoded = atomic64_read(&lwcmem_all.tiles_decoded),
		.bytes_decoded = atomic64_read(&lwcmem_all.bytes_decoded),
		.tiles_failed = atomic64_read(&lwcmem_all.tiles_failed),
	};
}

void lwcmem_fill_info(struct lwcmem_info *info, struct inode *inode)
{
	struct lwcmem_backing *backing = lwcmem_backing_of(inode);
	struct lwcmem_inode *region = lwcmem_inode(inode);
	struct lwcmem_stats *stats = &backing->stats;

	*info = (struct lwcmem_info) {
		.size = sizeof(*info),
		.view = region->view,
		.file = region->file,
		.length = region->layout->length,
		.generation = lwc_le64(&backing->sb.generation),
		.tile_bytes = region->layout->tile_bytes,
		.isa = lwcmem_impl->isa,
		.tiles_decoded = atomic64_read(&stats->tiles_decoded),
		.bytes_decoded = atomic64_read(&stats->bytes_decoded),
		.bytes_stored_read = atomic64_read(&stats->bytes_stored_read),
		.tiles_failed = atomic64_read(&stats->tiles_failed),
		.tiles_in_flight = atomic64_read(&stats->tiles_in_flight),
		.tiles_in_flight_max = atomic64_read(&stats->tiles_in_flight_max),
		.readahead_tiles = atomic64_read(&stats->readahead_tiles),
		.bytes_read = atomic64_read(&stats->bytes_read),
		.tiles_straight = atomic64_read(&stats->tiles_straight),
		.direct_align = lwcmem_direct_align(inode),
		.bytes_resident = atomic64_read(&backing->resident_bytes),
		.ns_read = atomic64_read(&stats->ns_read),
		.ns_decode = atomic64_read(&stats->ns_decode),
		.ns_copy = atomic64_read(&stats->ns_copy),
	};
	memcpy(info->uuid, backing->sb.uuid, sizeof(info->uuid));
}

static void show_latency(struct seq_file *m, const struct lwcmem_stats *stats)
{
	int i;

	seq_puts(m, "lwcmem-latency:");
	for (i = 0; i < LWCMEM_LATENCY_BUCKETS; i++)
		seq_printf(m, "%c%llu", i ? ' ' : '\t', (u64)atomic64_read(&stats->latency[i]));
	seq_putc(m, '\n');
}

void lwcmem_show_fdinfo(struct seq_file *m, struct file *file)
{
	static const char * const view_names[] = { "arena", "file", "packed" };
	struct lwcmem_backing *backing = lwcmem_backing_of(file_inode(file));
	struct lwcmem_info info;

	lwcmem_fill_info(&info, file_inode(file));
	seq_printf(m, "lwcmem-view:\t%s\n", view_names[info.view]);
	if (info.view == LWCMEM_VIEW_FILE)
		seq_printf(m, "lwcmem-file:\t%llu\n", info.file);
	seq_puts(m, "lwcmem-container:\t");
	seq_file_path(m, backing->file, "\n\\");
	seq_putc(m, '\n');
	seq_printf(m, "lwcmem-uuid:\t%pU\n", info.uuid);
	seq_printf(m, "lwcmem-generation:\t%llu\n", info.generation);
	seq_printf(m, "lwcmem-isa:\t%s\n", lwcmem_impl->name);
	seq_printf(m, "lwcmem-tiles-decoded:\t%llu\n", info.tiles_decoded);
	seq_printf(m, "lwcmem-bytes-decoded:\t%llu\n", info.bytes_decoded);
	seq_printf(m, "lwcmem-bytes-stored-read:\t%llu\n", info.bytes_stored_read);
	seq_printf(m, "lwcmem-tiles-failed:\t%llu\n", info.tiles_failed);
	seq_printf(m, "lwcmem-tiles-in-flight:\t%llu\n", info.tiles_in_flight);
	seq_printf(m, "lwcmem-tiles-in-flight-max:\t%llu\n", info.tiles_in_flight_max);
	seq_printf(m, "lwcmem-readahead-tiles:\t%llu\n", info.readahead_tiles);
	seq_printf(m, "lwcmem-bytes-read:\t%llu\n", info.bytes_read);
	seq_printf(m, "lwcmem-tiles-straight:\t%llu\n", info.tiles_straight);
	seq_printf(m, "lwcmem-bytes-buffers:\t%llu\n", lwcmem_buffers_bytes(backing));
	seq_printf(m, "lwcmem-bytes-cached:\t%llu\n",
		   (u64)file_inode(file)->i_mapping->nrpages << PAGE_SHIFT);
	show_latency(m, &backing->stats);
	seq_printf(m, "lwcmem-bytes-resident:\t%llu\n", info.bytes_resident);
	seq_printf(m, "lwcmem-ns-read:\t%llu\n", info.ns_read);
	seq_printf(m, "lwcmem-ns-decode:\t%llu\n", info.ns_decode);
	seq_printf(m, "lwcmem-ns-copy:\t%llu\n", info.ns_copy);
	seq_printf(m, "lwcmem-bytes-container:\t%llu\n", lwc_le64(&backing->sb.file_size));
}
