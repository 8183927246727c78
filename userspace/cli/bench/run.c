/* SPDX-License-Identifier: BSD-3-Clause */
/* lwcmem bench run: tokens a second of a model, and where their time goes. */
#include "bench.h"
#include "load.h"
#include "pages.h"
#include "report.h"
#include "cli/model_options.h"
#include "engine/clock.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS_DEFAULT = 5, ROUNDS_MAX = 100, SEQUENCES_MAX = 64 };
#define LOAD_BYTES (512u << 20)
#define LOAD_GRAIN (256u << 10)

struct options {
    struct model_options model;
    const char *against;
    uint32_t prompt, tokens, batch, rounds;
    bool json;
};

/* One of the models that take turns. */
struct entrant {
    struct model model;
    const char *path;
    uint64_t decoded, stored;                       /* bytes of the matrices */
    double prefill[ROUNDS_MAX], decode[ROUNDS_MAX]; /* seconds */
    double first;                   /* from opening the model to its first logits after one token */
    struct transformer_times times; /* of decoding */
};

struct race {
    const struct options *options;
    struct entrant entrants[2];
    size_t count;
    struct bench_pages pages;
    double load[ROUNDS_MAX]; /* GB/s */
};

static int ignore(void *context, size_t step, size_t token, const float *logits,
                  struct failure *failure)
{
    (void)context, (void)step, (void)token, (void)logits, (void)failure;
    return 0;
}

static int load_part(void *context, unsigned int worker, uint64_t first, uint64_t count,
                     struct failure *failure)
{
    const struct bench_pages *pages = context;

    (void)worker, (void)failure;
    bench_load(pages->base + first * LOAD_GRAIN, count * LOAD_GRAIN, 0);
    return 0;
}

/* By the model's own threads. */
static int measure_load(struct race *race, double *rate, struct failure *failure)
{
    double start = seconds_now();

    if (pool_run(race->entrants[0].model.engine->pool, LOAD_BYTES / LOAD_GRAIN, load_part,
                 &race->pages, failure) < 0)
        return -1;
    *rate = LOAD_BYTES / (seconds_now() - start) / 1e9;
    return 0;
}

/* Tokens as good as any: the cost does not depend on them. */
static uint32_t *make_tokens(const struct entrant *entrant, uint32_t count)
{
    uint32_t *tokens = calloc(count, sizeof(*tokens));

    for (uint32_t i = 0; tokens && i < count; i++)
        tokens[i] = (uint32_t)(i * 2654435761ull % entrant->model.engine->config.vocabulary);
    return tokens;
}

static int forward(const struct race *race, struct entrant *entrant, struct sequence **sequences,
                   const uint32_t *tokens, uint32_t count, struct failure *failure)
{
    struct step steps[SEQUENCES_MAX];

    for (uint32_t i = 0; i < race->options->batch; i++)
        steps[i] = (struct step){sequences[i], tokens, count, 1};
    if (cli_check_interrupt(failure) < 0)
        return -1;
    return transformer_forward(entrant->model.engine->transformer, steps, race->options->batch,
                               ignore, NULL, failure);
}

/* A prompt, then tokens one by one, for all texts of the batch. */
static int measure_texts(const struct race *race, struct entrant *entrant, int round,
                         struct sequence **sequences, const uint32_t *tokens,
                         struct failure *failure)
{
    const struct options *options = race->options;
    struct transformer *transformer = entrant->model.engine->transformer;
    struct transformer_times before, after;
    double start = seconds_now();

    if (forward(race, entrant, sequences, tokens, options->prompt, failure) < 0)
        return -1;
    entrant->prefill[round] = seconds_now() - start;
    transformer_times(transformer, &before);
    start = seconds_now();
    for (uint32_t i = 0; i < options->tokens; i++)
        if (forward(race, entrant, sequences, tokens + i, 1, failure) < 0)
            return -1;
    entrant->decode[round] = seconds_now() - start;
    transformer_times(transformer, &after);
    entrant->times.matrices += after.matrices - before.matrices;
    entrant->times.attention += after.attention - before.attention;
    entrant->times.waiting += after.waiting - before.waiting;
    entrant->times.other += after.other - before.other;
    return 0;
}

