/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lwcmem patch: the next generation of a container, appended to it. Tiles whose
 * decoded bytes the model still has keep their stored bytes and are not encoded
 * again; what the container holds so far is never written over.
 */
#include "cli.h"
#include "base.h"
#include "compact.h"
#include "favor.h"
#include "packing.h"
#include "container/dependency.h"

#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Share of the file, in percent, from which on dead bytes are worth a hint. */
#define DEAD_WORTH_A_HINT 25

struct options {
    const char *out;
    const char *model; /* NULL: only compact */
    const char *favor; /* NULL: as the container was packed */
    bool compact;
    bool json;
    unsigned int threads;
};

struct outcome {
    bool changed;
    bool compacted;
    uint64_t tiles_kept;
    uint64_t tiles_rewritten;
    uint64_t bytes_appended;
    uint64_t bytes_stored;
    uint64_t bytes_dead;
    uint64_t generation;
};

static int choose_policy(const struct options *options, struct container *container,
                         struct encode_policy *policy, struct failure *failure)
{
    struct lwc_tile *tiles;

    if (options->favor)
        return favor_parse(options->favor, policy);
    tiles = container_table(container, LWC_TABLE_TILES, failure);
    if (!tiles)
        return -1;
    *policy = favor_of_tiles(tiles, container_count(container, LWC_TABLE_TILES));
    free(tiles);
    return 0;
}

/* Does the container's generation have just these tables? 1, 0, or -1 with a message. */
static int is_unchanged(struct container *container, const struct writer_table *tables,
                        struct failure *failure)
{
    for (uint32_t i = 0; i < LWC_TABLES; i++) {
        uint64_t size = tables[i].count * lwc_table_entry_size(i);
        void *entries;
        bool same;

        if (tables[i].count != container_count(container, i))
            return 0;
        if (!size)
            continue;
        entries = container_table(container, i, failure);
        if (!entries)
            return -1;
        same = memcmp(entries, tables[i].entries, size) == 0;
        free(entries);
        if (!same)
            return 0;
    }
    return 1;
}

static int append(const struct packing_input *input, struct container *container,
                  struct outcome *outcome, struct failure *failure)
{
    struct packing *packing = packing_new(input, failure);
    int unchanged = -1;

    if (packing && packing_run(packing, failure) == 0)
        unchanged = is_unchanged(container, packing_tables(packing), failure);
    if (unchanged >= 0) {
        outcome->tiles_kept = packing_counts(packing)->kept;
        outcome->tiles_rewritten = input->plan->tile_count - outcome->tiles_kept;
    }
    if (unchanged == 0 && packing_finish(packing, failure) < 0)
        unchanged = -1;
    if (unchanged == 0) {
        outcome->changed = true;
        outcome->bytes_appended = writer_superblock(input->writer)->file_size -
                                  container_superblock(container)->file_size;
    }
    packing_free(packing);
    return unchanged < 0 ? -1 : 0;
}

static int patch_plan(const struct options *options, struct container *container, struct plan *plan,
                      struct outcome *outcome, struct failure *failure)
{
    struct packing_input input = {.plan = plan, .threads = options->threads, .label = "patching"};
    int result = -1;

    if (choose_policy(options, container, &input.policy, failure) == 0 &&
        (input.current = base_new(container, plan, BASE_EQUAL, options->threads, failure)) &&
        (input.writer = writer_update(container, failure)))
        result = append(&input, container, outcome, failure);
    writer_free(input.writer);
    base_free(input.current);
    return result;
}

/* Open what is to be updated. */
static struct container *open_out(const struct options *options, struct failure *failure)
{
    struct container *container = container_open_for_update(options->out, failure);

    if (!container ||
        dependency_refuse(container, "pack it anew, with --base, instead of patching it",
                          failure) == 0)
        return container;
    container_close(container);
    return NULL;
}

static int patch_model(const struct options *options, struct outcome *outcome,
                       struct failure *failure)
{
    struct container *container = open_out(options, failure);
    struct plan plan;
    int result = -1;

    if (!container)
        return -1;
    if (plan_model(options->model, &plan, failure) == 0) {
        if (walk_refuse_output(&plan.walk, options->out, failure) == 0)
            result = patch_plan(options, container, &plan, outcome, failure);
        plan_free(&plan);
    }
    container_close(container);
    return result;
}

static int compact_file(const struct options *options, struct outcome *outcome,
                        struct failure *failure)
{
    struct container *container = open_out(options, failure);
    uint64_t gain = 0;
    int result;

    if (!container)
        return -1;
    result = compact_gain(container, &gain, failure);
    if (result == 0 && gain) {
        result = compact_container(container, failure);
        outcome->compacted = result == 0;
    }
    container_close(container);
    return result;
}

/* What the file is like now, from the file. */
static int look_again(const struct options *options, struct outcome *outcome,
                      struct failure *failure)
{
    struct container *container = container_open(options->out, failure);
    int result;

    if (!container)
        return -1;
    outcome->bytes_stored = container_superblock(container)->file_size;
    outcome->generation = container_superblock(container)->generation;
    result = compact_gain(container, &outcome->bytes_dead, failure);
    container_close(container);
    return result;
}

