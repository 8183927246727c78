/* SPDX-License-Identifier: BSD-3-Clause */
/* From tokens to text. */
#include "tokenizer_parts.h"

#include <stdlib.h>
#include <string.h>

struct decoding {
    const struct tokenizer *tokenizer;
    struct text run; /* bytes that are not text yet */
    struct text out;
    bool begun;    /* a token was shown */
    bool spoken;   /* there is text */
    bool unmarked; /* a mark was left out, and no other will be */
    size_t stripped;
};

struct decoding *decoding_new(const struct tokenizer *tokenizer, struct failure *failure)
{
    struct decoding *decoding = calloc(1, sizeof(*decoding));

    if (decoding)
        decoding->tokenizer = tokenizer;
    else
        fail(failure, "out of memory for the text of tokens");
    return decoding;
}

void decoding_free(struct decoding *decoding)
{
    if (!decoding)
        return;
    text_free(&decoding->run);
    text_free(&decoding->out);
    free(decoding);
}

/* Text, valid, at the end of what there is; at its beginning without what is to be stripped. */
static int say(struct decoding *decoding, const char *text, size_t size)
{
    const struct decoder *decoder = &decoding->tokenizer->decoder;
    size_t strip = decoder->strip ? strlen(decoder->strip) : 0;

    while (strip && size && decoding->stripped < decoder->strip_count) {
        if (size < strip || memcmp(text, decoder->strip, strip)) {
            decoding->stripped = decoder->strip_count;
            break;
        }
        decoding->stripped++;
        text += strip;
        size -= strip;
    }
    decoding->spoken |= size > 0;
    return text_add(&decoding->out, text, size);
}

/* How much of a character bytes begin with, 1 if of none; *whole unless more bytes could follow. */
static size_t part_of_character(const char *bytes, size_t size, bool *whole)
{
    /* the largest and smallest bytes that may follow finish any beginning that there is */
    static const char *const ends[] = {"\x80\x80\x80", "\xbf\xbf\xbf"};
    size_t part = size < 4 ? size : 4;
    char character[8];

    *whole = true;
    for (; part > 1; part--)
        for (size_t i = 0; i < 2; i++) {
            memcpy(character, bytes, part);
            memcpy(character + part, ends[i], 3);
            if (character_size(character, part + 3) > part) {
                *whole = part < size;
                return part;
            }
        }
    if ((uint8_t)*bytes >= 0xc2 && (uint8_t)*bytes <= 0xf4)
        *whole = size > 1;
    return 1;
}

/* Characters of bytes that go on: all but a beginning at the end, unless that is the end. */
static int say_lossy(struct decoding *decoding, bool end)
{
    struct text *run = &decoding->run;
    size_t at = 0;
    int result = 0;

    while (at < run->size && result == 0) {
        size_t length = character_size(run->bytes + at, run->size - at);
        bool whole = true;

        if (length) {
            result = say(decoding, run->bytes + at, length);
        } else {
            length = part_of_character(run->bytes + at, run->size - at, &whole);
            if (!whole && !end)
                break;
            result = say(decoding, REPLACEMENT, strlen(REPLACEMENT));
        }
        at += length;
    }
    memmove(run->bytes, run->bytes + at, run->size - at);
    run->size -= at;
    return result;
}

/* The end of a run of bytes. */
static int say_run(struct decoding *decoding)
{
    struct text *run = &decoding->run;
    struct text valid = {0};
    bool same;
    int result;

    if (!run->size)
        return 0;
    result = text_add_lossy(&valid, run->bytes, run->size);
    same = result == 0 && valid.size == run->size && !memcmp(valid.bytes, run->bytes, run->size);
    if (result == 0 && !same && decoding->tokenizer->decoder.runs == RUNS_WHOLE) {
        valid.size = 0;
        for (size_t i = 0; i < run->size && result == 0; i++)
            result = text_add(&valid, REPLACEMENT, strlen(REPLACEMENT));
    }
    if (result == 0)
        result = say(decoding, valid.bytes, valid.size);
    text_free(&valid);
    run->size = 0;
    return result;
}

/* The first token of all, whose marks are nothing. */
static int say_unmarked(struct decoding *decoding, uint32_t token)
{
    size_t size, new_size;
    const char *text = vocabulary_text(decoding->tokenizer->vocabulary, token, &size);
    char *without = text ? replaced(text, size, MARK, "", &new_size) : NULL;
    int result = without ? say(decoding, without, new_size) : -1;

    free(without);
    return result;
}

/* Whether a space at the beginning of what is shown of a token is a mark that is nothing here. */
static bool unmarks(struct decoding *decoding, uint32_t token)
{
    const struct decoder *decoder = &decoding->tokenizer->decoder;
    const char *text;
    size_t size;

    if (!decoder->unmark_text || decoding->spoken || decoding->unmarked)
        return false;
    text = vocabulary_text(decoding->tokenizer->vocabulary, token, &size);
    if (!text || strncmp(text, MARK, strlen(MARK)) ||
        decoding->tokenizer->shown[token].bytes[0] != ' ')
        return false;
    decoding->unmarked = !decoder->unmark_all;
    return true;
}

static int add_shown(struct decoding *decoding, uint32_t token, const struct shown *shown)
{
    const struct decoder *decoder = &decoding->tokenizer->decoder;
    bool first = !decoding->begun, unmark;

    decoding->begun = true;
    if (shown->kind == SHOWN_BYTE)
        return text_add(&decoding->run, shown->bytes, shown->size);
    if (decoder->lossy)
        return text_add(&decoding->run, shown->bytes, shown->size) < 0 ? -1
                                                                       : say_lossy(decoding, false);
    if (say_run(decoding) < 0)
        return -1;
    if (first && decoder->unmark_first)
        return say_unmarked(decoding, token);
    if (!first && decoder->separated && say(decoding, " ", 1) < 0)
        return -1;
    unmark = unmarks(decoding, token);
    return say(decoding, shown->bytes + unmark, shown->size - unmark);
}

int decoding_add(struct decoding *decoding, uint32_t token, const char **text, size_t *size,
                 struct failure *failure)
{
    const struct tokenizer *tokenizer = decoding->tokenizer;
    const struct shown *shown = token < tokenizer->shown_count ? &tokenizer->shown[token] : NULL;

    decoding->out.size = 0;
    if (text_add(&decoding->out, "", 0) < 0 ||
        (shown && shown->kind != SHOWN_NOT && add_shown(decoding, token, shown) < 0))
        return fail(failure, "out of memory for the text of tokens");
    *text = decoding->out.bytes;
    *size = decoding->out.size;
    return 0;
}

int decoding_end(struct decoding *decoding, const char **text, size_t *size,
                 struct failure *failure)
{
    bool lossy = decoding->tokenizer->decoder.lossy;

    decoding->out.size = 0;
    if (text_add(&decoding->out, "", 0) < 0 ||
        (lossy && decoding->run.size ? say_lossy(decoding, true) : say_run(decoding)) < 0)
        return fail(failure, "out of memory for the text of tokens");
    decoding->begun = decoding->spoken = decoding->unmarked = false;
    decoding->run.size = decoding->stripped = 0;
    *text = decoding->out.bytes;
    *size = decoding->out.size;
    return 0;
}
