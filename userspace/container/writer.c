/* SPDX-License-Identifier: BSD-3-Clause */
#include "writer.h"
#include "align.h"
#include "sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum writer_kind { WRITE_NEW, WRITE_UPDATE, WRITE_REPLACE };

struct writer {
    enum writer_kind kind;
    char *path;
    char *directory;
    char *temporary; /* NULL once it has been moved or was never made */
    int fd;
    int force;
    uint64_t end;
    bool superblock_begun;      /* from then on, the generation may be in use */
    unsigned int slot;          /* that the superblock goes to */
    struct lwc_superblock base; /* of the generation before; zero without one */
    struct lwc_superblock superblock;
};

static int check_target(const char *path, int force, struct failure *failure)
{
    struct stat status;

    if (stat(path, &status) < 0) {
        if (errno == ENOENT)
            return 0;
        return fail_errno(failure, errno, "%s: cannot write there", path);
    }
    if (!S_ISREG(status.st_mode))
        return fail(failure, "%s: exists and is not a regular file; choose another name", path);
    if (!force)
        return fail(failure, "%s: exists already; choose another name or give --force", path);
    return 0;
}

static int create_temporary(struct writer *writer, struct failure *failure)
{
    char *copy = strdup(writer->path);
    mode_t mask;

    if (!copy || !(writer->directory = strdup(dirname(copy))) ||
        asprintf(&writer->temporary, "%s/.lwcmem-XXXXXX", writer->directory) < 0) {
        free(copy);
        writer->temporary = NULL;
        return fail(failure, "%s: out of memory", writer->path);
    }
    free(copy);
    writer->fd = mkostemp(writer->temporary, O_CLOEXEC);
    if (writer->fd < 0) {
        int error = errno;

        free(writer->temporary);
        writer->temporary = NULL;
        return fail_errno(failure, error, "%s: cannot create a file in %s", writer->path,
                          writer->directory);
    }
    /* mkostemp makes a private file; a container is as public as any output */
    mask = umask(0);
    umask(mask);
    if (fchmod(writer->fd, 0666 & ~mask) < 0)
        return fail_errno(failure, errno, "%s: cannot set the mode", writer->path);
    return 0;
}

static struct writer *allocate(enum writer_kind kind, const char *path, struct failure *failure)
{
    struct writer *writer = calloc(1, sizeof(*writer));

    if (!writer || !(writer->path = strdup(path))) {
        free(writer);
        fail(failure, "%s: out of memory", path);
        return NULL;
    }
    writer->kind = kind;
    writer->fd = -1;
    writer->end = LWC_DATA_START;
    return writer;
}

struct writer *writer_new(const char *path, int force, struct failure *failure)
{
    struct writer *writer;

    if (check_target(path, force, failure) < 0)
        return NULL;
    writer = allocate(WRITE_NEW, path, failure);
    if (!writer)
        return NULL;
    writer->force = force;
    if (create_temporary(writer, failure) == 0)
        return writer;
    writer_free(writer);
    return NULL;
}

static int cut_off(struct writer *writer, struct failure *failure)
{
    struct stat status;

    if (fstat(writer->fd, &status) < 0 ||
        ((uint64_t)status.st_size > writer->base.file_size &&
         ftruncate(writer->fd, (off_t)writer->base.file_size) < 0))
        return fail_errno(failure, errno, "%s: cannot cut off what is behind its end",
                          writer->path);
    return 0;
}

struct writer *writer_update(struct container *container, struct failure *failure)
{
    struct writer *writer = allocate(WRITE_UPDATE, container_path(container), failure);

    if (!writer)
        return NULL;
    writer->base = *container_superblock(container);
    writer->slot = container_slot(container) ^ 1;
    writer->end = writer->base.file_size;
    writer->fd = fcntl(container_fd(container), F_DUPFD_CLOEXEC, 0);
    if (writer->fd < 0)
        fail_errno(failure, errno, "%s: cannot use it twice", writer->path);
    else if (cut_off(writer, failure) == 0)
        return writer;
    writer_free(writer);
    return NULL;
}

/* As private or public as the file that it replaces, and of the same owner if that is allowed. */
static int copy_access(struct writer *writer, int from, struct failure *failure)
{
    struct stat status;

    if (fstat(from, &status) < 0)
        return fail_errno(failure, errno, "%s: cannot read its mode", writer->path);
    (void)!fchown(writer->fd, status.st_uid, status.st_gid);
    if (fchmod(writer->fd, status.st_mode & 0777) < 0)
        return fail_errno(failure, errno, "%s: cannot set the mode", writer->path);
    return 0;
}

