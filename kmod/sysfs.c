// SPDX-License-Identifier: GPL-2.0-only
/* /sys/class/misc/lwcmem: figures of the module. The file sysfs-class-misc-lwcmem says what each is. */
#include <linux/device.h>
#include <linux/kernel.h>
#include <linux/sysfs.h>

#include "lwcmem.h"

#define QUERY_ATTRIBUTE(name, format)							\
static ssize_t name##_show(struct device *device, struct device_attribute *attribute,	\
			   char *out)							\
{											\
	struct lwcmem_query query;							\
											\
	lwcmem_fill_query(&query);							\
	return sysfs_emit(out, format "\n", query.name);				\
}											\
static DEVICE_ATTR_RO(name)

QUERY_ATTRIBUTE(abi, "%u");
QUERY_ATTRIBUTE(incompat, "0x%llx");
QUERY_ATTRIBUTE(tile_max, "%u");
QUERY_ATTRIBUTE(backings, "%llu");
QUERY_ATTRIBUTE(regions, "%llu");
QUERY_ATTRIBUTE(tiles_decoded, "%llu");
QUERY_ATTRIBUTE(bytes_decoded, "%llu");
QUERY_ATTRIBUTE(tiles_failed, "%llu");

static ssize_t isa_show(struct device *device, struct device_attribute *attribute, char *out)
{
	return sysfs_emit(out, "%s\n", lwcmem_impl->name);
}
static DEVICE_ATTR_RO(isa);

static ssize_t bytes_stored_read_show(struct device *device, struct device_attribute *attribute,
				      char *out)
{
	return sysfs_emit(out, "%llu\n", (u64)atomic64_read(&lwcmem_all.bytes_stored_read));
}
static DEVICE_ATTR_RO(bytes_stored_read);

static ssize_t latency_show(struct device *device, struct device_attribute *attribute, char *out)
{
	ssize_t length = 0;
	int i;

	for (i = 0; i < LWCMEM_LATENCY_BUCKETS; i++)
		length += sysfs_emit_at(out, length, "%llu%c",
					(u64)atomic64_read(&lwcmem_all.latency[i]),
					i + 1 < LWCMEM_LATENCY_BUCKETS ? ' ' : '\n');
	return length;
}
static DEVICE_ATTR_RO(latency);

static struct attribute *attributes[] = {
	&dev_attr_abi.attr,
	&dev_attr_incompat.attr,
	&dev_attr_isa.attr,
	&dev_attr_tile_max.attr,
	&dev_attr_backings.attr,
	&dev_attr_regions.attr,
	&dev_attr_tiles_decoded.attr,
	&dev_attr_bytes_decoded.attr,
	&dev_attr_bytes_stored_read.attr,
	&dev_attr_tiles_failed.attr,
	&dev_attr_latency.attr,
	NULL
};

static const struct attribute_group group = { .attrs = attributes };

const struct attribute_group *lwcmem_sysfs_groups[] = { &group, NULL };
