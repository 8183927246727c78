/* SPDX-License-Identifier: BSD-3-Clause */
/* lwcmem stat: what the kernel module does, once or as a table that is drawn again and again. */
#include "cli.h"
#include "engine/clock.h"
#include "figures.h"
#include "figures_show.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

struct options {
    const char *root;
    bool json;
    bool terminal;
    unsigned long count; /* 0: until interrupted */
    double seconds;
};

/* Text for the whole of it first, so that a terminal never shows half a table. */
static int print_figures(const struct options *options, const struct figures *now,
                         const struct figures *before, double seconds, struct failure *failure)
{
    struct winsize window = {0};
    size_t size = 0;
    char *text = NULL;
    FILE *out;
    int result;

    if (options->json)
        return figures_json(stdout, now, before, seconds, failure);
    out = open_memstream(&text, &size);
    if (!out)
        return fail_errno(failure, errno, "cannot show the figures");
    if (options->terminal)
        ioctl(STDOUT_FILENO, TIOCGWINSZ, &window);
    figures_table(out, now, before, seconds, options->terminal, window.ws_row, window.ws_col);
    result = fclose(out) || fwrite(text, 1, size, stdout) != size || fflush(stdout)
                 ? fail(failure, "cannot write the result")
                 : 0;
    free(text);
    return result;
}

/* Ends early when a signal asks for the end of all. */
static void pause_for(double seconds)
{
    double whole = floor(seconds);
    struct timespec time = {(time_t)whole, (long)((seconds - whole) * 1e9)};

    if (!cli_interrupted())
        nanosleep(&time, NULL);
}

static int stat_loop(const struct options *options, struct failure *failure)
{
    struct figures before = {0}, now;
    double last = 0;
    int result = 0;

    for (unsigned long i = 0; !result && (!options->count || i < options->count); i++) {
        double time;

        if (i)
            pause_for(options->seconds);
        if (cli_interrupted())
            break;
        result = figures_read(options->root, &now, failure);
        time = seconds_now();
        if (!result)
            result = print_figures(options, &now, i ? &before : NULL, time - last, failure);
        figures_free(&before);
        before = now;
        last = time;
    }
    figures_free(&before);
    return result;
}

static bool parse_count(const char *text, unsigned long *count)
{
    char *end;

    errno = 0;
    *count = strtoul(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && !errno && *count;
}

static bool parse_seconds(const char *text, double *seconds)
{
    char *end;

    *seconds = strtod(text, &end);
    return end != text && !*end && *seconds >= 0.1 && *seconds <= 86400;
}

static int run(int argc, char **argv)
{
    static const struct option names[] = {
        {"json", no_argument, NULL, 'J'},           {"count", required_argument, NULL, 'n'},
        {"interval", required_argument, NULL, 'i'}, {"root", required_argument, NULL, 'R'},
        {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0},
    };
    struct options options = {.root = "", .seconds = 1};
    struct failure failure;
    bool counted = false;
    int option;

    while ((option = getopt_long(argc, argv, "n:i:h", names, NULL)) != -1) {
        switch (option) {
        case 'J':
            options.json = true;
            break;
        case 'n':
            counted = true;
            if (!parse_count(optarg, &options.count))
                return cli_usage(&command_stat, "-n is a number of times, from 1 on");
            break;
        case 'i':
            if (!parse_seconds(optarg, &options.seconds))
                return cli_usage(&command_stat, "-i is a number of seconds, 0.1 to 86400");
            break;
        case 'R':
            options.root = optarg;
            break;
        case 'h':
            return cli_help(&command_stat);
        default:
            return cli_usage(&command_stat, NULL);
        }
    }
    if (optind != argc)
        return cli_usage(&command_stat, "it takes no file");
    options.terminal = !options.json && isatty(STDOUT_FILENO);
    if (!counted)
        options.count = options.terminal ? 0 : 1;
    return stat_loop(&options, &failure) < 0 ? cli_failed(&failure) : EXIT_DONE;
}

const struct command command_stat = {
    .name = "stat",
    .usage = "[--json] [-n COUNT] [-i SECONDS]",
    .summary = "show what the kernel module decodes, for whom, and how long tiles take",
    .help = "--json      an object a line, for scripts\n"
            "-n COUNT    so many times (default: once; until interrupted on a terminal)\n"
            "-i SECONDS  time between two of them (default: 1)\n"
            "--root DIR  read DIR/proc and DIR/sys (for tests)\n\n"
            "Figures of the module are since it was loaded; rates, in the second and later\n"
            "times, since the time before. A line for each region that a process has open;\n"
            "tiles, GB/s and failures there are those of its container, of all processes\n"
            "together. Regions of others are shown to root only. The latency is that of\n"
            "parts of tiles, from being asked for until they are in the page cache.\n",
    .run = run,
};
