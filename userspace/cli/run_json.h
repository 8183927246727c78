/* SPDX-License-Identifier: BSD-3-Clause */
/* What lwcmem run says to scripts. */
#ifndef LWC_CLI_RUN_JSON_H
#define LWC_CLI_RUN_JSON_H

#include "engine/generate.h"

#include <jansson.h>

/* A text as it was made. */
struct run_text {
    json_t *ids; /* of the new tokens */
    char *text;
    size_t size;
    size_t capacity;
};

/* Print all of it as one object. 0, or -1 with a message. */
int run_json_print(const struct weights *weights, const struct generate_text *texts,
                   const struct run_text *made, size_t count, const struct generate_result *result,
                   struct failure *failure);

/* Tokens a second; 0 where there was no time. */
double run_rate(size_t tokens, double seconds);

#endif
