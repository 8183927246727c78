/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libFuzzer target: a chat template, rendered with a conversation. What it says must be UTF-8 and
 * the same again.
 *
 * Sources: userspace/engine/template*.c userspace/engine/text.c
 * Options: -max_len=400 -dict=tests/fuzz/template.dict -timeout=20
 * Input: the template.
 */
#include "engine/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *variables;
static unsigned long runs, parsed, rendered;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print_statistics(void)
{
    if (runs)
        fprintf(stderr, "templates: %lu, %.1f %% parsed, %.1f %% rendered\n", runs,
                100.0 * (double)parsed / (double)runs, 100.0 * (double)rendered / (double)runs);
    json_decref(variables);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    variables =
        json_loads("{\"messages\":[{\"role\":\"user\",\"content\":\" \\u00e9 \\u732b a\\n\"},"
                   "{\"role\":\"assistant\",\"content\":null,\"n\":[1,2.5,true]}],"
                   "\"s\":\"Ab c\",\"l\":[1,\"b\",[]],\"t\":null}",
                   0, NULL);
    if (!variables)
        abort();
    atexit(print_statistics);
    return 0;
}

static void check_text(const struct text *text)
{
    for (size_t i = 0, length; i < text->size; i += length) {
        length = character_size(text->bytes + i, text->size - i);
        if (!length)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text first = {0}, second = {0};
    struct failure failure = {""};
    struct template *template;
    int status;

    runs++;
    template = template_new((const char *)data, size, "t", &failure);
    if (!template) {
        if (!*failure.text)
            abort();
        return 0;
    }
    parsed++;
    status = template_render(template, variables, 1700000000, &first, &failure);
    rendered += status == 0;
    if (status < 0 && !*failure.text)
        abort();
    check_text(&first);
    if (template_render(template, variables, 1700000000, &second, &failure) != status ||
        first.size != second.size ||
        (first.size && memcmp(first.bytes, second.bytes, first.size) != 0))
        abort();
    text_free(&first);
    text_free(&second);
    template_free(template);
    return 0;
}
