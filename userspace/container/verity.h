/* SPDX-License-Identifier: BSD-3-Clause */
/* fs-verity: files whose bytes the filesystem checks against a digest whenever it reads them. */
#ifndef LWC_VERITY_H
#define LWC_VERITY_H

#define VERITY_TEXT_SIZE (8 + 2 * 64)

/*
 * "sha256:" or "sha512:" and the digest in hexadecimal, as the fsverity tool has it; empty
 * if the file has none.
 */
void verity_text(int fd, char text[VERITY_TEXT_SIZE]);

#endif