struct writer *writer_replace(struct container *container, struct failure *failure)
{
    char *path = realpath(container_path(container), NULL);
    struct writer *writer;

    if (!path) {
        fail_errno(failure, errno, "%s: cannot follow", container_path(container));
        return NULL;
    }
    writer = allocate(WRITE_REPLACE, path, failure);
    free(path);
    if (!writer)
        return NULL;
    writer->base = *container_superblock(container);
    writer->force = 1;
    if (create_temporary(writer, failure) == 0 &&
        copy_access(writer, container_fd(container), failure) == 0)
        return writer;
    writer_free(writer);
    return NULL;
}

static int write_at(struct writer *writer, const void *data, size_t size, uint64_t offset,
                    struct failure *failure)
{
    const uint8_t *at = data;

    while (size) {
        ssize_t put = pwrite(writer->fd, at, size, (off_t)offset);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return fail_errno(failure, put < 0 ? errno : ENOSPC,
                              "%s: cannot write; free space or choose another disk", writer->path);
        at += put;
        size -= (size_t)put;
        offset += (uint64_t)put;
    }
    return 0;
}

int writer_payload(struct writer *writer, const void *data, size_t size, uint64_t *offset,
                   struct failure *failure)
{
    uint64_t start = align_up(writer->end, LWC_PAYLOAD_ALIGN);

    if (write_at(writer, data, size, start, failure) < 0)
        return -1;
    *offset = start;
    writer->end = start + size;
    return 0;
}

int writer_compare(struct writer *writer, uint64_t offset, const void *data, size_t size,
                   struct failure *failure)
{
    const uint8_t *at = data;
    uint8_t part[16384];

    while (size) {
        ssize_t got =
            pread(writer->fd, part, size < sizeof(part) ? size : sizeof(part), (off_t)offset);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return fail_errno(failure, got < 0 ? errno : EIO, "%s: cannot read back", writer->path);
        if (memcmp(part, at, (size_t)got))
            return 0;
        at += got;
        offset += (uint64_t)got;
        size -= (size_t)got;
    }
    return 1;
}

static int derive_uuid(const struct lwc_superblock *base,
                       const struct writer_table tables[LWC_TABLES], uint8_t uuid[16],
                       struct failure *failure)
{
    struct sha256 *hash = sha256_new();
    uint8_t digest[SHA256_SIZE];
    int result = hash ? 0 : -ENOMEM;

    if (base->generation && result == 0)
        result = sha256_update(hash, base->uuid, sizeof(base->uuid));
    for (uint32_t i = 0; i < LWC_TABLES && result == 0; i++)
        result = sha256_update(hash, tables[i].entries, tables[i].count * lwc_table_entry_size(i));
    if (result == 0)
        result = sha256_finish(hash, digest);
    sha256_free(hash);
    if (result < 0)
        return fail(failure, "out of memory for the uuid");
    memcpy(uuid, digest, 16);
    /* RFC 9562: version 8 (made from custom data), variant 1 */
    uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x80);
    uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
    return 0;
}

static int write_table(struct writer *writer, uint32_t table, const struct writer_table *data,
                       struct failure *failure)
{
    struct lwc_superblock *superblock = &writer->superblock;
    uint32_t entry_size = lwc_table_entry_size(table);
    uint64_t per_block = LWC_BLOCK_PAYLOAD / entry_size;
    uint64_t offset = data->count ? align_up(writer->end, LWC_BLOCK_SIZE) : 0;
    struct lwc_block block;

    superblock->tables[table] =
        (struct lwc_table_ref){.offset = offset, .count = data->count, .entry_size = entry_size};
    for (uint64_t done = 0, index = 0; done < data->count; done += per_block, index++) {
        uint64_t part = data->count - done < per_block ? data->count - done : per_block;

        memset(&block, 0, sizeof(block));
        block.table = table;
        block.index = index;
        memcpy(block.uuid, superblock->uuid, sizeof(block.uuid));
        memcpy(block.payload, (const uint8_t *)data->entries + done * entry_size,
               part * entry_size);
        block.crc = lwc_crc32c(0, (const u8 *)&block + sizeof(block.crc),
                               sizeof(block) - sizeof(block.crc));
        if (write_at(writer, &block, sizeof(block), offset, failure) < 0)
            return -1;
        offset += LWC_BLOCK_SIZE;
        writer->end = offset;
    }
    return 0;
}

static int cannot_sync(const struct writer *writer, struct failure *failure)
{
    return fail_errno(failure, errno, "%s: cannot write to the disk", writer->path);
}

/*
 * All that the superblock refers to is on the disk before it is written, in one
 * piece. Tables may all be empty: the file is as long as the superblock says.
 */