static int measure_entrant(const struct race *race, struct entrant *entrant, int round,
                           struct failure *failure)
{
    const struct options *options = race->options;
    uint32_t most = options->prompt > options->tokens ? options->prompt : options->tokens;
    uint32_t *tokens = make_tokens(entrant, most);
    struct sequence *sequences[SEQUENCES_MAX] = {0};
    int result = tokens ? 0 : fail(failure, "out of memory for %u tokens", most);

    for (uint32_t i = 0; i < options->batch && result == 0; i++) {
        sequences[i] = sequence_new(entrant->model.engine->transformer,
                                    options->prompt + options->tokens, failure);
        result = sequences[i] ? 0 : -1;
    }
    if (result == 0)
        result = measure_texts(race, entrant, round, sequences, tokens, failure);
    for (uint32_t i = 0; i < options->batch; i++)
        sequence_free(sequences[i]);
    free(tokens);
    return result;
}

static int first_token(struct entrant *entrant, struct failure *failure)
{
    struct transformer *transformer = entrant->model.engine->transformer;
    struct sequence *sequence = sequence_new(transformer, 1, failure);
    uint32_t token = 0;
    struct step step = {sequence, &token, 1, 1};
    int result = sequence ? transformer_forward(transformer, &step, 1, ignore, NULL, failure) : -1;

    sequence_free(sequence);
    return result;
}

static int open_entrant(struct race *race, const char *path, struct failure *failure)
{
    struct entrant *entrant = &race->entrants[race->count++];
    struct model_options options = race->options->model;
    uint32_t context, needed = race->options->prompt + race->options->tokens;
    double start;

    start = seconds_now();
    entrant->path = options.path = path;
    if (race->count > 1) { /* what is compared with has no backend to choose */
        options.auto_backend = true;
        options.backend = WEIGHTS_FUSED;
        options.base = NULL;
    }
    if (model_open(&options, &entrant->model, failure) < 0 ||
        engine_context(entrant->model.engine, needed, &context, failure) < 0)
        return -1;
    if (first_token(entrant, failure) < 0)
        return -1;
    entrant->first = seconds_now() - start;
    return transformer_bytes(entrant->model.engine->transformer, &entrant->decoded,
                             &entrant->stored, failure);
}

static int run_race(struct race *race, struct failure *failure)
{
    if (bench_pages_map(&race->pages, LOAD_BYTES, BENCH_SMALL_PAGE, failure) < 0)
        return -1;
    memset(race->pages.base, 1, LOAD_BYTES);
    if (open_entrant(race, race->options->model.path, failure) < 0 ||
        (race->options->against && open_entrant(race, race->options->against, failure) < 0))
        return -1;
    /* one round more, the first, in which files are read and checked */
    for (int round = -1; round < (int)race->options->rounds; round++) {
        int at = round < 0 ? 0 : round;

        bench_progress("measuring");
        if (measure_load(race, &race->load[at], failure) < 0)
            return -1;
        for (size_t i = 0; i < race->count; i++) {
            if (measure_entrant(race, &race->entrants[i], at, failure) < 0)
                return -1;
            if (round < 0)
                race->entrants[i].times = (struct transformer_times){0};
        }
    }
    return 0;
}

struct figures {
    double prefill, decode; /* tokens a second, of all texts */
    double decoded, stored; /* GB/s of decoding */
    double share[4];        /* of its time: matrices, attention, waiting, other */
};

static struct figures figures_of(const struct race *race, struct entrant *entrant)
{
    const struct options *options = race->options;
    const struct transformer_times *times = &entrant->times;
    double decode = bench_median(entrant->decode, options->rounds);
    double all = times->matrices + times->attention + times->waiting + times->other;

