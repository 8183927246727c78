// SPDX-License-Identifier: GPL-2.0-only
/* Whether a container is the base that another one depends on. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <crypto/sha2.h>
#include <linux/printk.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "lwcmem.h"

static u64 entries(const struct lwcmem_backing *backing, enum lwc_table table)
{
	return lwc_le64(&backing->sb.tables[table].count);
}

/* The sha256 that struct lwc_dep has of a container, over those of its objects. */
static int hash_objects(struct lwcmem_backing *backing, struct lwc_block *block, u8 *digest)
{
	u64 count = entries(backing, LWC_TABLE_OBJECTS), i;
	struct lwc_object object;
	struct sha256_state hash;

	sha256_init(&hash);
	for (i = 0; i < count; i++) {
		struct lwc_block_position at = lwc_table_position(sizeof(object), i);
		int error = 0;

		if (!at.offset) {
			cond_resched();
			if (fatal_signal_pending(current))
				return -EINTR;
			error = lwcmem_read_block(backing, LWC_TABLE_OBJECTS, at.block, block);
		}
		if (error)
			return error;
		memcpy(&object, block->payload + at.offset, sizeof(object));
		if (lwc_object_check(&object, &backing->sb))
			return -EBADMSG;
		sha256_update(&hash, object.sha256, sizeof(object.sha256));
	}
	sha256_final(&hash, digest);
	return 0;
}

static int compare(struct lwcmem_backing *backing, const struct lwc_dep *wanted,
		   struct lwc_block *block)
{
	struct lwcmem_backing *base = backing->base;
	u8 digest[sizeof(wanted->sha256)];
	char label[LWCMEM_LABEL];
	int error, length;

	length = lwcmem_label(backing, label);
	if (!base) {
		pr_err_ratelimited("%*pE: needs its base, the container with uuid %pU\n",
				   length, label, wanted->uuid);
		return -ENOLINK;
	}
	if (entries(base, LWC_TABLE_DEPS)) {
		pr_err_ratelimited("%*pE: what was given as its base depends on a base itself\n",
				   length, label);
		return -EMLINK;
	}
	if (memcmp(base->sb.uuid, wanted->uuid, sizeof(wanted->uuid))) {
		pr_err_ratelimited("%*pE: needs the base with uuid %pU, but the one given has %pU\n",
				   length, label, wanted->uuid, base->sb.uuid);
		return -ESTALE;
	}
	error = hash_objects(base, block, digest);
	if (error || !memcmp(digest, wanted->sha256, sizeof(digest)))
		return error;
	pr_err_ratelimited("%*pE: what was given has the uuid of its base, but other contents\n",
			   length, label);
	return -ESTALE;
}

int lwcmem_base_check(struct lwcmem_backing *backing)
{
	struct lwc_block *block;
	struct lwc_dep wanted;
	int error;

	if (!entries(backing, LWC_TABLE_DEPS))
		return backing->base ? -EINVAL : 0;
	block = kmalloc(sizeof(*block), GFP_KERNEL);
	if (!block)
		return -ENOMEM;
	error = lwcmem_read_block(backing, LWC_TABLE_DEPS, 0, block);
	if (!error) {
		memcpy(&wanted, block->payload, sizeof(wanted));
		error = compare(backing, &wanted, block);
	}
	kfree(block);
	return error;
}
