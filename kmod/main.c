// SPDX-License-Identifier: GPL-2.0-only
/* Loading and unloading. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/printk.h>

#include "lwcmem.h"

static uint isa = LWC_ISA_ALL;
module_param(isa, uint, 0444);
MODULE_PARM_DESC(isa, "decoders that may be used: 1 scalar, 2 bmi2, 4 avx2, 8 avx512 (sum)");

static uint selftest_break;
module_param(selftest_break, uint, 0444);
MODULE_PARM_DESC(selftest_break, "decoders that the self test takes for wrong, to see it work");

static int __init choose_implementation(void)
{
	u32 usable = lwcmem_selftest(lwcmem_cpu_isa() & (isa | LWC_ISA_SCALAR), selftest_break);

	if (!usable)
		return -ENODEV;
	lwcmem_impl = lwc_impl_select(usable);
	return 0;
}

static int __init lwcmem_init(void)
{
	int error = choose_implementation();

	if (error)
		return error;
	error = lwcmem_super_init();
	if (error)
		return error;
	error = lwcmem_device_init();
	if (error) {
		lwcmem_super_exit();
		return error;
	}
	pr_info("loaded, decoding with %s\n", lwcmem_impl->name);
	return 0;
}

static void __exit lwcmem_exit(void)
{
	lwcmem_device_exit();
	lwcmem_super_exit();
}

module_init(lwcmem_init);
module_exit(lwcmem_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Losslessly compressed model weights, decoded on demand");
MODULE_AUTHOR("the lwcmem developers");
MODULE_VERSION("0.1");
