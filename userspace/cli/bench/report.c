/* SPDX-License-Identifier: BSD-3-Clause */
#include "report.h"
#include "pages.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_rate(double value)
{
    return isfinite(value) && value > 0;
}

json_t *bench_row_json(const struct bench_row *row)
{
    if (!is_rate(row->gb_per_s) || !is_rate(row->baseline))
        return NULL;
    return json_pack("{s:s, s:s, s:i, s:I, s:f, s:f, s:f, s:s, s:I}", "name", row->name, "isa",
                     row->isa, "threads", (int)row->threads, "page_size",
                     (json_int_t)row->page_size, "gb_per_s", row->gb_per_s, "baseline",
                     row->baseline, "ratio", row->gb_per_s / row->baseline, "baseline_name",
                     row->baseline_name, "working_set", (json_int_t)row->working_set);
}

int bench_print_json(json_t *document, struct failure *failure)
{
    int result;

    if (!document)
        return fail(failure, "a figure is not a number: the clock of this machine is not usable");
    result = json_dumpf(document, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    json_decref(document);
    putchar('\n');
    return result < 0 || fflush(stdout) ? fail(failure, "cannot write the result") : 0;
}

void bench_progress(const char *what)
{
    if (!isatty(STDERR_FILENO))
        return;
    if (what)
        fprintf(stderr, "\rmeasuring %s \033[K", what);
    else
        fprintf(stderr, "\r\033[K");
}

const char *bench_page_name(size_t page_size)
{
    return page_size == BENCH_HUGE_PAGE ? "2M" : "4K";
}

void bench_cell(struct bench_table *table, const char *format, ...)
{
    va_list args;

    if (table->count == table->capacity) {
        size_t capacity = 2 * table->capacity + 64;
        void *grown = realloc(table->cells, capacity * sizeof(*table->cells));

        if (!grown) {
            table->failed = true;
            return;
        }
        table->cells = grown;
        table->capacity = capacity;
    }
    va_start(args, format);
    vsnprintf(table->cells[table->count++], sizeof(*table->cells), format, args);
    va_end(args);
}

static int column_width(const struct bench_table *table, size_t column)
{
    size_t width = 0;

    for (size_t i = column; i < table->count; i += table->columns)
        if (strlen(table->cells[i]) > width)
            width = strlen(table->cells[i]);
    return (int)width;
}

int bench_print_table(struct bench_table *table, struct failure *failure)
{
    bool failed = table->failed;

    for (size_t i = 0; i < table->count && !failed; i++) {
        size_t column = i % table->columns;
        bool last = column + 1 == table->columns;
        int width = column_width(table, column);

        if (column < table->left)
            printf("%-*s", width, table->cells[i]);
        else
            printf("%*s", width, table->cells[i]);
        fputs(last ? "\n" : "  ", stdout);
    }
    free(table->cells);
    table->cells = NULL;
    table->count = table->capacity = 0;
    if (failed)
        return fail(failure, "out of memory for the result");
    return fflush(stdout) ? fail(failure, "cannot write the result") : 0;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double bench_median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), by_value);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}
