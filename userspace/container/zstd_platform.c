/* SPDX-License-Identifier: BSD-3-Clause */
/* The codec's zstd seam on the system's libzstd. */
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
#include "codec/platform.h"

size_t lwc_zstd_workspace(void)
{
    return ZSTD_estimateDCtxSize();
}

bool lwc_zstd_decode(void *workspace, size_t workspace_len, u8 *dst, size_t dst_len, const u8 *src,
                     size_t src_len)
{
    ZSTD_DCtx *context = ZSTD_initStaticDCtx(workspace, workspace_len);
    ZSTD_frameHeader header;

    /* not ZSTD_getFrameContentSize: it takes frames from before RFC 8878, as few zstd do */
    if (!context || ZSTD_getFrameHeader(&header, src, src_len))
        return false;
    if (header.frameType != ZSTD_frame || header.frameContentSize != dst_len)
        return false;
    if (ZSTD_findFrameCompressedSize(src, src_len) != src_len)
        return false;
    return ZSTD_decompressDCtx(context, dst, dst_len, src, src_len) == dst_len;
}