static int write_superblock(struct writer *writer, struct failure *failure)
{
    const size_t crc_start = offsetof(struct lwc_superblock, generation);
    struct lwc_superblock slot = writer->superblock;
    ssize_t put;

    slot.crc = lwc_crc32c(0, (const u8 *)&slot + crc_start, sizeof(slot) - crc_start);
    if (ftruncate(writer->fd, (off_t)writer->end) < 0 || fdatasync(writer->fd) < 0)
        return cannot_sync(writer, failure);
    do {
        put = pwrite(writer->fd, &slot, sizeof(slot), writer->slot * LWC_SUPERBLOCK_SIZE);
    } while (put < 0 && errno == EINTR);
    writer->superblock_begun = put > 0;
    if (put < 0 || fdatasync(writer->fd) < 0)
        return cannot_sync(writer, failure);
    if ((size_t)put < sizeof(slot))
        return fail(failure, "%s: the disk took only a part of the superblock", writer->path);
    return 0;
}

/* Move the temporary file to its name without ever replacing what appeared. */
static int publish(struct writer *writer, struct failure *failure)
{
    int result;

    if (writer->force) {
        result = rename(writer->temporary, writer->path);
    } else {
        result = renameat2(AT_FDCWD, writer->temporary, AT_FDCWD, writer->path, RENAME_NOREPLACE);
        /* not every file system knows the flag; link() refuses to replace, too */
        if (result < 0 && (errno == EINVAL || errno == ENOSYS)) {
            result = link(writer->temporary, writer->path);
            if (result == 0)
                unlink(writer->temporary);
        }
    }
    if (result < 0 && errno == EEXIST)
        return fail(failure, "%s: appeared meanwhile; choose another name or give --force",
                    writer->path);
    if (result < 0)
        return fail_errno(failure, errno, "%s: cannot move the finished file there", writer->path);
    free(writer->temporary);
    writer->temporary = NULL;
    return 0;
}

static void sync_directory(const char *directory)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return;
    /* Best effort: some file systems cannot sync a directory. */
    (void)fsync(fd);
    close(fd);
}

static int fill_superblock(struct writer *writer, const struct writer_table tables[LWC_TABLES],
                           const struct writer_totals *totals, struct failure *failure)
{
    struct lwc_superblock *superblock = &writer->superblock;

    *superblock = (struct lwc_superblock){
        .version = LWC_VERSION,
        .generation = writer->base.generation + (writer->kind != WRITE_REPLACE),
        .incompat = totals->incompat,
        .bytes_original = totals->bytes_original,
        .weights = totals->weights,
        .arena_size = totals->arena_size,
        .payload_align = LWC_PAYLOAD_ALIGN,
    };
    memcpy(superblock->magic, LWC_MAGIC, LWC_MAGIC_SIZE);
    /* what is kept may be aligned to less */
    if (writer->kind == WRITE_UPDATE && writer->base.payload_align < LWC_PAYLOAD_ALIGN)
        superblock->payload_align = writer->base.payload_align;
    if (!superblock->generation)
        return fail(failure, "%s: has the last possible generation; pack it anew", writer->path);
    if (writer->kind != WRITE_REPLACE)
        return derive_uuid(&writer->base, tables, superblock->uuid, failure);
    memcpy(superblock->uuid, writer->base.uuid, sizeof(superblock->uuid));
    return 0;
}

int writer_finish(struct writer *writer, const struct writer_table tables[LWC_TABLES],
                  const struct writer_totals *totals, struct failure *failure)
{
    if (fill_superblock(writer, tables, totals, failure) < 0)
        return -1;
    for (uint32_t i = 0; i < LWC_TABLES; i++)
        if (write_table(writer, i, &tables[i], failure) < 0)
            return -1;
    writer->superblock.file_size = writer->end;
    if (write_superblock(writer, failure) < 0)
        return -1;
    if (writer->kind == WRITE_UPDATE)
        return 0;
    if (publish(writer, failure) < 0)
        return -1;
    sync_directory(writer->directory);
    return 0;
}

const struct lwc_superblock *writer_superblock(const struct writer *writer)
{
    return &writer->superblock;
}

void writer_free(struct writer *writer)
{
    struct failure ignored;

    if (!writer)
        return;
    /* if that fails, too, the next update does it */
    if (writer->kind == WRITE_UPDATE && writer->fd >= 0 && !writer->superblock_begun)
        (void)cut_off(writer, &ignored);
    if (writer->fd >= 0)
        close(writer->fd);
    if (writer->temporary)
        unlink(writer->temporary);
    free(writer->temporary);
    free(writer->directory);
    free(writer->path);
    free(writer);
}
