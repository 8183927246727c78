/* SPDX-License-Identifier: BSD-3-Clause */
/* What --favor means. */
#ifndef LWC_PACK_H
#define LWC_PACK_H

#include "encode/encode.h"

/* The policy of the argument of --favor; -1 for any other word. */
int pack_favor(const char *text, struct encode_policy *policy);

#endif
