/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * read_schedules MODEL BASE|- gguf|directory|fused|user ISA THREADS fp32|fp16 SEED SCHEDULES
 * LENGTH...: texts of so many tokens, drawn from the seed, go through the model one by one, each in
 * one call, and then by other schedules, letters of "ctbmo" (schedules_all below). Each must
 * give the same bits. Writes the logits after the last tokens of each text, as fp32.
 */
#include "open_model.h"
#include "random.h"
#include "engine/engine.h"

#include <immintrin.h>

#define TEXTS_MAX 8u
/* The last tokens of a text whose logits are compared. */
#define ROWS_MAX 24u
/* Up to infinity; what is subnormal, operand or result, is zero. */
#define OTHER_MXCSR (_MM_MASK_MASK | _MM_ROUND_UP | _MM_FLUSH_ZERO_ON | 0x0040u)
#define DEFAULT_MXCSR _MM_MASK_MASK

struct text {
    uint32_t *tokens;
    uint32_t length, rows;
    float *logits; /* of the first schedule: rows of the vocabulary's size */
};

struct schedule {
    char letter;
    const char *what;
    bool together, parts, cuts;
    bool mxcsr; /* another in each call */
    bool open;  /* and when the model was opened */
};

/* The first makes what the others are compared with. */
static const struct schedule schedules_all[] = {
    {'a', "each text alone, in one call", false, false, false, false, false},
    {'c', "each text alone, in chunks", false, true, false, false, false},
    {'t', "all texts in one call", true, false, false, false, false},
    {'b', "batches of chunks, some texts cut back", true, true, true, false, false},
    {'m', "batches of chunks, by a caller with another MXCSR", true, true, true, true, false},
    {'o', "in a model opened by a caller with another MXCSR", false, true, false, true, true},
};

struct arguments {
    const char *path, *base, *kind, *isa;
    unsigned int threads;
    enum kv_type kv;
};

struct world {
    const struct schedule *schedule;
    struct model_config config;
    struct weights *weights;
    struct pool *pool;
    struct transformer *transformer;
    struct text texts[TEXTS_MAX];
    size_t count;
    /* of the call under way, for each step */
    size_t text_of[TEXTS_MAX];
    uint32_t start[TEXTS_MAX];
    uint64_t rows_due;
};

static int check_row(const struct world *world, size_t text, uint32_t position, const float *logits,
                     const float *want, struct failure *failure)
{
    for (uint32_t i = 0; i < world->config.vocabulary; i++) {
        uint32_t got, due;

        memcpy(&got, &logits[i], sizeof(got));
        memcpy(&due, &want[i], sizeof(due));
        if (got != due)
            return fail(failure,
                        "%s: text %zu of %u tokens, position %u, token %u: 0x%08x, expected 0x%08x",
                        world->schedule->what, text, world->texts[text].length, position, i, got,
                        due);
        if ((got & 0x7fffffff) > 0x7f800000 && got != 0x7fc00000)
            return fail(failure, "%s: 0x%08x is not the canonical NaN", world->schedule->what, got);
    }
    return 0;
}

static int take_logits(void *context, size_t step, size_t token, const float *logits,
                       struct failure *failure)
{
    struct world *world = context;
    size_t index = world->text_of[step];
    struct text *text = &world->texts[index];
    uint32_t position = world->start[step] + (uint32_t)token;
    uint32_t first = text->length - text->rows;
    float *row = text->logits + (size_t)(position - first) * world->config.vocabulary;

    if (position < first || position >= text->length || !world->rows_due--)
        return fail(failure, "logits of position %u that nobody wants", position);
    if (world->schedule == schedules_all)
        memcpy(row, logits, world->config.vocabulary * sizeof(*row));
    return check_row(world, index, position, logits, row, failure);
}

static uint32_t below(uint64_t limit)
{
    return (uint32_t)(rnd() % limit);
}

