/* SPDX-License-Identifier: BSD-3-Clause */
/* SentencePiece's tokenizer.model: a protocol buffer with few fields. */
#include "tokenizer_parts.h"

#include <stdlib.h>
#include <string.h>

struct bytes {
    const uint8_t *at, *end;
};

/* A field of a message. */
struct field {
    uint64_t number;
    uint64_t value; /* of a varint, or the bits of a fixed one */
    struct bytes bytes;
    enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 } type;
};

static int read_varint(struct bytes *in, uint64_t *value)
{
    *value = 0;
    for (unsigned int shift = 0; shift < 64 && in->at < in->end; shift += 7) {
        uint8_t byte = *in->at++;

        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return 0;
    }
    return -1;
}

/* The next field. 1, 0 at the end, -1 if the bytes are no message. */
static int read_field(struct bytes *in, struct field *field)
{
    uint64_t key, size;

    if (in->at == in->end)
        return 0;
    if (read_varint(in, &key) < 0)
        return -1;
    *field = (struct field){.number = key >> 3};
    switch (key & 7) {
    case VARINT:
        return read_varint(in, &field->value) < 0 ? -1 : 1;
    case FIXED32:
    case FIXED64:
        size = (key & 7) == FIXED32 ? 4 : 8;
        break;
    case BYTES:
        if (read_varint(in, &size) < 0)
            return -1;
        break;
    default:
        return -1;
    }
    field->type = key & 7;
    if (size > (uint64_t)(in->end - in->at))
        return -1;
    field->bytes = (struct bytes){in->at, in->at + size};
    in->at += size;
    for (uint64_t i = 0; field->type != BYTES && i < size; i++)
        field->value |= (uint64_t)field->bytes.at[i] << 8 * i;
    return 1;
}

/* What the file says, with the defaults of SentencePiece. */
struct model {
    struct scored_piece *pieces;
    size_t count, room;
    uint64_t model_type;
    bool byte_fallback, space_is_suffix;
    bool dummy_prefix, remove_extra_spaces, escape_spaces;
    struct bytes unknown_shown, begin, end;
    struct bytes normalizer; /* its name */
    bool normalizes, denormalizes;
};

/* Called for each field of a message. */
typedef int (*take_field)(const struct reading *reading, struct model *model,
                          const struct field *field);

static int read_message(const struct reading *reading, struct model *model, struct bytes in,
                        take_field take)
{
    struct field field;
    int found;

    while ((found = read_field(&in, &field)) > 0)
        if (take(reading, model, &field) < 0)
            return -1;
    return found < 0 ? refuse(reading, "not a SentencePiece model, or cut short") : 0;
}

static int take_piece_field(const struct reading *reading, struct model *model,
                            const struct field *field)
{
    struct scored_piece *piece = &model->pieces[model->count - 1];
    uint32_t bits = (uint32_t)field->value;

    (void)reading;
    if (field->number == 1 && field->type == BYTES) {
        piece->text = (const char *)field->bytes.at;
        piece->size = (size_t)(field->bytes.end - field->bytes.at);
    } else if (field->number == 2 && field->type == FIXED32) {
        memcpy(&piece->score, &bits, sizeof(bits));
    } else if (field->number == 3 && field->type == VARINT) {
        piece->type = field->value > 255 ? 255 : (int)field->value;
    }
    return 0;
}

static int take_piece(const struct reading *reading, struct model *model, struct bytes in)
{
    if (make_room((void **)&model->pieces, &model->room, model->count, 1, sizeof(*model->pieces)) <
        0)
        return refuse_memory(reading);
    model->pieces[model->count++] = (struct scored_piece){.text = "", .type = PIECE_NORMAL};
    return read_message(reading, model, in, take_piece_field);
}

static int take_training(const struct reading *reading, struct model *model,
                         const struct field *field)
{
    bool varint = field->type == VARINT, bytes = field->type == BYTES;

    (void)reading;
    if (field->number == 3 && varint)
        model->model_type = field->value;
    else if (field->number == 24 && varint)
        model->space_is_suffix = field->value;
    else if (field->number == 35 && varint)
        model->byte_fallback = field->value;
    else if (field->number == 44 && bytes)
        model->unknown_shown = field->bytes;
    else if (field->number == 46 && bytes)
        model->begin = field->bytes;
    else if (field->number == 47 && bytes)
        model->end = field->bytes;
    return 0;
}

