/* SPDX-License-Identifier: BSD-3-Clause */
/* lwcmem bench gemv: a matrix times a vector, plain and compressed. */
#include "bench.h"
#include "multiply.h"
#include "report.h"

#include <stdio.h>
#include <stdlib.h>

struct gemv {
    const struct bench_options *options;
    uint32_t isa;
    struct multiply_figures *figures; /* of each number of threads and each ISA */
    size_t count;
};

static struct bench_row row_of(const struct multiply_figures *figures, double gb_per_s,
                               double baseline, const char *baseline_name)
{
    return (struct bench_row){
        .isa = figures->kernels->name,
        .threads = figures->threads,
        .page_size = figures->page_size,
        .gb_per_s = gb_per_s,
        .baseline = baseline,
        .baseline_name = baseline_name,
        .working_set = 2 * figures->rows * figures->cols,
    };
}

/* Append the row with its matrix; what it is in extra (taken over) is added. */
static int append(json_t *array, struct bench_row *row, const struct multiply_figures *figures,
                  json_t *extra)
{
    json_t *object = bench_row_json(row);
    int result = object ? 0 : -1;

    if (object && (json_object_set_new(object, "rows", json_integer((json_int_t)figures->rows)) ||
                   json_object_set_new(object, "cols", json_integer((json_int_t)figures->cols)) ||
                   (extra && json_object_update(object, extra))))
        result = -1;
    json_decref(extra);
    if (result < 0) {
        json_decref(object);
        return -1;
    }
    return json_array_append_new(array, object);
}

static int append_plain(json_t *array, const struct multiply_figures *figures)
{
    struct bench_row row = row_of(figures, figures->plain, figures->load_only, "load-only");

    snprintf(row.name, sizeof(row.name), "plain");
    if (append(array, &row, figures, NULL) < 0)
        return -1;
    if (figures->plain_small <= 0)
        return 0;
    row = row_of(figures, figures->plain, figures->plain_small, "plain, pages of 4 KiB");
    snprintf(row.name, sizeof(row.name), "plain, gain of huge pages");
    return append(array, &row, figures, NULL);
}

static int append_structure(json_t *array, const struct multiply_figures *figures,
                            const struct multiply_structure *structure, bool in_cache)
{
    double bound = multiply_bound(figures, structure);
    json_t *extra =
        json_pack("{s:f, s:b, s:f}", "bits_per_weight", structure->bits, "counts",
                  multiply_counts(figures), "of_load_only", structure->fused / figures->load_only);
    struct bench_row row = row_of(figures, structure->fused, figures->plain, "plain");

    if (!in_cache) {
        json_object_set_new(extra, "predicted", json_real(bound));
        json_object_set_new(extra, "of_predicted",
                            json_real(structure->fused / figures->plain / bound));
    }
    snprintf(row.name, sizeof(row.name), "fused %s", structure->code->name);
    if (append(array, &row, figures, extra) < 0)
        return -1;
    row = row_of(figures, structure->buffered, figures->plain, "plain");
    snprintf(row.name, sizeof(row.name), "decode, then multiply %s", structure->code->name);
    extra = json_pack("{s:f, s:b}", "bits_per_weight", structure->bits, "counts",
                      multiply_counts(figures));
    if (append(array, &row, figures, extra) < 0)
        return -1;
    if (in_cache)
        return 0;
    row = row_of(figures, structure->in_cache, figures->plain_in_cache, "plain, in cache");
    snprintf(row.name, sizeof(row.name), "fused %s, in cache", structure->code->name);
    return append(array, &row, figures, json_pack("{s:f}", "bits_per_weight", structure->bits));
}

static int print_json(const struct gemv *gemv, struct failure *failure)
{
    json_t *array = json_array();
    int result = 0;

    for (size_t i = 0; i < gemv->count && result == 0; i++) {
        const struct multiply_figures *figures = &gemv->figures[i];

        result = append_plain(array, figures);
        for (size_t s = 0; s < figures->count && result == 0; s++)
            result =
                append_structure(array, figures, &figures->structures[s], gemv->options->in_cache);
    }
    if (result < 0) {
        json_decref(array);
        array = NULL;
    }
    return bench_print_json(array, failure);
}

static void print_heading(const struct multiply_figures *figures)
{
    printf("%s, %u thread%s, pages %s: %zu x %zu bf16, %zu KiB\n", figures->kernels->name,
           figures->threads, figures->threads == 1 ? "" : "s", bench_page_name(figures->page_size),
           (size_t)figures->rows, (size_t)figures->cols,
           (size_t)(2 * figures->rows * figures->cols) >> 10);
    if (figures->plain_small > 0)
        printf("plain from pages of 4 KiB: %.1f GB/s; huge pages give %.2f times as much\n",
               figures->plain_small, figures->plain / figures->plain_small);
}

static void structure_cells(struct bench_table *table, const struct multiply_figures *figures,
                            const struct multiply_structure *structure, bool in_cache)
{
    double ratio = structure->fused / figures->plain, bound = multiply_bound(figures, structure);
    const char *mark = multiply_counts(figures) ? "" : "*";

    bench_cell(table, "%s", structure->code->name);
    bench_cell(table, "%.3f", structure->bits);
    bench_cell(table, "%.1f", structure->fused);
    bench_cell(table, "%.1f", structure->buffered);
    bench_cell(table, "%.1f", figures->plain);
    bench_cell(table, "%.1f", figures->load_only);
    bench_cell(table, "%.2f", figures->plain / figures->load_only);
    bench_cell(table, "%.2f%s", ratio, mark);
    bench_cell(table, "%.2f", structure->fused / figures->load_only);
    bench_cell(table, "%.1f", structure->in_cache);
    if (in_cache) {
        bench_cell(table, "-");
        bench_cell(table, "-");
    } else {
        bench_cell(table, "%.2f", bound);
        bench_cell(table, "%.2f", ratio / bound);
    }
}

