/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lwcmem verify: every block and tile against its crc, every tensor and every
 * file against its sha256. A task is one tensor or one file.
 */
#include "cli.h"
#include "contents.h"
#include "parallel.h"
#include "walk.h"
#include "container/dependency.h"
#include "container/sha256.h"
#include "container/verity.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct verify {
    struct container *container;
    struct contents_reader *readers;
    const struct walk *against; /* NULL: nothing to compare with */
    uint64_t files;
    unsigned int threads;
};

static int out_of_memory(struct failure *failure)
{
    return fail(failure, "out of memory for a hash");
}

static int add_bytes(void *context, uint64_t offset, const uint8_t *data, size_t size,
                     struct failure *failure)
{
    (void)offset;
    progress_add(size);
    return sha256_update(context, data, size) < 0 ? out_of_memory(failure) : 0;
}

static int add_tile(void *context, uint64_t offset, const uint8_t *data, size_t size,
                    struct failure *failure)
{
    uint8_t digest[SHA256_SIZE];

    (void)offset;
    progress_add(size);
    if (sha256_buffer(data, size, digest) < 0 || sha256_update(context, digest, sizeof(digest)) < 0)
        return out_of_memory(failure);
    return 0;
}

static int check_hash(struct verify *verify, struct sha256 *hash, const uint8_t *expected,
                      uint64_t name_offset, uint32_t name_length, struct failure *failure)
{
    char name[LWC_NAME_MAX + 1] = "(bytes outside of tensors)";
    uint8_t digest[SHA256_SIZE];

    if (sha256_finish(hash, digest) < 0)
        return out_of_memory(failure);
    if (memcmp(digest, expected, sizeof(digest)) == 0)
        return 0;
    if (name_length &&
        container_name(verify->container, name_offset, name_length, name, failure) < 0)
        return -1;
    return fail(failure, "%s: %.700s: sha256 does not match; the file is damaged, get it again",
                container_path(verify->container), name);
}

static int verify_file(struct verify *verify, struct contents_reader *reader, struct sha256 *hash,
                       uint64_t index, struct failure *failure)
{
    struct lwc_file file;

    if (container_file(verify->container, index, &file, failure) < 0)
        return -1;
    if (file.kind != LWC_FILE_REGULAR)
        return 0;
    if (contents_file(verify->container, reader, &file, add_bytes, hash, failure) < 0)
        return -1;
    return check_hash(verify, hash, file.sha256, file.name_offset, file.name_length, failure);
}

static int verify_object(struct verify *verify, struct contents_reader *reader, struct sha256 *hash,
                         uint64_t index, struct failure *failure)
{
    struct lwc_object object;

    if (container_object(verify->container, index, &object, failure) < 0 ||
        contents_object(verify->container, reader, &object, add_tile, hash, failure) < 0)
        return -1;
    return check_hash(verify, hash, object.sha256, object.name_offset, object.name_length, failure);
}

static int verify_task(struct parallel *parallel, void *context, unsigned int worker,
                       uint64_t index, struct failure *failure)
{
    struct verify *verify = context;
    struct sha256 *hash = sha256_new();
    int result;

    (void)parallel;
    if (!hash)
        return out_of_memory(failure);
    if (index < verify->files)
        result = verify_file(verify, &verify->readers[worker], hash, index, failure);
    else
        result =
            verify_object(verify, &verify->readers[worker], hash, index - verify->files, failure);
    sha256_free(hash);
    return result;
}

/* Name and content of file index of the container and of the model are the same. */
static int compare_file(struct verify *verify, uint64_t index, struct failure *failure)
{
    const struct walk_file *original = &verify->against->files[index];
    char name[LWC_NAME_MAX + 1];
    uint8_t digest[SHA256_SIZE];
    struct lwc_file file;
    int order;

    if (container_file(verify->container, index, &file, failure) < 0 ||
        container_file_name(verify->container, &file, name, failure) < 0)
        return -1;
    order = strcmp(name, original->name);
    if (order)
        return fail(failure, "%.700s: is in the %s only", order < 0 ? name : original->name,
                    order < 0 ? "container" : "model");
    if ((file.kind == LWC_FILE_DIRECTORY) != S_ISDIR(original->status.st_mode))
        return fail(failure, "%s: a directory on one side only", original->path);
    if (file.mode != (original->status.st_mode & 0777))
        return fail(failure, "%s: permission bits %03o, in the container %03o", original->path,
                    original->status.st_mode & 0777, file.mode);
    if (file.kind == LWC_FILE_DIRECTORY)
        return 0;
    if (file.size != (uint64_t)original->status.st_size)
        return fail(failure, "%s: %" PRIu64 " bytes, in the container %" PRIu64, original->path,
                    (uint64_t)original->status.st_size, (uint64_t)file.size);
    if (walk_hash(original, true, NULL, digest, failure) < 0)
        return -1;
    if (memcmp(digest, file.sha256, sizeof(digest)))
        return fail(failure, "%s: the content differs from the container's", original->path);
    return 0;
}