    return (struct figures){
        .prefill = (double)options->prompt * options->batch /
                   bench_median(entrant->prefill, options->rounds),
        .decode = (double)options->tokens * options->batch / decode,
        .decoded = (double)entrant->decoded * options->tokens / decode / 1e9,
        .stored = (double)entrant->stored * options->tokens / decode / 1e9,
        .share = {times->matrices / all, times->attention / all, times->waiting / all,
                  times->other / all},
    };
}

static int print_json(struct race *race, struct failure *failure)
{
    double load = bench_median(race->load, race->options->rounds);
    json_t *root = json_array();

    for (size_t i = 0; i < race->count; i++) {
        struct entrant *entrant = &race->entrants[i];
        const struct weights *weights = entrant->model.weights;
        struct figures f = figures_of(race, entrant);

        json_array_append_new(
            root,
            json_pack(
                "{s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:s, s:f, "
                "s:{s:f, s:f, s:f, s:f}}",
                "name", entrant->path, "backend", weights->backend, "structure", weights->structure,
                "isa", weights->kernels->name, "threads", (int)race->options->model.threads,
                "batch", (int)race->options->batch, "prompt_tokens", (int)race->options->prompt,
                "tokens", (int)race->options->tokens, "prompt_tokens_per_s", f.prefill,
                "tokens_per_s", f.decode, "first_token_s", entrant->first, "gb_per_s", f.decoded,
                "stored_gb_per_s", f.stored, "baseline", load, "baseline_name", "load-only",
                "ratio", f.stored / load, "time", "matrices", f.share[0], "attention", f.share[1],
                "waiting", f.share[2], "other", f.share[3]));
    }
    return bench_print_json(root, failure);
}

static int print_table(struct race *race, struct failure *failure)
{
    static const char *const heading[] = {"",          "backend",  "structure",    "prompt/s",
                                          "tokens/s",  "first, s", "decoded GB/s", "stored GB/s",
                                          "of memory", "GEMV",     "attention",    "waiting",
                                          "other"};
    struct bench_table table = {.columns = 13, .left = 3};
    double load = bench_median(race->load, race->options->rounds), rate[2] = {0}, prefill[2] = {0};

    printf("%s, %u threads, %u texts, prompts of %u tokens, then %u; memory gives %.1f GB/s\n\n",
           race->entrants[0].model.weights->kernels->name, race->options->model.threads,
           race->options->batch, race->options->prompt, race->options->tokens, load);
    for (size_t i = 0; i < table.columns; i++)
        bench_cell(&table, "%s", heading[i]);
    for (size_t i = 0; i < race->count; i++) {
        struct entrant *entrant = &race->entrants[i];
        struct figures f = figures_of(race, entrant);
        const char *name = strrchr(entrant->path, '/');

        bench_cell(&table, "%.40s", name && name[1] ? name + 1 : entrant->path);
        bench_cell(&table, "%s", entrant->model.weights->backend);
        bench_cell(&table, "%s", entrant->model.weights->structure);
        bench_cell(&table, "%.1f", f.prefill);
        bench_cell(&table, "%.2f", f.decode);
        bench_cell(&table, "%.3f", entrant->first);
        bench_cell(&table, "%.1f", f.decoded);
        bench_cell(&table, "%.1f", f.stored);
        bench_cell(&table, "%.2f", f.stored / load);
        for (int s = 0; s < 4; s++)
            bench_cell(&table, "%.1f %%", 100 * f.share[s]);
        rate[i] = f.decode;
        prefill[i] = f.prefill;
    }
    if (bench_print_table(&table, failure) < 0)
        return -1;
    if (race->count > 1)
        printf("\ntokens/s %.2f times, prompt %.2f times the second\n", rate[0] / rate[1],
               prefill[0] / prefill[1]);
    return fflush(stdout) ? fail(failure, "cannot write the result") : 0;
}

static int measure(const struct options *options, struct failure *failure)
{
    struct race race = {.options = options};
    int result = run_race(&race, failure);

    bench_progress(NULL);
    if (result == 0)
        result = options->json ? print_json(&race, failure) : print_table(&race, failure);
    for (size_t i = 0; i < race.count; i++)
        model_close(&race.entrants[i].model);
    bench_pages_unmap(&race.pages);
    return result;
}