/* The next tokens of a text, and how many of their last rows are compared. */
static void plan_step(struct world *world, size_t index, struct sequence *sequence, size_t steps,
                      struct step *step)
{
    const struct text *text = &world->texts[index];
    uint32_t done = sequence_length(sequence), left = text->length - done, count = left;
    uint32_t first = text->length - text->rows, fresh;

    /* mostly a few tokens where rows are compared: single ones take another way than many */
    if (world->schedule->parts)
        count = 1 + below(left > 3 && rnd() % (left > ROWS_MAX ? 2 : 4) ? 3 : left);
    fresh = done + count > first ? done + count - first : 0;
    fresh = fresh < count ? fresh : count;
    /* the text's last row is always one of them */
    if (fresh && count < left)
        fresh = below(fresh + 1);
    *step = (struct step){sequence, text->tokens + done, count, fresh};
    world->text_of[steps] = index;
    world->start[steps] = done;
    world->rows_due += fresh;
}

static int forward(struct world *world, const struct step *steps, size_t count,
                   struct failure *failure)
{
    uint32_t mxcsr = world->schedule->mxcsr ? OTHER_MXCSR : DEFAULT_MXCSR, after;
    int result;

    _mm_setcsr(mxcsr);
    result = transformer_forward(world->transformer, steps, count, take_logits, world, failure);
    after = _mm_getcsr() & ~_MM_EXCEPT_MASK;
    _mm_setcsr(DEFAULT_MXCSR);
    if (result == 0 && after != mxcsr)
        return fail(failure, "MXCSR is 0x%x after a call, was 0x%x", after, mxcsr);
    if (result == 0 && world->rows_due)
        return fail(failure, "%llu rows of logits did not come",
                    (unsigned long long)world->rows_due);
    for (size_t i = 0; result == 0 && i < count; i++)
        if (sequence_length(steps[i].sequence) != world->start[i] + steps[i].count)
            return fail(failure, "a sequence has another length than the tokens it was given");
    return result;
}

/* Texts [first, end), in calls of some of them. */
static int run_texts(struct world *world, size_t first, size_t end, struct sequence **sequences,
                     struct failure *failure)
{
    bool parts = world->schedule->parts;
    unsigned int cuts = 3;

    for (;;) {
        struct step steps[TEXTS_MAX];
        size_t count = 0, unfinished = 0;

        for (size_t i = first; i < end; i++) {
            uint32_t length = sequence_length(sequences[i]);

            if (world->schedule->cuts && cuts && length > 1 && rnd() % 4 == 0) {
                sequence_cut(sequences[i], length + 1);
                if (sequence_length(sequences[i]) != length)
                    return fail(failure, "a cut behind the end of a sequence changes it");
                length = below(length);
                sequence_cut(sequences[i], length);
                cuts--;
            }
            if (length == world->texts[i].length)
                continue;
            unfinished++;
            if (!parts || end - first == 1 || rnd() % 4)
                plan_step(world, i, sequences[i], count, &steps[count]), count++;
        }
        if (!unfinished)
            return 0;
        if (count && forward(world, steps, count, failure) < 0)
            return -1;
    }
}

static int run_schedule(struct world *world, struct failure *failure)
{
    struct sequence *sequences[TEXTS_MAX] = {0};
    int result = 0;

    for (size_t i = 0; result == 0 && i < world->count; i++) {
        sequences[i] = sequence_new(world->transformer, world->texts[i].length, failure);
        if (!sequences[i])
            result = -1;
    }
    if (result == 0 && world->schedule->together)
        result = run_texts(world, 0, world->count, sequences, failure);
    for (size_t i = 0; result == 0 && !world->schedule->together && i < world->count; i++)
        result = run_texts(world, i, i + 1, sequences, failure);
    for (size_t i = 0; i < world->count; i++)
        sequence_free(sequences[i]);
    return result;
}

