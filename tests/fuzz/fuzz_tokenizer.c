/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libFuzzer target: the file of a tokenizer, and a text through it. Tokens are the same each time,
 * and their text is UTF-8.
 *
 * Sources: userspace/engine/tokenizer*.c userspace/engine/[jmnsv]*.c userspace/engine/pattern.c
 *
 * Sources: userspace/engine/added.c userspace/engine/rules.c userspace/engine/text.c
 *
 * Sources: userspace/readers/[a-z]*.c -lpcre2-8
 *
 * Options: -max_len=3000 -dict=tests/fuzz/tokenizer.dict -timeout=20
 *
 * Input: flags (1: SentencePiece's file, not JSON; 2: tokens around the text; 4: names of special
 * tokens are these), the text's length, the text, the file.
 */
#include "engine/text.h"
#include "engine/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned long runs, opened, encoded;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print_statistics(void)
{
    if (runs)
        fprintf(stderr, "tokenizers: %lu, %.1f %% opened, %.1f %% encoded\n", runs,
                100.0 * (double)opened / (double)runs, 100.0 * (double)encoded / (double)runs);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    atexit(print_statistics);
    return 0;
}

static void check(int status, const struct failure *failure)
{
    if (status < 0 && !*failure->text)
        abort();
}

static void check_text(const char *text, size_t size)
{
    for (size_t i = 0, length; i < size; i += length) {
        length = character_size(text + i, size - i);
        if (!length)
            abort();
    }
}

static void decode(const struct tokenizer *tokenizer, const uint32_t *tokens, size_t count)
{
    struct failure failure = {""};
    struct decoding *decoding = decoding_new(tokenizer, &failure);
    const char *text;
    size_t size;
    int status = 0;

    if (!decoding)
        return check(-1, &failure);
    for (size_t i = 0; i < count && status == 0; i++) {
        (void)tokenizer_piece(tokenizer, tokens[i], &size);
        status = decoding_add(decoding, tokens[i], &text, &size, &failure);
        check(status, &failure);
        if (status == 0)
            check_text(text, size);
    }
    if (status == 0 && (status = decoding_end(decoding, &text, &size, &failure)) == 0)
        check_text(text, size);
    check(status, &failure);
    decoding_free(decoding);
}

static void use(const struct tokenizer *tokenizer, const char *text, size_t size, bool around,
                bool special)
{
    uint32_t *tokens = NULL, *again = NULL, token;
    size_t count = 0, count_again = 0;
    struct failure failure = {""};
    int status =
        tokenizer_encode(tokenizer, text, size, around, special, &tokens, &count, &failure);

    check(status, &failure);
    if (tokenizer_encode(tokenizer, text, size, around, special, &again, &count_again, &failure) !=
            status ||
        (status == 0 &&
         (count != count_again || (count && memcmp(tokens, again, count * sizeof(*tokens)) != 0))))
        abort();
    (void)tokenizer_begin(tokenizer, &token);
    (void)tokenizer_end(tokenizer, &token);
    if (status == 0) {
        encoded++;
        decode(tokenizer, tokens, count);
        free(tokens);
        free(again);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct failure failure = {""};
    struct tokenizer *tokenizer;
    size_t length;
    char *file; /* exact: ASan sees a read past its end */

    if (size < 2 || size - 2 < data[1])
        return 0;
    runs++;
    length = data[1];
    size -= 2 + length;
    file = malloc(size + 1);
    if (!file)
        return 0;
    memcpy(file, data + 2 + length, size);
    file[size] = 0;
    tokenizer = data[0] & 1 ? tokenizer_from_sentencepiece(file, size, "t", &failure)
                            : tokenizer_from_json(file, size, "t", &failure);
    check(tokenizer ? 0 : -1, &failure);
    if (tokenizer) {
        opened++;
        use(tokenizer, (const char *)data + 2, length, data[0] & 2, data[0] & 4);
        tokenizer_free(tokenizer);
    }
    free(file);
    return 0;
}
