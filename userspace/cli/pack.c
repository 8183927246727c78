/* SPDX-License-Identifier: BSD-3-Clause */
/* lwcmem pack: a new container of a model. */
#include "cli.h"
#include "favor.h"
#include "packing.h"
#include "container/dependency.h"

#include <getopt.h>
#include <stdio.h>
#include <sys/stat.h>

struct options {
    const char *model;
    const char *out;
    const char *base; /* NULL: depend on nothing */
    struct encode_policy policy;
    unsigned int threads;
    int force;
};

static void report(const struct options *options, const struct packing_input *input,
                   const struct packing *packing)
{
    const struct plan *plan = input->plan;
    uint64_t size = writer_superblock(input->writer)->file_size;
    size_t tensors = 0;

    for (size_t i = 0; i < plan->object_count; i++)
        tensors += plan->objects[i].entry.name_length != 0;
    fprintf(stderr, "%s: %zu files, %zu tensors; %.1f MB -> %.1f MB (%.2fx)\n", options->out,
            plan->walk.count, tensors, (double)plan->bytes_original / 1e6, (double)size / 1e6,
            (double)plan->bytes_original / (double)size);
    if (options->base && !packing_tables(packing)[LWC_TABLE_DEPS].count)
        fprintf(stderr, "%s: needs no base; nothing of %s is in it\n", options->out, options->base);
}

/* Whoever replaces a base by what depends on it has neither. */
static int refuse_own_base(const struct options *options, struct container *base,
                           struct failure *failure)
{
    struct stat out, of_base;

    if (stat(options->out, &out) < 0 || fstat(container_fd(base), &of_base) < 0 ||
        out.st_dev != of_base.st_dev || out.st_ino != of_base.st_ino)
        return 0;
    return fail(failure, "%s: is the base itself; choose another name for the output",
                options->out);
}

/* base: what the container is to depend on, NULL without one. */
static int pack_plan(const struct options *options, struct plan *plan, struct container *base,
                     struct failure *failure)
{
    struct packing_input input = {
        .plan = plan, .policy = options->policy, .threads = options->threads, .label = "packing"};
    struct packing *packing = NULL;
    int result = -1;

    if (base && (refuse_own_base(options, base, failure) < 0 ||
                 dependency_describe(base, &input.dep, failure) < 0 ||
                 !(input.base = base_new(base, plan, BASE_DIFFERENCES, options->threads, failure))))
        return -1;
    input.writer = writer_new(options->out, options->force, failure);
    if (input.writer && (packing = packing_new(&input, failure)) &&
        packing_run(packing, failure) == 0 && packing_finish(packing, failure) == 0) {
        report(options, &input, packing);
        result = 0;
    }
    packing_free(packing);
    writer_free(input.writer);
    base_free(input.base);
    return result;
}

static int pack_model(const struct options *options, struct failure *failure)
{
    struct container *base = NULL;
    struct plan plan;
    int result = -1;

    if (options->base && !(base = container_open_as_base(options->base, failure)))
        return -1;
    if (plan_model(options->model, &plan, failure) == 0) {
        if (walk_refuse_output(&plan.walk, options->out, failure) == 0)
            result = pack_plan(options, &plan, base, failure);
        plan_free(&plan);
    }
    container_close(base);
    return result;
}

static int run(int argc, char **argv)
{
    static const struct option names[] = {
        {"output", required_argument, NULL, 'o'},
        {"favor", required_argument, NULL, 'f'},
        {"structure", required_argument, NULL, 's'},
        {"base", required_argument, NULL, 'b'},
        {"threads", required_argument, NULL, 'j'},
        {"force", no_argument, NULL, 'F'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct options options = {.threads = cli_default_threads()};
    const char *structure = NULL;
    struct failure failure;
    int option;

    favor_parse("balanced", &options.policy);
    while ((option = getopt_long(argc, argv, "o:j:h", names, NULL)) != -1) {
        switch (option) {
        case 'o':
            options.out = optarg;
            break;
        case 'f':
            if (favor_parse(optarg, &options.policy) < 0)
                return cli_usage(&command_pack, "--favor is balanced, size or speed");
            break;
        case 's':
            structure = optarg;
            break;
        case 'j':
            options.threads = cli_threads(optarg);
            if (!options.threads)
                return cli_usage(&command_pack, "-j is a number of threads, 1 to 1024");
            break;
        case 'b':
            options.base = optarg;
            break;
        case 'F':
            options.force = 1;
            break;
        case 'h':
            return cli_help(&command_pack);
        default:
            return cli_usage(&command_pack, NULL);
        }
    }
    if (structure && !(options.policy.structures = favor_structure(structure)))
        return cli_usage(&command_pack,
                         "--structure is 4,1 or 3,2,2,2 or 2,2,2,2 or 2,1,1,2,2,2 or 1,1,1,1,1,2");
    if (argc - optind != 1 || !options.out)
        return cli_usage(&command_pack, "give one MODEL and -o OUT.lwc");
    options.model = argv[optind];
    return pack_model(&options, &failure) < 0 ? cli_failed(&failure) : EXIT_DONE;
}

const struct command command_pack = {
    .name = "pack",
    .usage = "MODEL -o OUT.lwc [--favor balanced|size|speed] [--structure S] [-j N]\n"
             "            [--base BASE.lwc] [--force]",
    .summary = "write a model directory or file as a compressed container",
    .help = "MODEL            any directory, or one file; symlinks are followed. Tensors of\n"
            "                 .safetensors and .gguf files are encoded as such\n"
            "-o OUT.lwc       the container to write\n"
            "--favor F        balanced (default), size: smallest, speed: fastest to decode\n"
            "--structure S    force the structure of LEVELS: 4,1 or 3,2,2,2 or 2,2,2,2 or\n"
            "                 2,1,1,2,2,2 or 1,1,1,1,1,2\n"
            "-j N             threads (default: all CPUs of this process)\n"
            "--base BASE.lwc  store what differs from this container, for example of the model\n"
            "                 that MODEL is a fine-tune of. OUT.lwc can then be read only with\n"
            "                 BASE.lwc, unchanged, which is named to each command\n"
            "--force          replace OUT.lwc if it exists\n",
    .run = run,
};