static int open_world(struct world *world, const struct arguments *arguments,
                      struct failure *failure)
{
    world->weights = open_model(arguments->path, arguments->base, arguments->kind, arguments->isa,
                                arguments->threads, failure);
    if (!world->weights || engine_config(world->weights, &world->config, failure) < 0)
        return -1;
    world->pool = pool_new(arguments->threads, failure);
    if (world->pool)
        world->transformer =
            transformer_new(&world->config, world->weights, world->pool, arguments->kv, failure);
    return world->transformer ? 0 : -1;
}

static void close_world(struct world *world)
{
    transformer_free(world->transformer);
    pool_free(world->pool);
    if (world->weights)
        world->weights->ops->close(world->weights);
    world->transformer = NULL;
    world->pool = NULL;
    world->weights = NULL;
}

static int draw_texts(struct world *world, uint64_t seed, char **lengths, struct failure *failure)
{
    for (uint64_t i = 0; i < seed; i++)
        rnd();
    for (size_t i = 0; i < world->count; i++) {
        struct text *text = &world->texts[i];

        text->length = (uint32_t)atoi(lengths[i]);
        text->rows = text->length < ROWS_MAX ? text->length : ROWS_MAX;
        text->tokens = calloc(text->length, sizeof(*text->tokens));
        text->logits = calloc((size_t)text->rows * world->config.vocabulary, sizeof(float));
        if (!text->tokens || !text->logits)
            return fail(failure, "out of memory");
        for (uint32_t t = 0; t < text->length; t++)
            text->tokens[t] = below(world->config.vocabulary);
    }
    return 0;
}

static int run_all(struct world *world, const struct arguments *arguments, const char *letters,
                   struct failure *failure)
{
    for (size_t i = 0; i < sizeof(schedules_all) / sizeof(schedules_all[0]); i++) {
        int result = 0;

        world->schedule = &schedules_all[i];
        if (i && !strchr(letters, world->schedule->letter))
            continue;
        if (world->schedule->open) {
            close_world(world);
            _mm_setcsr(OTHER_MXCSR);
            result = open_world(world, arguments, failure);
        }
        if (result < 0 || run_schedule(world, failure) < 0)
            return -1;
    }
    return 0;
}

static int write_rows(const struct world *world, struct failure *failure)
{
    for (size_t i = 0; i < world->count; i++) {
        size_t count = (size_t)world->texts[i].rows * world->config.vocabulary;

        if (fwrite(world->texts[i].logits, sizeof(float), count, stdout) != count)
            return fail(failure, "cannot write");
    }
    return fflush(stdout) ? fail(failure, "cannot write") : 0;
}

int main(int argc, char **argv)
{
    static struct world world;
    struct arguments arguments;
    struct failure failure;
    int result;

    if (argc < 10 || argc > 9 + (int)TEXTS_MAX)
        return stop("MODEL BASE|- gguf|directory|fused|user ISA THREADS fp32|fp16 SEED SCHEDULES "
                    "LENGTH...");
    arguments = (struct arguments){.path = argv[1],
                                   .base = strcmp(argv[2], "-") ? argv[2] : NULL,
                                   .kind = argv[3],
                                   .isa = argv[4],
                                   .threads = (unsigned int)atoi(argv[5]),
                                   .kv = strcmp(argv[6], "fp16") ? KV_F32 : KV_F16};
    world.count = (size_t)argc - 9;
    result = open_world(&world, &arguments, &failure);
    if (result == 0)
        result = draw_texts(&world, strtoull(argv[7], NULL, 10), argv + 9, &failure);
    if (result == 0)
        result = run_all(&world, &arguments, argv[8], &failure);
    if (result == 0)
        result = write_rows(&world, &failure);
    close_world(&world);
    for (size_t i = 0; i < world.count; i++) {
        free(world.texts[i].tokens);
        free(world.texts[i].logits);
    }
    return result < 0 ? stop(failure.text) : 0;
}
