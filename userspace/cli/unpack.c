/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lwcmem unpack: extents are decoded by all threads straight to their places;
 * then every file is read back and must have the hash of the original.
 */
#include "cli.h"
#include "contents.h"
#include "parallel.h"
#include "tree.h"
#include "container/dependency.h"
#include "container/sha256.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HASH_BUFFER LWC_TILE_MAX

struct entry {
    struct lwc_file file;
    char *name;
};

struct unpack {
    struct container *container;
    struct tree *tree;
    struct contents_reader *readers;
    struct entry *entries;
    uint64_t count;
    size_t *extent_file; /* of each extent that belongs to a file */
    unsigned int threads;
};

/* Where the bytes of one extent go. */
struct target {
    struct tree *tree;
    const char *name;
    int fd;
};

static int write_bytes(void *context, uint64_t offset, const uint8_t *data, size_t size,
                       struct failure *failure)
{
    struct target *target = context;

    if (tree_write(target->tree, target->fd, target->name, data, size, offset, failure) < 0)
        return -1;
    progress_add(size);
    return 0;
}

static int unpack_extent(struct parallel *parallel, void *context, unsigned int worker,
                         uint64_t index, struct failure *failure)
{
    struct unpack *unpack = context;
    size_t owner = unpack->extent_file[index];
    struct target target = {.tree = unpack->tree};
    struct lwc_extent extent;
    struct lwc_object object;
    int result;

    (void)parallel;
    if (!owner--)
        return 0;
    target.name = unpack->entries[owner].name;
    if (container_extent(unpack->container, index, &extent, &object, failure) < 0 ||
        (target.fd = tree_open(unpack->tree, target.name, failure)) < 0)
        return -1;
    result = contents_extent(unpack->container, &unpack->readers[worker], &extent, &object,
                             write_bytes, &target, failure);
    close(target.fd);
    return result;
}

static int hash_file(int fd, uint8_t *buffer, uint8_t digest[SHA256_SIZE])
{
    struct sha256 *hash = sha256_new();
    int result = hash ? 0 : -ENOMEM;

    for (off_t at = 0; result == 0;) {
        ssize_t got = pread(fd, buffer, HASH_BUFFER, at);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            result = got < 0 ? -errno : sha256_finish(hash, digest);
            break;
        }
        result = sha256_update(hash, buffer, (size_t)got);
        at += got;
    }
    sha256_free(hash);
    return result;
}

static int check_file(struct parallel *parallel, void *context, unsigned int worker, uint64_t index,
                      struct failure *failure)
{
    struct unpack *unpack = context;
    struct entry *entry = &unpack->entries[index];
    uint8_t digest[SHA256_SIZE];
    int fd, error;

    (void)parallel;
    if (entry->file.kind != LWC_FILE_REGULAR)
        return 0;
    fd = tree_open(unpack->tree, entry->name, failure);
    if (fd < 0)
        return -1;
    error = hash_file(fd, unpack->readers[worker].decoded, digest);
    if (error == 0 && memcmp(digest, entry->file.sha256, sizeof(digest)) == 0)
        return tree_close(unpack->tree, fd, entry->name, failure);
    close(fd);
    if (error)
        return fail_errno(failure, -error, "%s: cannot read back", entry->name);
    return fail(failure,
                "%s: %s: sha256 differs from the original; the file is damaged, get it "
                "again",
                container_path(unpack->container), entry->name);
}

/* Read the table of files, which has been checked. */
static int read_entries(struct unpack *unpack, struct failure *failure)
{
    unpack->count = container_count(unpack->container, LWC_TABLE_FILES);
    unpack->entries = calloc(unpack->count + 1, sizeof(*unpack->entries));
    unpack->extent_file = calloc(container_count(unpack->container, LWC_TABLE_EXTENTS) + 1,
                                 sizeof(*unpack->extent_file));
    if (!unpack->entries || !unpack->extent_file)
        return fail(failure, "out of memory for the table of files");
    for (uint64_t i = 0; i < unpack->count; i++) {
        struct entry *entry = &unpack->entries[i];
        char name[LWC_NAME_MAX + 1];

        if (container_file(unpack->container, i, &entry->file, failure) < 0 ||
            container_file_name(unpack->container, &entry->file, name, failure) < 0)
            return -1;
        entry->name = strdup(name);
        if (!entry->name)
            return fail(failure, "out of memory for the table of files");
        for (uint64_t e = 0; e < entry->file.extent_count; e++)
            unpack->extent_file[entry->file.extent_first + e] = i + 1;
    }
    return 0;
}