/* What is wrong with the option's argument, or NULL. */
static const char *take_option(int option, struct options *options, struct failure *failure)
{
    switch (option) {
    case 'p':
        return parse_count(optarg, &options->prompt) < 0 ? "--prompt is a number of tokens" : NULL;
    case 'n':
        return parse_count(optarg, &options->tokens) < 0 ? "-n is a number of tokens" : NULL;
    case 't':
        return parse_count(optarg, &options->batch) < 0 || options->batch > SEQUENCES_MAX
                   ? "--texts is a number from 1 to 64"
                   : NULL;
    case 'r':
        return parse_count(optarg, &options->rounds) < 0 || options->rounds > ROUNDS_MAX
                   ? "--rounds is a number from 1 to 100"
                   : NULL;
    case 'a':
        options->against = optarg;
        return NULL;
    case 'J':
        options->json = true;
        return NULL;
    default:
        return model_option(&options->model, option, failure) < 0 ? failure->text : NULL;
    }
}

static int run(int argc, char **argv)
{
    static const struct option names[] = {
        {"prompt", required_argument, NULL, 'p'},
        {"texts", required_argument, NULL, 't'},
        {"rounds", required_argument, NULL, 'r'},
        {"against", required_argument, NULL, 'a'},
        {"json", no_argument, NULL, 'J'},
        {"help", no_argument, NULL, 'h'},
        MODEL_OPTIONS,
        {NULL, 0, NULL, 0},
    };
    struct options options = {.prompt = 512, .tokens = 64, .batch = 1, .rounds = ROUNDS_DEFAULT};
    struct failure failure;
    int option;

    model_options_init(&options.model);
    while ((option = getopt_long(argc, argv, "n:j:h", names, NULL)) != -1) {
        const char *problem;

        if (option == 'h')
            return cli_help(&bench_run.command);
        if (option == '?')
            return cli_usage(&bench_run.command, NULL);
        problem = take_option(option, &options, &failure);
        if (problem)
            return cli_usage(&bench_run.command, problem);
    }
    if (argc - optind != 1)
        return cli_usage(&bench_run.command, "give one MODEL");
    if (options.model.threads > cli_default_threads())
        return cli_usage(&bench_run.command,
                         "-j: each thread needs a CPU of its own; this process may use fewer");
    if (model_options_check(&options.model, &failure) < 0)
        return cli_usage(&bench_run.command, failure.text);
    options.model.path = argv[optind];
    return measure(&options, &failure) < 0 ? cli_failed(&failure) : EXIT_DONE;
}

const struct bench_part bench_run = {
    .command =
        {
            .name = "bench run",
            .usage = "MODEL [--against MODEL] [--prompt TOKENS] [-n N] [--texts T] [--rounds R]\n"
                     "           " MODEL_USAGE " [--json]",
            .summary = "tokens a second of a model, and where their time goes",
            .help =
                "MODEL           a HuggingFace directory, a GGUF file, or a container of one\n"
                "--against MODEL another, which takes turns with it\n"
                "--prompt TOKENS of each text, all at once (default: 512)\n"
                "-n N            tokens after it, one by one (default: 64)\n"
                "--texts T       so many texts together (default: 1)\n"
                "--rounds R      (default: 5)\n" MODEL_HELP "--json          for scripts\n\n"
                "Medians of the rounds, after one in which files are read. Rates are of all texts\n"
                "together; GB/s are of the matrices' bytes, decoded and as they are stored, while\n"
                "tokens come one by one; \"of memory\" is the latter beside what the same threads\n"
                "get by loading and nothing else, in the same rounds. Where the time of these\n"
                "tokens goes: products with matrices (GEMV), attention, waiting for weights that\n"
                "come through a ring, and the rest. \"first\" is from opening the model to the "
                "logits\n"
                "of one token, before all else: cold, if the file is not in the page cache.\n",
            .run = run,
        },
};
