// SPDX-License-Identifier: GPL-2.0-only
/* The codec's zstd seam on the kernel's zstd. */
#include <linux/zstd.h>

#include "codec/platform.h"

size_t lwc_zstd_workspace(void)
{
	return zstd_dctx_workspace_bound();
}

bool lwc_zstd_decode(void *workspace, size_t workspace_len, u8 *dst, size_t dst_len,
		     const u8 *src, size_t src_len)
{
	zstd_dctx *context = zstd_init_dctx(workspace, workspace_len);
	zstd_frame_header header;

	if (!context || zstd_get_frame_header(&header, src, src_len))
		return false;
	if (header.frameType != ZSTD_frame || header.frameContentSize != dst_len)
		return false;
	if (zstd_find_frame_compressed_size(src, src_len) != src_len)
		return false;
	return zstd_decompress_dctx(context, dst, dst_len, src, src_len) == dst_len;
}
