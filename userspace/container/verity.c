/* SPDX-License-Identifier: BSD-3-Clause */
#include "verity.h"

#include <linux/fsverity.h>
#include <stdio.h>
#include <sys/ioctl.h>

void verity_text(int fd, char text[VERITY_TEXT_SIZE])
{
    union {
        struct fsverity_digest measured;
        unsigned char room[sizeof(struct fsverity_digest) + 64];
    } digest = {.measured = {.digest_size = 64}};

    text[0] = '\0';
    /* all errors: no such file, or a filesystem that does not know the question */
    if (ioctl(fd, FS_IOC_MEASURE_VERITY, &digest) < 0 || digest.measured.digest_size > 64)
        return;
    text += sprintf(
        text,
        "%s:", digest.measured.digest_algorithm == FS_VERITY_HASH_ALG_SHA512 ? "sha512" : "sha256");
    for (int i = 0; i < digest.measured.digest_size; i++)
        text += sprintf(text, "%02x", digest.room[sizeof(struct fsverity_digest) + i]);
}