static int compare_task(struct parallel *parallel, void *context, unsigned int worker,
                        uint64_t index, struct failure *failure)
{
    (void)parallel;
    (void)worker;
    return compare_file(context, index, failure);
}

static int compare(struct verify *verify, struct failure *failure)
{
    uint64_t common =
        verify->files < verify->against->count ? verify->files : verify->against->count;
    char name[LWC_NAME_MAX + 1];
    struct lwc_file file;

    if (parallel_run(verify->threads, common, compare_task, verify, failure) < 0)
        return -1;
    if (verify->against->count > common)
        return fail(failure, "%s: is in the model only", verify->against->files[common].path);
    if (verify->files == common)
        return 0;
    if (container_file(verify->container, common, &file, failure) < 0 ||
        container_file_name(verify->container, &file, name, failure) < 0)
        return -1;
    return fail(failure, "%.700s: is in the container only", name);
}

static int verify_all(struct verify *verify, struct failure *failure)
{
    uint64_t objects = container_count(verify->container, LWC_TABLE_OBJECTS);
    uint64_t bytes = container_superblock(verify->container)->bytes_original;
    char verity[VERITY_TEXT_SIZE];
    int result;

    if (container_check_blocks(verify->container, failure) < 0 ||
        container_check_files(verify->container, failure) < 0 ||
        container_check_objects(verify->container, failure) < 0)
        return -1;
    verify->files = container_count(verify->container, LWC_TABLE_FILES);
    verify->readers = contents_readers_new(verify->threads, failure);
    if (!verify->readers)
        return -1;
    progress_start("verifying", (verify->against ? 3 : 2) * bytes);
    result = parallel_run(verify->threads, verify->files + objects, verify_task, verify, failure);
    if (result == 0 && verify->against)
        result = compare(verify, failure);
    progress_end();
    if (result < 0)
        return -1;
    printf("%s: %" PRIu64 " files and %" PRIu64 " objects are intact%s\n",
           container_path(verify->container), verify->files, objects,
           verify->against ? " and equal the model" : "");
    verity_text(container_fd(verify->container), verity);
    if (verity[0])
        printf("%s: fs-verity %s\n", container_path(verify->container), verity);
    return 0;
}

static int verify_container(const char *path, const char *base, const char *model,
                            unsigned int threads, struct failure *failure)
{
    struct verify verify = {.threads = threads};
    struct walk walk = {0};
    int result;

    if (model && walk_model(model, &walk, failure) < 0)
        return -1;
    verify.against = model ? &walk : NULL;
    verify.container = dependency_open(path, base, failure);
    result = verify.container ? verify_all(&verify, failure) : -1;
    if (result == 0)
        cli_note_base(path, base);
    contents_readers_free(verify.readers, threads);
    container_close(verify.container);
    walk_free(&walk);
    return result;
}

static int run(int argc, char **argv)
{
    static const struct option names[] = {
        {"against", required_argument, NULL, 'a'},
        {"base", required_argument, NULL, 'b'},
        {"threads", required_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    unsigned int threads = cli_default_threads();
    const char *model = NULL, *base = NULL;
    struct failure failure;
    int option;

    while ((option = getopt_long(argc, argv, "j:h", names, NULL)) != -1) {
        switch (option) {
        case 'a':
            model = optarg;
            break;
        case 'b':
            base = optarg;
            break;
        case 'j':
            threads = cli_threads(optarg);
            if (!threads)
                return cli_usage(&command_verify, "-j is a number of threads, 1 to 1024");
            break;
        case 'h':
            return cli_help(&command_verify);
        default:
            return cli_usage(&command_verify, NULL);
        }
    }
    if (argc - optind != 1)
        return cli_usage(&command_verify, "give one container");
    if (verify_container(argv[optind], base, model, threads, &failure) < 0)
        return cli_failed(&failure);
    return EXIT_DONE;
}

const struct command command_verify = {
    .name = "verify",
    .usage = "OUT.lwc [--against MODEL] [--base BASE.lwc] [-j N]",
    .summary = "check every crc and every sha256 of a container",
    .help = "OUT.lwc           the container\n"
            "--against MODEL   also compare with the original directory or file\n"
            "--base BASE.lwc   the container that OUT.lwc was packed against, if it was\n"
            "-j N              threads (default: all CPUs of this process)\n",
    .run = run,
};
