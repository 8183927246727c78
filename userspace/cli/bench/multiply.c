/* SPDX-License-Identifier: BSD-3-Clause */
#include "multiply.h"
#include "load.h"
#include "report.h"
#include "cli/plan.h"

#include <stdlib.h>
#include <string.h>

enum { DISTINCT_TILES = 64, QUICK_TILES = 8, PREFETCH_AHEAD = 2048 };
enum { MAX_ENTRANTS = 5 + 3 * BENCH_STRUCTURES_MAX };
#define CACHED_BYTES (64u << 20) /* decoded, of a pass in the cache, a worker */
#define COUNTING 0.95            /* of the load-only pass */

struct multiply {
    struct multiply_shape shape;
    struct bench_team *team;
    struct bench_data data;
    struct bench_coded coded[BENCH_STRUCTURES_MAX];
    struct bench_set set;
    struct bench_pages small; /* the plain matrix again, where the set has huge pages */
    uint32_t tile_bytes;
    size_t tile_rows;
    size_t rows;         /* of the matrix */
    size_t cached_tiles; /* of each worker, for passes in the cache */
    float *x, *y, *expected;
};

enum work { LOAD, LOAD_AHEAD, PLAIN, FUSED, BUFFERED };

struct task {
    struct multiply *multiply;
    const struct kernels *kernels;
    enum work work;
    size_t code;         /* FUSED, BUFFERED */
    const uint8_t *from; /* the plain matrix */
    bool cached;         /* only the first tiles of each part */
    size_t repeats;
};

static void part_of(const struct task *task, const struct bench_worker *worker, size_t *first,
                    size_t *end)
{
    bench_part(task->multiply->set.count, worker, first, end);
    if (task->cached && *end - *first > task->multiply->cached_tiles)
        *end = *first + task->multiply->cached_tiles;
}

static void multiply_plain(const struct task *task, const uint8_t *weights, size_t rows, float *y)
{
    size_t cols = task->multiply->shape.cols;
    const struct activations in = {.x = task->multiply->x, .x_stride = cols, .n = 1};
    const struct products out = {y, rows};

    task->kernels->gemm(LWC_DTYPE_BF16, weights, rows, cols, &in, &out, NULL);
}

static int multiply_tile(const struct task *task, struct bench_worker *worker, size_t tile,
                         struct failure *failure)
{
    const struct multiply *multiply = task->multiply;
    const struct bench_tile *stored = &multiply->set.tiles[task->code][tile];
    float *y = multiply->y + tile * multiply->tile_rows;

    if (task->work == FUSED)
        return bench_fused(worker, task->kernels, stored, multiply->tile_rows, multiply->shape.cols,
                           multiply->x, y, failure);
    if (bench_decode(worker, lwc_impl_select(task->kernels->isa), stored, worker->tile, failure) <
        0)
        return -1;
    multiply_plain(task, worker->tile, multiply->tile_rows, y);
    return 0;
}

static int run_once(const struct task *task, struct bench_worker *worker, size_t first, size_t end,
                    struct failure *failure)
{
    const struct multiply *multiply = task->multiply;
    size_t bytes = (end - first) * multiply->tile_bytes;
    const uint8_t *from = task->from + first * multiply->tile_bytes;

    switch (task->work) {
    case LOAD:
        bench_load(from, bytes, 0);
        return 0;
    case LOAD_AHEAD:
        bench_load(from, bytes, PREFETCH_AHEAD);
        return 0;
    case PLAIN:
        multiply_plain(task, from, (end - first) * multiply->tile_rows,
                       multiply->y + first * multiply->tile_rows);
        return 0;
    default:
        for (size_t tile = first; tile < end; tile++)
            if (multiply_tile(task, worker, tile, failure) < 0)
                return -1;
        return 0;
    }
}

static int task_pass(void *context, struct bench_worker *worker, struct failure *failure)
{
    const struct task *task = context;
    size_t first, end;

    part_of(task, worker, &first, &end);
    for (size_t r = 0; r < task->repeats; r++)
        if (run_once(task, worker, first, end, failure) < 0)
            return -1;
    return 0;
}

static double task_bytes(const struct task *task)
{
    struct bench_worker worker = {.count = bench_team_workers(task->multiply->team)};
    size_t tiles = 0, first, end;

    for (; worker.index < worker.count; worker.index++) {
        part_of(task, &worker, &first, &end);
        tiles += end - first;
    }
    return (double)(tiles * task->multiply->tile_bytes) * (double)task->repeats;
}

