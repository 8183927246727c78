/* SPDX-License-Identifier: BSD-3-Clause */
/* lwcmem bench: how fast this machine decodes and multiplies. */
#include "bench.h"
#include "pages.h"
#include "report.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct bench_part *const parts[] = {&bench_codec, &bench_gemv,   &bench_advise,
                                                 &bench_run,   &bench_region, &bench_files};
enum { PARTS = sizeof(parts) / sizeof(parts[0]) };

/* "N" or "A..B". */
static int parse_threads(const char *text, struct bench_options *options)
{
    const char *dots = strstr(text, "..");
    char first[16];

    if (!dots) {
        options->first_threads = options->last_threads = cli_threads(text);
    } else {
        snprintf(first, sizeof(first), "%.*s", (int)(dots - text), text);
        options->first_threads = cli_threads(first);
        options->last_threads = cli_threads(dots + 2);
    }
    return options->first_threads && options->first_threads <= options->last_threads ? 0 : -1;
}

static int parse_size(const char *text, uint64_t multiple, uint64_t max, uint64_t *out)
{
    char *end;

    *out = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && *out && *out <= max && *out % multiple == 0
               ? 0
               : -1;
}

static int parse_page_size(const char *text, size_t *out)
{
    *out = strcasecmp(text, "2M") == 0 ? BENCH_HUGE_PAGE : BENCH_SMALL_PAGE;
    return *out == BENCH_HUGE_PAGE || strcasecmp(text, "4k") == 0 ? 0 : -1;
}

/* What is wrong with the option's argument, or NULL. */
static const char *take_option(int option, struct bench_options *options)
{
    switch (option) {
    case 'j':
        if (parse_threads(optarg, options) < 0)
            return "-j is a number of threads, 1 to 1024, or two as in 1..8";
        return NULL;
    case 'p':
        return parse_page_size(optarg, &options->page_size) < 0 ? "--page-size is 4k or 2M" : NULL;
    case 'H':
        options->page_size = BENCH_HUGE_PAGE;
        return NULL;
    case 'r':
        return parse_size(optarg, 1, 1u << 28, &options->rows) < 0 ? "--rows is a number of rows"
                                                                   : NULL;
    case 'c':
        return parse_size(optarg, 64, 1u << 16, &options->cols) < 0
                   ? "--cols is a multiple of 64, at most 65536"
                   : NULL;
    case 'I':
        options->in_cache = true;
        return NULL;
    case 'q':
        options->quick = true;
        return NULL;
    case 'R':
        options->hold = optarg;
        return NULL;
    case 'k':
        options->keep = true;
        return NULL;
    case 'D':
        options->direct = true;
        return NULL;
    case 'm':
        options->map = true;
        return NULL;
    case 'a':
        options->attach = true;
        return NULL;
    default:
        options->json = true;
        return NULL;
    }
}

static int run_part(const struct bench_part *part, int argc, char **argv)
{
    static const struct option names[] = {
        {"threads", required_argument, NULL, 'j'},
        {"page-size", required_argument, NULL, 'p'},
        {"hugepages", no_argument, NULL, 'H'},
        {"rows", required_argument, NULL, 'r'},
        {"cols", required_argument, NULL, 'c'},
        {"in-cache", no_argument, NULL, 'I'},
        {"quick", no_argument, NULL, 'q'},
        {"map", no_argument, NULL, 'm'},
        {"keep", no_argument, NULL, 'k'},
        {"direct", no_argument, NULL, 'D'},
        {"attach", no_argument, NULL, 'a'},
        {"hold", required_argument, NULL, 'R'},
        {"json", no_argument, NULL, 'J'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct bench_options options = {
        .first_threads = part->threads ? part->threads : 1,
        .last_threads = part->threads ? part->threads : cli_default_threads(),
        .page_size = BENCH_SMALL_PAGE,
    };
    struct failure failure;
    int option, result;

    while ((option = getopt_long(argc, argv, "j:h", names, NULL)) != -1) {
        const char *problem;

        if (option == 'h')
            return cli_help(&part->command);
        if (option == '?')
            return cli_usage(&part->command, NULL);
        if (!strchr(part->accepted, option))
            return cli_usage(&part->command, "this part has no such option");
        problem = take_option(option, &options);
        if (problem)
            return cli_usage(&part->command, problem);
    }
    if (part->threads && options.first_threads != options.last_threads)
        return cli_usage(&part->command, "-j is one number of threads here");
    if (options.last_threads > cli_default_threads())
        return cli_usage(&part->command,
                         "-j: each thread needs a CPU of its own; this process may use fewer");
    if (options.map + options.keep + options.direct > 1)
        return cli_usage(&part->command, "give one of --map, --keep and --direct");
    if (optind < argc && strchr(part->accepted, 'f'))
        options.file = argv[optind++];
    if (strchr(part->accepted, 'F')) {
        options.files = argv + optind;
        options.file_count = (size_t)(argc - optind);
        optind = argc;
    }
    if (optind < argc)
        return cli_usage(&part->command, "too many arguments");
    if (options.quick)
        fprintf(stderr, "lwcmem: --quick shows that it works; its figures measure nothing\n");
    result = part->measure(&options, &failure);
    bench_progress(NULL);
    return result < 0 ? cli_failed(&failure) : EXIT_DONE;
}

static int help(void)
{
    cli_help(&command_bench);
    for (size_t i = 0; i < PARTS; i++)
        printf("%-8s %s\n", strchr(parts[i]->command.name, ' ') + 1, parts[i]->command.summary);
    printf("\nlwcmem bench PART --help shows the arguments of a part.\n");
    return EXIT_DONE;
}

static int run(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return help();
    for (size_t i = 0; i < PARTS; i++)
        if (strcmp(name, strchr(parts[i]->command.name, ' ') + 1) == 0)
            return parts[i]->command.run ? parts[i]->command.run(argc - 1, argv + 1)
                                         : run_part(parts[i], argc - 1, argv + 1);
    return cli_usage(&command_bench, "give one part: codec, gemv, advise, run, region or files");
}

const struct command command_bench = {
    .name = "bench",
    .usage = "codec|gemv|advise|run|region|files [--json] ...",
    .summary = "measure decoders and kernels on this machine",
    .help = "Rates are decoded GB/s (10^9 bytes), medians of passes that take turns with their\n"
            "baseline in the same run. LWCMEM_ISA limits what is measured.\n\n",
    .run = run,
};
