/* SPDX-License-Identifier: BSD-3-Clause */
/* lwcmem bench advise: which --favor suits this machine. */
#include "bench.h"
#include "multiply.h"
#include "report.h"

#include <stdio.h>
#include <string.h>

/* A policy is only better when it is faster by more than the measurement shakes. */
#define CLEARLY 1.02

struct advice {
    const char *favor;
    const struct multiply_structure *structure;
};

static const struct multiply_structure *find(const struct multiply_figures *figures,
                                             const struct bench_code *code)
{
    for (size_t i = 0; i < figures->count; i++)
        if (figures->structures[i].code == code)
            return &figures->structures[i];
    return NULL;
}

/*
 * The policy whose structure is fastest here; the smaller code of two that are
 * equally fast. balanced first: where policies share a structure, it has the
 * tiles that the others store in slower codecs.
 */
static int choose(const struct multiply_figures *figures, const struct bench_data *data,
                  struct advice *best, struct failure *failure)
{
    static const char *const favors[] = {"balanced", "size", "speed"};

    *best = (struct advice){0};
    for (size_t i = 0; i < sizeof(favors) / sizeof(favors[0]); i++) {
        const struct multiply_structure *candidate;
        const struct bench_code *code;
        double margin;

        if (bench_favored(favors[i], data, &code, failure) < 0)
            return -1;
        candidate = code ? find(figures, code) : NULL;
        if (!candidate || (best->structure && candidate->code == best->structure->code))
            continue;
        margin = best->structure && candidate->bits < best->structure->bits ? 1 / CLEARLY : CLEARLY;
        if (!best->structure || candidate->fused > margin * best->structure->fused)
            *best = (struct advice){favors[i], candidate};
    }
    return best->structure ? 0 : fail(failure, "no policy has a structure that this CPU fuses");
}

static json_t *structure_json(const struct multiply_figures *figures,
                              const struct multiply_structure *structure)
{
    return json_pack("{s:s, s:f, s:f, s:f, s:f}", "name", structure->code->name, "in_cache",
                     structure->in_cache / figures->threads, "predicted",
                     multiply_bound(figures, structure), "measured",
                     structure->fused / figures->plain, "bits_per_weight", structure->bits);
}

static int print_json(const struct multiply_figures *figures, const struct advice *advice,
                      struct failure *failure)
{
    json_t *structures = json_array(), *root;

    for (size_t i = 0; i < figures->count; i++)
        if (json_array_append_new(structures, structure_json(figures, &figures->structures[i])) <
            0) {
            json_decref(structures);
            return bench_print_json(NULL, failure);
        }
    root = json_pack("{s:s, s:f, s:o, s:s, s:i, s:I}", "favor", advice->favor, "gb_per_s_per_core",
                     figures->plain / figures->threads, "structures", structures, "isa",
                     figures->kernels->name, "threads", (int)figures->threads, "page_size",
                     (json_int_t)figures->page_size);
    return bench_print_json(root, failure);
}

static int print_table(const struct multiply_figures *figures, const struct advice *advice,
                       struct failure *failure)
{
    static const char *const heading[] = {
        "", "bits", "in cache, GB/s a core", "fused, GB/s a core", "times plain", "predicted"};
    struct bench_table table = {.columns = 6, .left = 1};

    printf("%s, %u CPUs busy, pages %s: plain bf16 gets %.1f GB/s a core\n\n",
           figures->kernels->name, figures->threads, bench_page_name(figures->page_size),
           figures->plain / figures->threads);
    for (size_t i = 0; i < table.columns; i++)
        bench_cell(&table, "%s", heading[i]);
    for (size_t i = 0; i < figures->count; i++) {
        const struct multiply_structure *structure = &figures->structures[i];

        bench_cell(&table, "%s", structure->code->name);
        bench_cell(&table, "%.3f", structure->bits);
        bench_cell(&table, "%.1f", structure->in_cache / figures->threads);
        bench_cell(&table, "%.1f", structure->fused / figures->threads);
        bench_cell(&table, "%.2f", structure->fused / figures->plain);
        bench_cell(&table, "%.2f", multiply_bound(figures, structure));
    }
    if (bench_print_table(&table, failure) < 0)
        return -1;
    printf("\n--favor %s: structure %s\n", advice->favor, advice->structure->code->name);
    if (advice->structure->fused < figures->plain)
        printf("plain bf16 is faster on this machine while it fits into memory\n");
    return fflush(stdout) ? fail(failure, "cannot write the result") : 0;
}

static int measure(const struct bench_options *options, struct failure *failure)
{
    struct multiply_shape shape = {
        .cols = 4096,
        .page_size = options->page_size,
        .threads = cli_default_threads(),
        .quick = options->quick,
    };
    const struct kernels *kernels[16];
    struct multiply_figures figures;
    struct multiply *multiply;
    struct advice advice = {0};
    uint32_t isa;
    size_t count;
    int result;

    if (bench_isa(&isa, failure) < 0)
        return -1;
    count = multiply_kernels(isa, kernels);
    if (!count)
        return fail(failure, "none of the ISAs that may be used here multiplies in registers; "
                             "--favor size keeps most in memory");
    multiply = multiply_open(&shape, failure);
    if (!multiply)
        return -1;
    result = multiply_measure(multiply, kernels[count - 1], &figures, failure);
    if (result == 0)
        result = choose(&figures, multiply_data(multiply), &advice, failure);
    multiply_close(multiply);
    bench_progress(NULL);
    if (result == 0)
        result = options->json ? print_json(&figures, &advice, failure)
                               : print_table(&figures, &advice, failure);
    return result;
}

const struct bench_part bench_advise = {
    .command =
        {
            .name = "bench advise",
            .usage = "[--page-size 4k|2M | --hugepages] [--quick] [--json]",
            .summary = "name the --favor of pack that is fastest on this machine",
            .help =
                "--page-size P     of the weights: 4k (default), 2M if models will lie in huge "
                "pages\n"
                "--hugepages       --page-size 2M\n"
                "--quick           little data, few passes: shows that it works\n"
                "--json            for scripts\n\n"
                "With all CPUs busy: B, what a core gets of plain bf16 from memory, and R, how\n"
                "fast it decodes each structure in cache. predicted is min(R / B, 16 / bits)\n"
                "times plain, times plain is what it measured; the policy whose structure is\n"
                "fastest wins. Other load changes B: run it when the machine is as it will be.\n",
        },
    .accepted = "pHqJ",
    .measure = measure,
};