static int make_entries(struct unpack *unpack, struct failure *failure)
{
    for (uint64_t i = 0; i < unpack->count; i++) {
        struct entry *entry = &unpack->entries[i];
        int result = entry->file.kind == LWC_FILE_DIRECTORY
                         ? tree_add_directory(unpack->tree, entry->name, failure)
                         : tree_add_file(unpack->tree, entry->name, entry->file.size, failure);

        if (result < 0)
            return -1;
    }
    return 0;
}

/* Names are sorted, so that backwards is children before parents. */
static int set_modes(struct unpack *unpack, struct failure *failure)
{
    for (uint64_t i = unpack->count; i-- > 0;)
        if (tree_set_mode(unpack->tree, unpack->entries[i].name, unpack->entries[i].file.mode,
                          failure) < 0)
            return -1;
    return 0;
}

static int unpack_all(struct unpack *unpack, const char *out, struct failure *failure)
{
    int result;

    if (container_check_blocks(unpack->container, failure) < 0 ||
        container_check_files(unpack->container, failure) < 0 || read_entries(unpack, failure) < 0)
        return -1;
    unpack->tree = tree_new(out, failure);
    unpack->readers = contents_readers_new(unpack->threads, failure);
    if (!unpack->tree || !unpack->readers || make_entries(unpack, failure) < 0)
        return -1;
    progress_start("unpacking", container_superblock(unpack->container)->bytes_original);
    result = parallel_run(unpack->threads, container_count(unpack->container, LWC_TABLE_EXTENTS),
                          unpack_extent, unpack, failure);
    progress_end();
    if (result < 0 || parallel_run(unpack->threads, unpack->count, check_file, unpack, failure) < 0)
        return -1;
    if (set_modes(unpack, failure) < 0 || cli_check_interrupt(failure) < 0)
        return -1;
    return tree_publish(unpack->tree, failure);
}

static int unpack_container(const char *path, const char *base, const char *out,
                            unsigned int threads, struct failure *failure)
{
    struct unpack unpack = {.threads = threads};
    int result;

    unpack.container = dependency_open(path, base, failure);
    if (!unpack.container)
        return -1;
    result = unpack_all(&unpack, out, failure);
    if (result == 0)
        cli_note_base(path, base);
    tree_free(unpack.tree);
    contents_readers_free(unpack.readers, threads);
    for (uint64_t i = 0; unpack.entries && i < unpack.count; i++)
        free(unpack.entries[i].name);
    free(unpack.entries);
    free(unpack.extent_file);
    container_close(unpack.container);
    return result;
}

static int run(int argc, char **argv)
{
    static const struct option names[] = {
        {"output", required_argument, NULL, 'o'},
        {"base", required_argument, NULL, 'b'},
        {"threads", required_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    unsigned int threads = cli_default_threads();
    const char *out = NULL, *base = NULL;
    struct failure failure;
    int option;

    while ((option = getopt_long(argc, argv, "o:j:h", names, NULL)) != -1) {
        switch (option) {
        case 'o':
            out = optarg;
            break;
        case 'b':
            base = optarg;
            break;
        case 'j':
            threads = cli_threads(optarg);
            if (!threads)
                return cli_usage(&command_unpack, "-j is a number of threads, 1 to 1024");
            break;
        case 'h':
            return cli_help(&command_unpack);
        default:
            return cli_usage(&command_unpack, NULL);
        }
    }
    if (argc - optind != 1 || !out)
        return cli_usage(&command_unpack, "give one container and -o DIR");
    if (unpack_container(argv[optind], base, out, threads, &failure) < 0)
        return cli_failed(&failure);
    return EXIT_DONE;
}

const struct command command_unpack = {
    .name = "unpack",
    .usage = "OUT.lwc -o DIR [--base BASE.lwc] [-j N]",
    .summary = "write the original files of a container, checked against their sha256",
    .help = "OUT.lwc           the container\n"
            "-o DIR            the directory to create; may exist if it is empty\n"
            "--base BASE.lwc   the container that OUT.lwc was packed against, if it was\n"
            "-j N              threads (default: all CPUs of this process)\n",
    .run = run,
};
