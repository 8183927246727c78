/* SPDX-License-Identifier: BSD-3-Clause */
/* Results of the benchmarks: as JSON for scripts, as an aligned table for people. */
#ifndef LWC_BENCH_REPORT_H
#define LWC_BENCH_REPORT_H

#include "container/failure.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* One measured rate beside its baseline, which ran in the same race. */
struct bench_row {
    char name[64];
    const char *isa;
    unsigned int threads;
    size_t page_size;
    double gb_per_s;
    double baseline;
    const char *baseline_name;
    size_t working_set; /* decoded bytes that a pass goes through */
};

/* Of at least one value; sorts them. */
double bench_median(double *values, size_t count);

/* The row with its ratio; NULL when a figure is not a finite positive number. */
json_t *bench_row_json(const struct bench_row *row);

/* Dump the document (taken over; NULL: a figure was bad) to stdout. */
int bench_print_json(json_t *document, struct failure *failure);

/* What goes on, on stderr if that is a terminal; NULL: nothing more. */
void bench_progress(const char *what);

/* "4K", "2M" */
const char *bench_page_name(size_t page_size);

struct bench_table {
    size_t columns;
    size_t left; /* columns that are aligned to the left: the first ones */
    char (*cells)[64];
    size_t count;
    size_t capacity;
    bool failed;
};

/* The next cell, row after row; the first row is the heading. */
void bench_cell(struct bench_table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Print and empty the table. */
int bench_print_table(struct bench_table *table, struct failure *failure);

#endif