static int print_json(const struct options *options, const struct outcome *outcome,
                      struct failure *failure)
{
    json_t *root =
        json_pack("{s:I, s:b, s:I, s:I}", "generation", (json_int_t)outcome->generation,
                  "compacted", outcome->compacted, "bytes_stored",
                  (json_int_t)outcome->bytes_stored, "bytes_dead", (json_int_t)outcome->bytes_dead);
    json_t *patch = json_pack("{s:b, s:I, s:I, s:I}", "changed", outcome->changed, "tiles_kept",
                              (json_int_t)outcome->tiles_kept, "tiles_rewritten",
                              (json_int_t)outcome->tiles_rewritten, "bytes_appended",
                              (json_int_t)outcome->bytes_appended);
    int result = root && patch ? 0 : -1;

    if (result == 0 && options->model)
        result = json_object_update(root, patch);
    if (result == 0)
        result = json_dumpf(root, stdout, JSON_INDENT(2));
    json_decref(patch);
    json_decref(root);
    putchar('\n');
    return result < 0 || fflush(stdout) ? fail(failure, "cannot write the result") : 0;
}

static void print_outcome(const struct options *options, const struct outcome *outcome)
{
    double dead = 100.0 * (double)outcome->bytes_dead / (double)outcome->bytes_stored;

    fprintf(stderr, "%s: generation %" PRIu64, options->out, outcome->generation);
    if (options->model && !outcome->changed)
        fprintf(stderr, " holds this model already");
    else if (options->model)
        fprintf(stderr, "; %" PRIu64 " tiles kept, %" PRIu64 " rewritten; %.1f MB appended",
                outcome->tiles_kept, outcome->tiles_rewritten,
                (double)outcome->bytes_appended / 1e6);
    if (options->compact)
        fprintf(stderr, "; %s", outcome->compacted ? "compacted" : "nothing to give back");
    fprintf(stderr, "; %.1f MB, %.1f MB (%.0f %%) of it dead\n",
            (double)outcome->bytes_stored / 1e6, (double)outcome->bytes_dead / 1e6, dead);
    if (dead >= DEAD_WORTH_A_HINT)
        fprintf(stderr, "lwcmem patch %s --compact gives the dead bytes back\n", options->out);
}

static int patch(const struct options *options, struct failure *failure)
{
    struct outcome outcome = {0};

    if (options->model && patch_model(options, &outcome, failure) < 0)
        return -1;
    if (options->compact && compact_file(options, &outcome, failure) < 0)
        return -1;
    if (look_again(options, &outcome, failure) < 0)
        return -1;
    if (options->json)
        return print_json(options, &outcome, failure);
    print_outcome(options, &outcome);
    return 0;
}

static int run(int argc, char **argv)
{
    static const struct option names[] = {
        {"compact", no_argument, NULL, 'c'},       {"favor", required_argument, NULL, 'f'},
        {"threads", required_argument, NULL, 'j'}, {"json", no_argument, NULL, 'J'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    struct options options = {.threads = cli_default_threads()};
    struct encode_policy policy;
    struct failure failure;
    int option;

    while ((option = getopt_long(argc, argv, "j:h", names, NULL)) != -1) {
        switch (option) {
        case 'c':
            options.compact = true;
            break;
        case 'f':
            options.favor = optarg;
            if (favor_parse(optarg, &policy) < 0)
                return cli_usage(&command_patch, "--favor is balanced, size or speed");
            break;
        case 'j':
            options.threads = cli_threads(optarg);
            if (!options.threads)
                return cli_usage(&command_patch, "-j is a number of threads, 1 to 1024");
            break;
        case 'J':
            options.json = true;
            break;
        case 'h':
            return cli_help(&command_patch);
        default:
            return cli_usage(&command_patch, NULL);
        }
    }
    if (argc - optind < 1 || argc - optind > 2)
        return cli_usage(&command_patch, "give one container and one MODEL");
    options.out = argv[optind];
    options.model = argc - optind == 2 ? argv[optind + 1] : NULL;
    if (!options.model && !options.compact)
        return cli_usage(&command_patch, "give a MODEL, or --compact, or both");
    return patch(&options, &failure) < 0 ? cli_failed(&failure) : EXIT_DONE;
}

const struct command command_patch = {
    .name = "patch",
    .usage = "OUT.lwc [MODEL] [--compact] [--favor balanced|size|speed] [-j N] [--json]",
    .summary = "make a container hold another model, writing only what differs",
    .help = "OUT.lwc     the container; becomes the next generation of itself\n"
            "MODEL       the directory or file that it is to hold; without it, only --compact\n"
            "--compact   then rewrite OUT.lwc without the bytes that no tile needs any more;\n"
            "            takes as much free space as the result, and replaces the file\n"
            "--favor F   how new tiles are encoded: balanced, size, speed (default: as most\n"
            "            of those in OUT.lwc are)\n"
            "-j N        threads (default: all CPUs of this process)\n"
            "--json      what was done, for scripts\n"
            "\n"
            "Tiles of OUT.lwc that decode to the bytes of MODEL stay as they are, also where\n"
            "tensors or files were renamed or moved; all others, and new tables, are appended.\n"
            "A crash at any point leaves the old model or the new one; what has the old one\n"
            "open, mapped or attached keeps it. When OUT.lwc holds MODEL already, nothing is\n"
            "written. Two updates of one file at once are refused.\n"
            "\n"
            "A container that was packed with --base OUT.lwc is refused with it once it was\n"
            "patched, for it depends on the model that OUT.lwc held: --compact alone changes\n"
            "nothing for it. Patch a copy of OUT.lwc and keep the old one as the base, or\n"
            "unpack what depends on it before, and pack that again with --base afterwards.\n",
    .run = run,
};
