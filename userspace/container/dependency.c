/* SPDX-License-Identifier: BSD-3-Clause */
#include "dependency.h"
#include "sha256.h"

#include <inttypes.h>
#include <stdio.h>

void uuid_text(const uint8_t uuid[16], char text[UUID_TEXT_SIZE])
{
    char *at = text;

    for (int i = 0; i < 16; i++)
        at += sprintf(at, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
}

static int hash_objects(struct container *container, struct sha256 *hash,
                        uint8_t digest[SHA256_SIZE], struct failure *failure)
{
    uint64_t count = container_count(container, LWC_TABLE_OBJECTS);
    int result = 0;

    for (uint64_t i = 0; i < count && result == 0; i++) {
        struct lwc_object object;

        if (container_object(container, i, &object, failure) < 0)
            return -1;
        result = sha256_update(hash, object.sha256, sizeof(object.sha256));
    }
    if (result == 0)
        result = sha256_finish(hash, digest);
    return result ? fail(failure, "out of memory for a hash") : 0;
}

int dependency_describe(struct container *base, struct lwc_dep *dep, struct failure *failure)
{
    struct sha256 *hash;
    int result;

    if (container_count(base, LWC_TABLE_DEPS))
        return fail(failure,
                    "%s: depends on a base itself, so it cannot be one; give a container that was "
                    "packed without --base",
                    container_path(base));
    memcpy(dep->uuid, container_superblock(base)->uuid, sizeof(dep->uuid));
    hash = sha256_new();
    result = hash ? hash_objects(base, hash, dep->sha256, failure)
                  : fail(failure, "out of memory for a hash");
    sha256_free(hash);
    return result;
}

static int check_base(struct container *container, const struct lwc_dep *wanted,
                      struct container *base, struct failure *failure)
{
    char wanted_text[UUID_TEXT_SIZE], found_text[UUID_TEXT_SIZE];
    struct lwc_dep found;

    if (dependency_describe(base, &found, failure) < 0)
        return -1;
    if (memcmp(found.uuid, wanted->uuid, sizeof(found.uuid))) {
        uuid_text(wanted->uuid, wanted_text);
        uuid_text(found.uuid, found_text);
        return fail(failure,
                    "%s: needs the base with uuid %s, but %s has uuid %s; give the right one with "
                    "--base",
                    container_path(container), wanted_text, container_path(base), found_text);
    }
    if (memcmp(found.sha256, wanted->sha256, sizeof(found.sha256)))
        return fail(failure,
                    "%s: has the uuid of the base of %s, but other contents; one of them "
                    "is damaged, get it again",
                    container_path(base), container_path(container));
    return 0;
}

static int find_base(struct container *container, const char *path, struct failure *failure)
{
    uint64_t count = container_count(container, LWC_TABLE_DEPS);
    char text[UUID_TEXT_SIZE];
    struct container *base;
    struct lwc_dep dep;

    if (!count)
        return 0;
    if (container_dep(container, 0, &dep, failure) < 0)
        return -1;
    uuid_text(dep.uuid, text);
    if (!path)
        return fail(failure, "%s: needs its base, the container with uuid %s; give it with --base",
                    container_path(container), text);
    base = container_open(path, failure);
    if (!base)
        return -1;
    if (check_base(container, &dep, base, failure) < 0) {
        container_close(base);
        return -1;
    }
    container_set_base(container, base);
    return 0;
}

struct container *dependency_open(const char *path, const char *base_path, struct failure *failure)
{
    struct container *container = container_open(path, failure);

    if (!container || find_base(container, base_path, failure) == 0)
        return container;
    container_close(container);
    return NULL;
}

int dependency_refuse(struct container *container, const char *advice, struct failure *failure)
{
    char text[UUID_TEXT_SIZE];
    struct lwc_dep dep;

    if (!container_count(container, LWC_TABLE_DEPS))
        return 0;
    if (container_dep(container, 0, &dep, failure) < 0)
        return -1;
    uuid_text(dep.uuid, text);
    return fail(failure, "%s: depends on a base (uuid %s); %s", container_path(container), text,
                advice);
}
