// SPDX-License-Identifier: GPL-2.0-only
/* Forgets what it has allocated. */
#include <linux/module.h>
#include <linux/slab.h>

static int __init planted_init(void)
{
	unsigned int i;

	/* several: one may be found by chance, as a pointer that is left on a stack */
	for (i = 0; i < 8; i++) {
		u8 *memory = kzalloc(200, GFP_KERNEL);

		OPTIMIZER_HIDE_VAR(memory);
	}
	return 0;
}

static void __exit planted_exit(void)
{
}

module_init(planted_init);
module_exit(planted_exit);
MODULE_DESCRIPTION("A leak");
MODULE_LICENSE("GPL");
