/* SPDX-License-Identifier: BSD-3-Clause */
/* Figures of the kernel module as a table and as JSON. */
#ifndef LWC_FIGURES_SHOW_H
#define LWC_FIGURES_SHOW_H

#include "figures.h"

#include <stdio.h>

/*
 * before: those that rates are since, seconds ago, or NULL: no rates.
 * terminal: draw over what is there, in so many rows and columns (0: any number).
 */
void figures_table(FILE *out, const struct figures *now, const struct figures *before,
                   double seconds, bool terminal, unsigned int rows, unsigned int columns);
/* One object and a newline. */
int figures_json(FILE *out, const struct figures *now, const struct figures *before, double seconds,
                 struct failure *failure);

#endif
