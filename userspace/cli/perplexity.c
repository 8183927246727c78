/* SPDX-License-Identifier: BSD-3-Clause */
/* lwcmem perplexity: how well a model expects a text. */
#include "cli.h"
#include "model_options.h"
#include "engine/clock.h"
#include "engine/perplexity.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONTEXT_DEFAULT 2048u
#define TEXT_MAX (256u << 20)

struct options {
    struct model_options model;
    const char *text;
    uint32_t context, stride;
    bool json;
};

static char *read_text(const char *path, size_t *size, struct failure *failure)
{
    FILE *file = strcmp(path, "-") ? fopen(path, "rb") : stdin;
    char *text = NULL;
    size_t capacity = 0;

    if (!file) {
        fail_errno(failure, errno, "%s: cannot read the text", path);
        return NULL;
    }
    *size = 0;
    do {
        char *grown = NULL;

        if (*size == capacity) {
            capacity = capacity ? 2 * capacity : 65536;
            grown = capacity <= TEXT_MAX ? realloc(text, capacity) : NULL;
            if (!grown) {
                fail(failure, "%s: a text of more than %u MiB", path, TEXT_MAX >> 20);
                break;
            }
            text = grown;
        }
        *size += fread(text + *size, 1, capacity - *size, file);
    } while (*size == capacity);
    if (*size == capacity || ferror(file)) {
        if (ferror(file))
            fail_errno(failure, errno, "%s: cannot read the text", path);
        free(text);
        text = NULL;
    }
    if (file != stdin)
        fclose(file);
    return text;
}

static bool report(void *context, uint64_t scored, uint64_t total)
{
    uint64_t *before = context;

    (void)total;
    progress_add(scored - *before);
    *before = scored;
    return !cli_interrupted();
}

static int print(const struct options *options, const struct model *model,
                 const struct perplexity *result, double seconds, struct failure *failure)
{
    json_t *root;

    if (options->json) {
        /* as text, for JSON has no NaN and no infinity */
        root = json_pack(
            "{s:o, s:o, s:I, s:I, s:f, s:s, s:s}", "perplexity",
            result->value - result->value == 0 ? json_real(result->value) : json_null(), "nats",
            result->nats - result->nats == 0 ? json_real(result->nats) : json_null(), "tokens",
            (json_int_t)result->scored, "windows", (json_int_t)result->windows, "tokens_per_s",
            (double)result->scored / seconds, "backend", model->weights->backend, "isa",
            model->weights->kernels->name);
        if (!root || json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(17)) < 0 ||
            putchar('\n') < 0 || fflush(stdout)) {
            json_decref(root);
            return fail(failure, "cannot write the result");
        }
        json_decref(root);
        return 0;
    }
    printf("perplexity %.17g\n", result->value);
    fprintf(stderr, "%llu tokens in %llu windows at %.1f/s; %s, %s, %u threads\n",
            (unsigned long long)result->scored, (unsigned long long)result->windows,
            (double)result->scored / seconds, model->weights->backend,
            model->weights->kernels->name, options->model.threads);
    return fflush(stdout) ? fail(failure, "cannot write the result") : 0;
}

static int measure(const struct options *options, const char *text, size_t size,
                   struct failure *failure)
{
    uint64_t scored = 0;
    struct perplexity_options how = {
        .stride = options->stride, .progress = report, .progress_context = &scored};
    double start = seconds_now();
    struct perplexity result;
    struct model model;
    int status = model_open(&options->model, &model, failure);

    if (status == 0)
        status = engine_context(model.engine, options->context, &how.context, failure);
    if (status == 0) {
        if (!options->context && how.context > CONTEXT_DEFAULT)
            how.context = CONTEXT_DEFAULT;
        progress_start_units("scoring", "tokens", size / 4);
        status = perplexity(model.engine, text, size, &how, &result, failure);
        progress_end();
    }
    if (status == 0)
        status = print(options, &model, &result, seconds_now() - start, failure);
    model_close(&model);
    return status;
}

static int run(int argc, char **argv)
{
    static const struct option names[] = {
        {"file", required_argument, NULL, 'f'},
        {"context", required_argument, NULL, 'c'},
        {"stride", required_argument, NULL, 'S'},
        {"json", no_argument, NULL, 'J'},
        {"help", no_argument, NULL, 'h'},
        MODEL_OPTIONS,
        {NULL, 0, NULL, 0},
    };
    struct options options = {0};
    struct failure failure;
    size_t size;
    char *text;
    int option, status;

    model_options_init(&options.model);
    while ((option = getopt_long(argc, argv, "f:c:j:h", names, NULL)) != -1) {
        int taken = 1;

        switch (option) {
        case 'h':
            return cli_help(&command_perplexity);
        case '?':
            return cli_usage(&command_perplexity, NULL);
        case 'f':
            options.text = optarg;
            break;
        case 'c':
            if (parse_count(optarg, &options.context) < 0)
                return cli_usage(&command_perplexity, "-c is a number of tokens");
            break;
        case 'S':
            if (parse_count(optarg, &options.stride) < 0)
                return cli_usage(&command_perplexity, "--stride is a number of tokens");
            break;
        case 'J':
            options.json = true;
            break;
        default:
            taken = model_option(&options.model, option, &failure);
        }
        if (taken < 0)
            return cli_usage(&command_perplexity, failure.text);
    }
    if (argc - optind != 1 || !options.text)
        return cli_usage(&command_perplexity, "give one MODEL and -f TEXT");
    if (model_options_check(&options.model, &failure) < 0)
        return cli_usage(&command_perplexity, failure.text);
    options.model.path = argv[optind];
    text = read_text(options.text, &size, &failure);
    status = text ? measure(&options, text, size, &failure) : -1;
    free(text);
    return status < 0 ? cli_failed(&failure) : EXIT_DONE;
}

const struct command command_perplexity = {
    .name = "perplexity",
    .usage = "MODEL -f TEXT [-c CONTEXT] [--stride S]\n"
             "           " MODEL_USAGE " [--json]",
    .summary = "measure how well a model expects a text",
    .help =
        "MODEL           a HuggingFace directory, a GGUF file, or a container of one\n"
        "-f TEXT         the file with the text, - for standard input\n"
        "-c CONTEXT      positions of a window (default: the model's, at most 2048)\n"
        "--stride S      tokens that a window begins behind the one before (default: "
        "half)\n" MODEL_HELP "--json          for scripts\n\n"
        "The text becomes tokens once, as a whole. Each window has the model's token before a\n"
        "text (BOS), if it has one, then as many tokens of the text as fit. The first window\n"
        "scores all of them that another token comes before, each later one those that no\n"
        "window has scored yet. The result is exp of the mean of -ln p of all scored tokens: the\n"
        "same number, to the last bit, for every backend, ISA, number of threads, and for plain\n"
        "and packed weights.\n",
    .run = run,
};
