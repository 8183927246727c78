// SPDX-License-Identifier: GPL-2.0-only
/* Takes two locks in one order, then in the other. */
#include <linux/module.h>
#include <linux/mutex.h>

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);

static void take(struct mutex *outer, struct mutex *inner)
{
	mutex_lock(outer);
	mutex_lock(inner);
	mutex_unlock(inner);
	mutex_unlock(outer);
}

static int __init planted_init(void)
{
	take(&first, &second);
	take(&second, &first);
	return 0;
}

static void __exit planted_exit(void)
{
}

module_init(planted_init);
module_exit(planted_exit);
MODULE_DESCRIPTION("A lock inversion");
MODULE_LICENSE("GPL");