static size_t count_tiles(const struct multiply *multiply)
{
    const struct multiply_shape *shape = &multiply->shape;
    size_t count = bench_beyond_caches() / multiply->tile_bytes;

    if (shape->in_cache)
        count = shape->threads * multiply->cached_tiles;
    else if (shape->rows)
        count = (shape->rows + multiply->tile_rows - 1) / multiply->tile_rows;
    else if (shape->quick)
        count = QUICK_TILES;
    return count > shape->threads ? count : shape->threads;
}

/* The plain matrix in small pages, to see what huge ones are worth. */
static int copy_to_small_pages(struct multiply *multiply, struct failure *failure)
{
    if (multiply->set.page_size == BENCH_SMALL_PAGE)
        return 0;
    if (bench_pages_map(&multiply->small, multiply->set.size, BENCH_SMALL_PAGE, failure) < 0)
        return -1;
    memcpy(multiply->small.base, multiply->set.tiles[0][0].plain, multiply->set.size);
    return 0;
}

static int make_vectors(struct multiply *multiply, struct failure *failure)
{
    uint64_t state = 1;

    multiply->x = aligned_alloc(64, multiply->shape.cols * sizeof(float));
    multiply->y = calloc(multiply->rows, sizeof(float));
    multiply->expected = calloc(multiply->rows, sizeof(float));
    if (!multiply->x || !multiply->y || !multiply->expected)
        return fail(failure, "out of memory for the vectors");
    for (size_t i = 0; i < multiply->shape.cols; i++) {
        state = state * 6364136223846793005ull + 1442695040888963407ull;
        multiply->x[i] = (float)(int32_t)(state >> 32) * 0x1p-31f;
    }
    return 0;
}

static int make_matrix(struct multiply *multiply, struct failure *failure)
{
    const struct multiply_shape *shape = &multiply->shape;
    uint64_t size[2] = {1u << 30, shape->cols};
    size_t tiles, distinct;

    multiply->tile_bytes = plan_tile_bytes(LWC_DTYPE_BF16, 2, size, size[0] * size[1] * 2);
    multiply->tile_rows = multiply->tile_bytes / (2 * shape->cols);
    multiply->cached_tiles = bench_tiles_in_cache(multiply->tile_bytes);
    tiles = count_tiles(multiply);
    multiply->rows = tiles * multiply->tile_rows;
    distinct = tiles < DISTINCT_TILES ? tiles : DISTINCT_TILES;
    if (bench_data_gaussian(distinct, multiply->tile_bytes, &multiply->data, failure) < 0)
        return -1;
    for (size_t c = 0; c < bench_structure_count; c++)
        if (bench_encode(&bench_structures[c].policy, &multiply->data, &multiply->coded[c],
                         failure) < 0)
            return -1;
    if (bench_set_make(&multiply->set, &multiply->data, multiply->coded, bench_structure_count,
                       tiles, shape->page_size, multiply->team, failure) < 0)
        return -1;
    return copy_to_small_pages(multiply, failure);
}

struct multiply *multiply_open(const struct multiply_shape *shape, struct failure *failure)
{
    struct multiply *multiply = calloc(1, sizeof(*multiply));

    if (!multiply) {
        fail(failure, "out of memory");
        return NULL;
    }
    multiply->shape = *shape;
    multiply->team = bench_team_new(shape->threads, failure);
    if (!multiply->team || make_matrix(multiply, failure) < 0 ||
        make_vectors(multiply, failure) < 0) {
        multiply_close(multiply);
        return NULL;
    }
    return multiply;
}

void multiply_close(struct multiply *multiply)
{
    if (!multiply)
        return;
    bench_team_free(multiply->team);
    bench_set_free(&multiply->set);
    bench_pages_unmap(&multiply->small);
    for (size_t c = 0; c < BENCH_STRUCTURES_MAX; c++)
        bench_coded_free(&multiply->coded[c]);
    bench_data_free(&multiply->data);
    free(multiply->x);
    free(multiply->y);
    free(multiply->expected);
    free(multiply);
}

const struct bench_data *multiply_data(const struct multiply *multiply)
{
    return &multiply->data;
}

/* All products once, into y. */
static int run_task(struct task *task, struct failure *failure)
{
    memset(task->multiply->y, 0xff, task->multiply->rows * sizeof(float));
    return bench_team_run(task->multiply->team, task_pass, task, NULL, failure);
}

static int check_products(struct multiply *multiply, const struct kernels *kernels,
                          struct failure *failure)
{
    static const char *const names[] = {[FUSED] = "fused", [BUFFERED] = "decoded first"};
    struct task task = {multiply, kernels, PLAIN, 0, multiply->set.tiles[0][0].plain, false, 1};
    size_t size = multiply->rows * sizeof(float);

