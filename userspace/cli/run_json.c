/* SPDX-License-Identifier: BSD-3-Clause */
#include "run_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A text that ends inside a character, or has bytes that are none, as valid UTF-8. */
static json_t *text_json(const char *text, size_t size)
{
    static const char replacement[] = "\xef\xbf\xbd";
    char *valid = malloc(3 * size + 1);
    size_t used = 0;
    json_t *result;

    if (!valid)
        return NULL;
    for (size_t i = 0; i < size;) {
        size_t length = 1;
        json_t *one = NULL;

        while (length <= 4 && i + length <= size && !(one = json_stringn(text + i, length)))
            length++;
        memcpy(valid + used, one ? text + i : replacement, one ? length : 3);
        used += one ? length : 3;
        i += one ? length : 1;
        json_decref(one);
    }
    result = json_stringn(valid, used);
    free(valid);
    return result;
}

double run_rate(size_t tokens, double seconds)
{
    return seconds > 0 ? (double)tokens / seconds : 0;
}

static int add_counters(json_t *root, const struct weights *weights)
{
    struct weight_counters counters;

    if (!weights->ops->counters)
        return 0;
    weights->ops->counters((struct weights *)weights, &counters);
    return json_object_set_new(
        root, "counters",
        json_pack(
            "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "rows_fused",
            (json_int_t)counters.rows_fused, "rows_eligible", (json_int_t)counters.rows_eligible,
            "rows_buffered", (json_int_t)counters.rows_buffered, "tiles_decoded",
            (json_int_t)counters.tiles_decoded, "bytes_ring", (json_int_t)counters.bytes_ring,
            "bytes_kernel", (json_int_t)counters.bytes_kernel, "bytes_fixed",
            (json_int_t)counters.bytes_fixed, "bytes_direct", (json_int_t)counters.bytes_direct,
            "bytes_stored", (json_int_t)counters.bytes_stored, "bytes_past",
            (json_int_t)counters.bytes_past));
}

static int add_region(json_t *root, const struct weights *weights, struct failure *failure)
{
    struct weight_region region;
    int found = weights->ops->region
                    ? weights->ops->region((struct weights *)weights, &region, failure)
                    : 0;

    if (found <= 0)
        return found;
    if (json_object_set_new(root, "region",
                            json_pack("{s:I, s:I, s:I, s:I, s:s}", "tiles_decoded",
                                      (json_int_t)region.tiles_decoded, "bytes_decoded",
                                      (json_int_t)region.bytes_decoded, "bytes_read",
                                      (json_int_t)region.bytes_read, "tiles_failed",
                                      (json_int_t)region.tiles_failed, "isa", region.isa)) < 0)
        return fail(failure, "out of memory for the result");
    return 0;
}

/* What belongs to one text, added to object. */
static int add_text(json_t *object, const struct generate_text *text, const struct run_text *made)
{
    json_t *prompt = json_array();

    for (size_t i = 0; i < text->prompt_count; i++)
        json_array_append_new(prompt, json_integer(text->prompt[i]));
    return json_object_set_new(object, "text",
                               text_json(made->size ? made->text : "", made->size)) < 0 ||
                   json_object_set(object, "token_ids", made->ids) < 0 ||
                   json_object_set_new(object, "prompt_token_ids", prompt) < 0
               ? -1
               : 0;
}

/* One text's keys are those of the whole; several are a list. */
static int add_texts(json_t *root, const struct generate_text *texts, const struct run_text *made,
                     size_t count)
{
    json_t *list;

    if (count == 1)
        return add_text(root, texts, made);
    list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *one = json_object();

        if (add_text(one, &texts[i], &made[i]) < 0 || json_array_append_new(list, one) < 0)
            return -1;
    }
    return json_object_set_new(root, "texts", list);
}

int run_json_print(const struct weights *weights, const struct generate_text *texts,
                   const struct run_text *made, size_t count, const struct generate_result *result,
                   struct failure *failure)
{
    json_t *root = json_object();
    json_t *figures =
        json_pack("{s:f, s:f, s:s, s:s, s:s}", "prompt_tokens_per_s",
                  run_rate(result->prompt_tokens, result->prompt_seconds), "tokens_per_s",
                  run_rate(result->step_tokens, result->step_seconds), "backend", weights->backend,
                  "isa", weights->kernels->name, "structure", weights->structure);
    int status = -1;

    if (!root || !figures || add_texts(root, texts, made, count) < 0 ||
        json_object_update(root, figures) < 0 || add_counters(root, weights) < 0)
        fail(failure, "out of memory for the result");
    else if (add_region(root, weights, failure) == 0)
        status = json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) < 0 ||
                         putchar('\n') < 0 || fflush(stdout)
                     ? fail(failure, "cannot write the result")
                     : 0;
    json_decref(figures);
    json_decref(root);
    return status;
}