static int take_normalizing(const struct reading *reading, struct model *model,
                            const struct field *field)
{
    bool varint = field->type == VARINT, bytes = field->type == BYTES;

    (void)reading;
    if (field->number == 1 && bytes)
        model->normalizer = field->bytes;
    else if (field->number == 2 && bytes)
        model->normalizes = field->bytes.at < field->bytes.end;
    else if (field->number == 3 && varint)
        model->dummy_prefix = field->value;
    else if (field->number == 4 && varint)
        model->remove_extra_spaces = field->value;
    else if (field->number == 5 && varint)
        model->escape_spaces = field->value;
    return 0;
}

static int take_denormalizing(const struct reading *reading, struct model *model,
                              const struct field *field)
{
    (void)reading;
    if (field->number == 2 && field->type == BYTES)
        model->denormalizes = field->bytes.at < field->bytes.end;
    return 0;
}

static int take_field_of_model(const struct reading *reading, struct model *model,
                               const struct field *field)
{
    if (field->type != BYTES)
        return 0;
    switch (field->number) {
    case 1:
        return take_piece(reading, model, field->bytes);
    case 2:
        return read_message(reading, model, field->bytes, take_training);
    case 3:
        return read_message(reading, model, field->bytes, take_normalizing);
    case 5:
        return read_message(reading, model, field->bytes, take_denormalizing);
    default:
        return 0;
    }
}

static int refuse_other_models(const struct reading *reading, const struct model *model)
{
    static const char *const types[] = {"?", "unigram", "BPE", "word", "char"};
    int name = (int)(model->normalizer.end - model->normalizer.at);

    if (!model->count)
        return refuse(reading, "not a SentencePiece model, or one without tokens");
    if (model->model_type != 2)
        return fail(reading->failure, "%s: its model is %s; lwcmem knows BPE", reading->path,
                    types[model->model_type < 5 ? model->model_type : 0]);
    if (model->normalizes || model->denormalizes)
        return fail(reading->failure, "%s: it normalizes by '%.*s'; lwcmem knows identity",
                    reading->path, name < 64 ? name : 64,
                    name ? (const char *)model->normalizer.at : "");
    return 0;
}

/* The control token that is named so, or NO_TOKEN. */
static uint32_t control(const struct tokenizer *tokenizer, struct bytes name)
{
    const struct added_token *token =
        added_find(&tokenizer->added, (const char *)name.at, (size_t)(name.end - name.at));

    return token ? token->id : NO_TOKEN;
}

#define BYTES_OF(text)                                                                             \
    {                                                                                              \
        (const uint8_t *)(text), (const uint8_t *)(text) + sizeof(text) - 1                        \
    }

static int make(const struct reading *reading, struct model *model)
{
    struct tokenizer *tokenizer = reading->tokenizer;
    char *unknown = strndup((const char *)model->unknown_shown.at,
                            (size_t)(model->unknown_shown.end - model->unknown_shown.at));
    int result;

    tokenizer->scored.dummy_prefix = model->dummy_prefix && !model->space_is_suffix;
    tokenizer->scored.dummy_suffix = model->dummy_prefix && model->space_is_suffix;
    tokenizer->scored.remove_extra_spaces = model->remove_extra_spaces;
    tokenizer->scored.escape_spaces = model->escape_spaces;
    tokenizer->decoder.unmark_text = model->dummy_prefix || model->remove_extra_spaces;
    tokenizer->decoder.unmark_all = model->remove_extra_spaces;
    result = unknown
                 ? scored_read(reading, model->pieces, model->count, model->byte_fallback, unknown)
                 : refuse_memory(reading);
    free(unknown);
    if (result < 0)
        return -1;
    tokenizer->begin = control(tokenizer, model->begin);
    tokenizer->end = control(tokenizer, model->end);
    return tokenizer->begin != NO_TOKEN && tokens_add(&tokenizer->before, tokenizer->begin) < 0
               ? refuse_memory(reading)
               : 0;
}

struct tokenizer *tokenizer_from_sentencepiece(const char *data, size_t size, const char *path,
                                               struct failure *failure)
{
    struct reading reading = {tokenizer_empty(), path, failure};
    struct model model = {.model_type = 1,
                          .dummy_prefix = true,
                          .remove_extra_spaces = true,
                          .escape_spaces = true,
                          .unknown_shown = BYTES_OF(" \xe2\x81\x87 "),
                          .begin = BYTES_OF("<s>"),
                          .end = BYTES_OF("</s>")};
    struct bytes in = {(const uint8_t *)data, (const uint8_t *)data + size};
    int result = -1;

    if (!reading.tokenizer)
        refuse_memory(&reading);
    else if (read_message(&reading, &model, in, take_field_of_model) == 0 &&
             refuse_other_models(&reading, &model) == 0)
        result = make(&reading, &model);
    free(model.pieces);
    if (result == 0)
        return reading.tokenizer;
    tokenizer_free(reading.tokenizer);
    return NULL;
}