    if (run_task(&task, failure) < 0)
        return -1;
    memcpy(multiply->expected, multiply->y, size);
    for (task.code = 0; task.code < bench_structure_count; task.code++)
        for (task.work = FUSED; task.work <= BUFFERED; task.work++) {
            if (!bench_fuses(kernels, &bench_structures[task.code]))
                continue;
            if (run_task(&task, failure) < 0)
                return -1;
            if (memcmp(multiply->y, multiply->expected, size))
                return fail(failure,
                            "%s with %s, %s: not the bits of plain bf16; nothing is measured",
                            bench_structures[task.code].name, kernels->name, names[task.work]);
        }
    return 0;
}

struct race {
    struct task tasks[MAX_ENTRANTS];
    struct bench_entrant entrants[MAX_ENTRANTS];
    size_t count;
};

/* The entrant's number in the race. */
static size_t enter(struct race *race, struct task task, bool cached)
{
    struct multiply *multiply = task.multiply;
    struct task *entered = &race->tasks[race->count];

    *entered = task;
    entered->cached = cached;
    entered->repeats = 1;
    if (cached && !multiply->shape.quick)
        entered->repeats = CACHED_BYTES / (multiply->cached_tiles * multiply->tile_bytes) + 1;
    race->entrants[race->count] =
        (struct bench_entrant){task_pass, entered, task_bytes(entered), 0};
    return race->count++;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

int multiply_measure(struct multiply *multiply, const struct kernels *kernels,
                     struct multiply_figures *figures, struct failure *failure)
{
    bool cached = multiply->shape.in_cache;
    const uint8_t *plain = multiply->set.tiles[0][0].plain;
    struct race race = {.count = 0};
    size_t first_structure;

    bench_progress(kernels->name);
    if (check_products(multiply, kernels, failure) < 0)
        return -1;
    enter(&race, (struct task){multiply, kernels, .work = LOAD, .from = plain}, cached);
    enter(&race, (struct task){multiply, kernels, .work = LOAD_AHEAD, .from = plain}, cached);
    enter(&race, (struct task){multiply, kernels, .work = PLAIN, .from = plain}, cached);
    enter(&race, (struct task){multiply, kernels, .work = PLAIN, .from = plain}, true);
    if (multiply->small.base)
        enter(&race, (struct task){multiply, kernels, .work = PLAIN, .from = multiply->small.base},
              cached);
    first_structure = race.count;
    for (size_t c = 0; c < bench_structure_count; c++) {
        if (!bench_fuses(kernels, &bench_structures[c]))
            continue;
        enter(&race, (struct task){multiply, kernels, FUSED, c, .from = plain}, cached);
        enter(&race, (struct task){multiply, kernels, BUFFERED, c, .from = plain}, cached);
        enter(&race, (struct task){multiply, kernels, FUSED, c, .from = plain}, true);
    }
    if (bench_race(multiply->team, race.entrants, race.count, multiply->shape.quick, failure) < 0)
        return -1;
    *figures = (struct multiply_figures){
        .kernels = kernels,
        .threads = multiply->shape.threads,
        .page_size = multiply->set.page_size,
        .rows = multiply->rows,
        .cols = multiply->shape.cols,
        .load_only = larger(bench_rate(&race.entrants[0]), bench_rate(&race.entrants[1])),
        .plain = bench_rate(&race.entrants[2]),
        .plain_in_cache = bench_rate(&race.entrants[3]),
        .plain_small = multiply->small.base ? bench_rate(&race.entrants[4]) : 0,
    };
    for (size_t i = first_structure; i < race.count; i += 3)
        figures->structures[figures->count++] = (struct multiply_structure){
            .code = &bench_structures[race.tasks[i].code],
            .bits = multiply->coded[race.tasks[i].code].bits,
            .fused = bench_rate(&race.entrants[i]),
            .buffered = bench_rate(&race.entrants[i + 1]),
            .in_cache = bench_rate(&race.entrants[i + 2]),
        };
    return 0;
}

double multiply_bound(const struct multiply_figures *figures,
                      const struct multiply_structure *structure)
{
    double decoder = structure->in_cache / figures->plain, memory = 16 / structure->bits;

    return decoder < memory ? decoder : memory;
}

bool multiply_counts(const struct multiply_figures *figures)
{
    return figures->plain >= COUNTING * figures->load_only;
}

size_t multiply_kernels(uint32_t isa, const struct kernels **list)
{
    size_t count = 0;

    for (size_t i = 0; i < kernels_count; i++) {
        bool fuses = false;

        for (size_t c = 0; c < bench_structure_count; c++)
            fuses |= bench_fuses(kernels_all[i], &bench_structures[c]);
        if (fuses && (kernels_all[i]->isa & isa))
            list[count++] = kernels_all[i];
    }
    return count;
}