static int print_tables(const struct gemv *gemv, struct failure *failure)
{
    static const char *const heading[] = {
        "",           "bits",        "fused",      "decode first", "plain",     "load-only",
        "plain/load", "fused/plain", "fused/load", "in cache",     "predicted", "of that",
    };
    bool uncounted = false;

    for (size_t i = 0; i < gemv->count; i++) {
        const struct multiply_figures *figures = &gemv->figures[i];
        struct bench_table table = {.columns = sizeof(heading) / sizeof(heading[0]), .left = 1};

        print_heading(figures);
        for (size_t c = 0; c < table.columns; c++)
            bench_cell(&table, "%s", heading[c]);
        for (size_t s = 0; s < figures->count; s++)
            structure_cells(&table, figures, &figures->structures[s], gemv->options->in_cache);
        if (bench_print_table(&table, failure) < 0)
            return -1;
        putchar('\n');
        uncounted |= !multiply_counts(figures);
    }
    printf("GB/s of decoded bytes. predicted: min(in cache / plain, 16 / bits) times plain\n");
    if (uncounted)
        printf(
            "* does not count, fused/load does: plain reaches less than 0.95 of a pass that only\n"
            "  loads its bytes, which no plain kernel can be faster than\n");
    return fflush(stdout) ? fail(failure, "cannot write the result") : 0;
}

static int measure_threads(struct gemv *gemv, unsigned int threads,
                           const struct kernels *const *kernels, size_t count,
                           struct failure *failure)
{
    const struct bench_options *options = gemv->options;
    const struct multiply_shape shape = {
        .rows = options->rows,
        .cols = options->cols ? options->cols : 4096,
        .page_size = options->page_size,
        .threads = threads,
        .in_cache = options->in_cache,
        .quick = options->quick,
    };
    struct multiply *multiply = multiply_open(&shape, failure);
    int result = multiply ? 0 : -1;

    for (size_t i = 0; i < count && result == 0; i++)
        result = multiply_measure(multiply, kernels[i], &gemv->figures[gemv->count++], failure);
    multiply_close(multiply);
    return result;
}

static int measure_all(struct gemv *gemv, struct failure *failure)
{
    const struct bench_options *options = gemv->options;
    const struct kernels *kernels[16];
    size_t count = multiply_kernels(gemv->isa, kernels), steps = 1;
    unsigned int threads = options->first_threads;
    int result = 0;

    if (!count)
        return fail(failure, "none of the ISAs that may be used here multiplies in registers");
    for (unsigned int t = threads; t < options->last_threads; t *= 2)
        steps++;
    gemv->figures = calloc(steps * count, sizeof(*gemv->figures));
    if (!gemv->figures)
        return fail(failure, "out of memory for the result");
    for (size_t step = 0; step < steps && result == 0; step++, threads *= 2)
        result =
            measure_threads(gemv, threads < options->last_threads ? threads : options->last_threads,
                            kernels, count, failure);
    return result;
}

static int measure(const struct bench_options *options, struct failure *failure)
{
    struct gemv gemv = {.options = options};
    int result;

    if (options->in_cache && options->rows)
        return fail(failure, "--in-cache chooses the rows; leave --rows out");
    result = bench_isa(&gemv.isa, failure);
    if (result == 0)
        result = measure_all(&gemv, failure);
    bench_progress(NULL);
    if (result == 0)
        result = options->json ? print_json(&gemv, failure) : print_tables(&gemv, failure);
    free(gemv.figures);
    return result;
}

const struct bench_part bench_gemv = {
    .command =
        {
            .name = "bench gemv",
            .usage = "[--rows R] [--cols C] [--in-cache] [--page-size 4k|2M | --hugepages]\n"
                     "           [-j N | -j A..B] [--quick] [--json]",
            .summary = "multiply a bf16 matrix with a vector, compressed against plain",
            .help = "--rows R          of the matrix, rounded up to whole tiles\n"
                    "                  (default: several times what the L3 caches hold)\n"
                    "--cols C          of the matrix, a multiple of 64 (default: 4096)\n"
                    "--in-cache        a matrix that stays in the L2 caches\n"
                    "--page-size P     of all weights: 4k (default) or 2M\n"
                    "--hugepages       --page-size 2M\n"
                    "-j N, -j A..B     threads; a range goes in steps of twice as many\n"
                    "                  (default: 1 to all CPUs of this process)\n"
                    "--quick           little data, few passes: shows that it works\n"
                    "--json            for scripts\n\n"
                    "For each ISA and structure, all from the same pages, in turns: fused decodes\n"
                    "in registers, decode first goes through a buffer, plain is bf16, load-only\n"
                    "reads plain's bytes and does nothing else. Nothing is measured unless all\n"
                    "products have the same bits. Huge pages come from the pool (vm.nr_hugepages)\n"
                    "or are transparent; what the memory really got is what is reported.\n",
        },
    .accepted = "rcIpHjqJ",
    .measure = measure,
};
