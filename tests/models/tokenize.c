/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tokenize FILE: tokens and texts by the tokenizer of FILE (.json, .model, .gguf), for tests.
 * Standard input has requests: a little-endian u32 of flags, one of the size, and a text or, with
 * IDS, u32 ids. For each, standard output has the number of tokens, these, the size of their text,
 * and the text, the numbers as u32. The text is decoded in one pass, and found again in a second
 * with the same decoding.
 */
#include "engine/tokenizer.h"
#include "readers/gguf_values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AROUND = 1, SPECIAL = 2, IDS = 4 };

static void stop(const char *what)
{
    fprintf(stderr, "tokenize: %s\n", what);
    exit(1);
}

static char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    char *data;

    if (!file || fseek(file, 0, SEEK_END) < 0)
        stop("cannot read the file");
    *size = (size_t)ftell(file);
    rewind(file);
    data = malloc(*size + 1);
    if (!data || fread(data, 1, *size, file) != *size)
        stop("cannot read the file");
    fclose(file);
    return data;
}

struct memory {
    const char *data;
};

static int read_memory(void *context, uint64_t offset, void *to, size_t size,
                       struct failure *failure)
{
    (void)failure;
    memcpy(to, ((struct memory *)context)->data + offset, size);
    return 0;
}

static struct tokenizer *read_gguf(char *data, size_t size, const char *path,
                                   struct failure *failure)
{
    struct memory memory = {data};
    struct gguf_source source = {read_memory, &memory, size};
    struct gguf_values *values = gguf_values_new(&source, path, failure);
    struct tokenizer *tokenizer = values ? tokenizer_from_gguf(values, path, failure) : NULL;

    gguf_values_free(values);
    return tokenizer;
}

static struct tokenizer *read_tokenizer(const char *path)
{
    const char *suffix = strrchr(path, '.');
    struct failure failure = {""};
    struct tokenizer *tokenizer;
    size_t size;
    char *data = read_file(path, &size);

    if (suffix && strcmp(suffix, ".gguf") == 0)
        tokenizer = read_gguf(data, size, path, &failure);
    else if (suffix && strcmp(suffix, ".model") == 0)
        tokenizer = tokenizer_from_sentencepiece(data, size, path, &failure);
    else
        tokenizer = tokenizer_from_json(data, size, path, &failure);
    free(data);
    if (!tokenizer)
        stop(failure.text);
    return tokenizer;
}

static void put(const void *data, size_t size, uint32_t count)
{
    fwrite(&count, sizeof(count), 1, stdout);
    fwrite(data, size, count, stdout);
}

static char *decode(struct decoding *decoding, const uint32_t *tokens, size_t count, size_t *size)
{
    struct failure failure = {""};
    char *text = NULL;

    *size = 0;
    for (size_t i = 0; i <= count; i++) {
        const char *part;
        size_t part_size;

        if ((i < count ? decoding_add(decoding, tokens[i], &part, &part_size, &failure)
                       : decoding_end(decoding, &part, &part_size, &failure)) < 0)
            stop(failure.text);
        text = realloc(text, *size + part_size + 1);
        if (!text)
            stop("out of memory");
        memcpy(text + *size, part, part_size);
        *size += part_size;
    }
    return text;
}

static void answer(const struct tokenizer *tokenizer, struct decoding *decoding, uint32_t flags,
                   char *request, uint32_t size)
{
    uint32_t *tokens = (uint32_t *)request;
    size_t count = size / sizeof(*tokens), text_size, again_size;
    struct failure failure = {""};
    char *text, *again;

    if (!(flags & IDS) && tokenizer_encode(tokenizer, request, size, flags & AROUND,
                                           flags & SPECIAL, &tokens, &count, &failure) < 0)
        stop(failure.text);
    text = decode(decoding, tokens, count, &text_size);
    again = decode(decoding, tokens, count, &again_size);
    if (text_size != again_size || memcmp(text, again, text_size))
        stop("a second decoding differs");
    put(tokens, sizeof(*tokens), (uint32_t)count);
    put(text, 1, (uint32_t)text_size);
    free(text);
    free(again);
    if (!(flags & IDS))
        free(tokens);
}

int main(int argc, char **argv)
{
    struct tokenizer *tokenizer;
    struct failure failure = {""};
    struct decoding *decoding;
    uint32_t head[2];

    if (argc != 2)
        stop("usage: tokenize FILE");
    tokenizer = read_tokenizer(argv[1]);
    decoding = decoding_new(tokenizer, &failure);
    if (!decoding)
        stop(failure.text);
    while (fread(head, sizeof(head), 1, stdin) == 1) {
        char *request = malloc(head[1] + 1u);

        if (!request || fread(request, 1, head[1], stdin) != head[1])
            stop("a request is cut short");
        answer(tokenizer, decoding, head[0], request, head[1]);
        free(request);
    }
    decoding_free(decoding);
    tokenizer_free(tokenizer);
    return fflush(stdout) == 0 ? 0 : 1;
}
