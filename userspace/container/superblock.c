/* SPDX-License-Identifier: BSD-3-Clause */
#include "superblock.h"
#include "file_read.h"

#include <errno.h>
#include <stdio.h>

/* What incompat bits stand for, as far as their place tells; as many as there is room for. */
static void name_features(uint64_t bits, char *names, size_t size)
{
    size_t used = 0;

    for (unsigned int bit = 0; bit < 64 && used < size; bit++) {
        bool levels = bit >= 16 && bit < 48;
        const char *kind = !levels ? "feature" : bit < 32 ? "LEVELS structure" : "LEVELS field";

        if (bits >> bit & 1)
            used += (size_t)snprintf(names + used, size - used, "%s%s %u", used ? ", " : "", kind,
                                     levels ? bit % 16 : bit);
    }
}

static int superblock_failure(const char *path, enum lwc_error error, uint64_t unknown,
                              struct failure *failure)
{
    if (error == LWC_ERR_MAGIC)
        return fail(failure, "%s: not an .lwc container; give a file that lwcmem pack wrote", path);
    if (error == LWC_ERR_VERSION)
        return fail(failure, "%s: is not of version %d of the format; use a newer lwcmem", path,
                    LWC_VERSION);
    if (error == LWC_ERR_FEATURE) {
        char features[256];

        name_features(unknown, features, sizeof(features));
        return fail(failure, "%s: needs %s, which this lwcmem does not know; use a newer lwcmem",
                    path, features);
    }
    return fail(failure, "%s: superblock: %s; the file is truncated or damaged, get it again", path,
                lwc_error_string(error));
}

/* The other one may be what a crash left. */
int superblock_choose(int fd, const char *path, uint64_t size, struct lwc_superblock *superblock,
                      unsigned int *chosen, struct failure *failure)
{
    enum lwc_error error = LWC_ERR_MAGIC;
    struct lwc_superblock slot = {0};
    u64 unknown = 0;
    bool found = false;

    for (unsigned int i = 0; i < LWC_SUPERBLOCK_SLOTS; i++) {
        int result = file_read(fd, &slot, sizeof(slot), i * LWC_SUPERBLOCK_SIZE);
        bool written = !result && lwc_superblock_written(&slot);

        if (result && result != ENODATA)
            return fail_errno(failure, result, "%s: cannot read", path);
        /* of two that are not, what is wrong with the first says most */
        if (written ? found && slot.generation <= superblock->generation : i)
            continue;
        *superblock = slot;
        *chosen = i;
        found = written;
        error = lwc_superblock_check(&slot, size, &unknown);
        /* of a slot that is cut off, only the magic says something */
        if (result && error != LWC_ERR_MAGIC)
            error = LWC_ERR_TRUNCATED;
    }
    return error ? superblock_failure(path, error, unknown, failure) : 0;
}

/* What this lwcmem does not know in the file it would not keep. */
int superblock_check_updatable(const char *path, const struct lwc_superblock *superblock,
                               struct failure *failure)
{
    if (superblock->ro_compat)
        return fail(failure, "%s: a newer lwcmem has written to it; update it with that one", path);
    return 0;
}
