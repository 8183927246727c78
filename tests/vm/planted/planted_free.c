// SPDX-License-Identifier: GPL-2.0-only
/* Reads memory that it has freed. */
#include <linux/module.h>
#include <linux/slab.h>

static int __init planted_init(void)
{
	u8 *memory = kzalloc(64, GFP_KERNEL);

	if (!memory)
		return -ENOMEM;
	kfree(memory);
	pr_info("planted: %u\n", READ_ONCE(memory[7]));
	return 0;
}

static void __exit planted_exit(void)
{
}

module_init(planted_init);
module_exit(planted_exit);
MODULE_DESCRIPTION("A use after free");
MODULE_LICENSE("GPL");
