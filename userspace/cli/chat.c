/* SPDX-License-Identifier: BSD-3-Clause */
#include "chat.h"
#include "cli.h"
#include "engine/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct conversation {
    struct engine *engine;
    const struct chat *chat;
    const struct chat_options *options;
    json_t *messages;
    struct sequence *sequence;
    uint32_t context;
    struct tokens kept; /* what the sequence has */
    struct sampler *sampler;
    struct decoding *decoding;
    struct text answer;
    uint32_t next; /* the newest token, not yet in the sequence */
};

/* Standard input, line by line. */
struct input {
    struct text text;
    size_t taken; /* bytes of it */
    bool ended;
};

json_t *chat_messages(const char *system, const char *user, struct failure *failure)
{
    json_t *messages = json_array();

    if (!messages)
        fail(failure, "out of memory for the conversation");
    else if ((!system || chat_add(messages, "system", system, strlen(system), failure) == 0) &&
             (!user || chat_add(messages, "user", user, strlen(user), failure) == 0))
        return messages;
    json_decref(messages);
    return NULL;
}

/* The next line without its end. 1, 0 at the end of the input or after a signal, -1. */
static int next_line(struct input *input, const char **line, size_t *size, struct failure *failure)
{
    for (;;) {
        const char *start = input->text.bytes + input->taken;
        size_t left = input->text.size - input->taken;
        const char *end = left ? memchr(start, '\n', left) : NULL;
        char part[4096];
        ssize_t got;

        if (end || (input->ended && left)) {
            *line = start;
            *size = end ? (size_t)(end - start) : left;
            input->taken += *size + (end != NULL);
            return 1;
        }
        if (input->ended || !cli_wait_readable(STDIN_FILENO))
            return 0;
        got = read(STDIN_FILENO, part, sizeof(part));
        if (got < 0)
            return fail_errno(failure, errno, "cannot read the input");
        input->ended = got == 0;
        if (input->taken) {
            memmove(input->text.bytes, start, left);
            input->text.size = left;
            input->taken = 0;
        }
        if (text_add(&input->text, part, (size_t)got) < 0)
            return fail(failure, "out of memory for a line");
    }
}

static int say(struct conversation *conversation, const char *text, size_t size,
               struct failure *failure)
{
    if (text_add(&conversation->answer, text, size) < 0)
        return fail(failure, "out of memory for the answer");
    if (fwrite(text, 1, size, stdout) != size || fflush(stdout))
        return fail_errno(failure, errno, "cannot write the answer");
    return 0;
}

static int take_logits(void *context, size_t step, size_t token, const float *logits,
                       struct failure *failure)
{
    struct conversation *conversation = context;
    const char *text;
    size_t size;

    (void)step, (void)token;
    conversation->next = sampler_next(conversation->sampler, logits);
    return decoding_add(conversation->decoding, conversation->next, &text, &size, failure) < 0
               ? -1
               : say(conversation, text, size, failure);
}

/* These tokens to the sequence; then the next one is known. */
static int feed(struct conversation *conversation, const uint32_t *tokens, size_t count,
                struct failure *failure)
{
    struct step step = {conversation->sequence, tokens, count, 1};
    struct tokens *kept = &conversation->kept;
    size_t before = kept->count;
    int status = 0;

    for (size_t i = 0; status == 0 && i < count; i++)
        if (tokens_add(kept, tokens[i]) < 0)
            status = fail(failure, "out of memory for tokens");
    if (status == 0)
        status = transformer_forward(conversation->engine->transformer, &step, 1, take_logits,
                                     conversation, failure);
    if (status < 0) {
        /* whole parts of it may have got there */
        kept->count = sequence_length(conversation->sequence);
        if (kept->count < before)
            kept->count = before;
        sequence_cut(conversation->sequence, (uint32_t)kept->count);
    }
    return status;
}

static int answer_tokens(struct conversation *conversation, const uint32_t *tokens, size_t count,
                         struct failure *failure)
{
    const struct generate_options *generate = conversation->options->generate;
    int status = feed(conversation, tokens, count, failure);

    for (uint32_t made = 1; status == 0 && made < generate->tokens &&
                            !engine_stops(conversation->engine, conversation->next);
         made++) {
        if (conversation->kept.count == conversation->context) {
            fprintf(stderr, "\nlwcmem: the context of %u tokens is full; the answer ends here",
                    conversation->context);
            return 0;
        }
        if (cli_interrupted())
            return fail(failure, "interrupted");
        status = feed(conversation, &conversation->next, 1, failure);
    }
    return status;
}

/*
 * The answer to these tokens, of which those that the sequence begins with stay in it; Ctrl-C ends
 * the answer, not the conversation.
 */
static int answer(struct conversation *conversation, const uint32_t *tokens, size_t count,
                  struct failure *failure)
{
    struct tokens *kept = &conversation->kept;
    struct sampler *sampler;
    size_t same = 0, size;
    const char *text;
    int status;

    while (same < kept->count && same + 1 < count && kept->ids[same] == tokens[same])
        same++;
    kept->count = same;
    sequence_cut(conversation->sequence, (uint32_t)same);
    conversation->answer.size = 0;
    sampler = sampler_new(&conversation->options->generate->sampling,
                          conversation->engine->weights->kernels,
                          conversation->engine->config.vocabulary, failure);
    if (!sampler)
        return -1;
    sampler_free(conversation->sampler);
    conversation->sampler = sampler;
    status = answer_tokens(conversation, tokens + same, count - same, failure);
    if (status < 0 && cli_interrupted() && cli_forget_interrupt())
        status = 0;
    if (status == 0 && decoding_end(conversation->decoding, &text, &size, failure) == 0)
        status = say(conversation, text, size, failure);
    if (putchar('\n') < 0 || fflush(stdout))
        return fail_errno(failure, errno, "cannot write the answer");
    return status;
}

/* Forget the oldest user's message with what follows it, up to the next one. false: it is the last.
 */
static bool forget_turn(json_t *messages)
{
    size_t first = 0, next;
    const char *role = json_string_value(json_object_get(json_array_get(messages, 0), "role"));

    if (role && strcmp(role, "system") == 0)
        first = 1;
    for (next = first + 1; next < json_array_size(messages); next++) {
        role = json_string_value(json_object_get(json_array_get(messages, next), "role"));
        if (role && strcmp(role, "user") == 0)
            break;
    }
    if (next >= json_array_size(messages))
        return false;
    while (next-- > first)
        json_array_remove(messages, first);
    return true;
}

/* Tokens of the conversation, with room in the context for some of an answer. */
static int encode(struct conversation *conversation, uint32_t **tokens, size_t *count,
                  struct failure *failure)
{
    uint32_t context = conversation->context, least = context / 8;
    size_t forgotten = 0;

    if (least > conversation->options->generate->tokens)
        least = conversation->options->generate->tokens;
    while (chat_encode(conversation->chat, conversation->messages, tokens, count, failure) == 0) {
        if (*count + least <= context && *count) {
            if (forgotten)
                fprintf(stderr,
                        "lwcmem: the context of %u tokens is full; %zu of the oldest turns are "
                        "forgotten\n",
                        context, forgotten);
            return 0;
        }
        free(*tokens);
        *tokens = NULL;
        if (!forget_turn(conversation->messages))
            return fail(failure,
                        "the message has %zu tokens with what belongs to it, too many for the "
                        "context of %u; shorten it or use a larger -c",
                        *count, context);
        forgotten++;
    }
    return -1;
}

/* What cannot be answered is no part of the conversation; -1 for what ends it. */
static int chat_turn(struct conversation *conversation, const char *line, size_t size,
                     struct failure *failure)
{
    json_t *before = json_copy(conversation->messages);
    uint32_t *tokens = NULL;
    size_t count;
    int status;

    if (!before)
        return fail(failure, "out of memory for the conversation");
    status = chat_add(conversation->messages, "user", line, size, failure);
    if (status == 0 && encode(conversation, &tokens, &count, failure) < 0) {
        fprintf(stderr, "lwcmem: %s\n", failure->text);
        json_decref(conversation->messages);
        conversation->messages = before;
        return 0;
    }
    json_decref(before);
    if (status == 0)
        status = answer(conversation, tokens, count, failure);
    free(tokens);
    return status < 0 ? -1
                      : chat_add(conversation->messages, "assistant",
                                 conversation->answer.bytes ? conversation->answer.bytes : "",
                                 conversation->answer.size, failure);
}

/* Without a template: the line behind all that was said, and what follows it. */
static int text_turn(struct conversation *conversation, const char *line, size_t size,
                     struct failure *failure)
{
    struct tokens all = {0};
    uint32_t *tokens = NULL;
    size_t count = 0;
    int status = tokenizer_encode(conversation->engine->tokenizer, line, size,
                                  !conversation->kept.count, true, &tokens, &count, failure);

    for (size_t i = 0; status == 0 && i < conversation->kept.count + count; i++)
        if (tokens_add(&all, i < conversation->kept.count
                                 ? conversation->kept.ids[i]
                                 : tokens[i - conversation->kept.count]) < 0)
            status = fail(failure, "out of memory for tokens");
    if (status == 0 && all.count >= conversation->context)
        fprintf(stderr, "lwcmem: the context of %u tokens is full; /reset begins anew\n",
                conversation->context);
    else if (status == 0 && count)
        status = answer(conversation, all.ids, all.count, failure);
    free(all.ids);
    free(tokens);
    return status;
}

static int reset(struct conversation *conversation, struct failure *failure)
{
    json_t *messages = chat_messages(conversation->options->system, NULL, failure);

    if (!messages)
        return -1;
    json_decref(conversation->messages);
    conversation->messages = messages;
    conversation->kept.count = 0;
    sequence_cut(conversation->sequence, 0);
    return 0;
}

static bool is_command(const char *line, size_t size, const char *name)
{
    return size == strlen(name) && memcmp(line, name, size) == 0;
}

static int converse(struct conversation *conversation, struct failure *failure)
{
    bool prompts = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
    struct input input = {0};
    const char *line;
    size_t size;
    int status = reset(conversation, failure), more = 0;

    while (status == 0) {
        if (prompts)
            fputs("> ", stderr);
        more = next_line(&input, &line, &size, failure);
        if (more <= 0 || is_command(line, size, "/exit"))
            break;
        if (is_command(line, size, "/reset"))
            status = reset(conversation, failure);
        else if (size)
            status =
                (conversation->chat ? chat_turn : text_turn)(conversation, line, size, failure);
    }
    if (prompts && more == 0)
        fputc('\n', stderr);
    text_free(&input.text);
    return more < 0 ? -1 : status;
}

int chat_interactive(struct engine *engine, const struct chat *chat,
                     const struct chat_options *options, struct failure *failure)
{
    struct conversation conversation = {.engine = engine, .chat = chat, .options = options};
    int status = -1;

    if (!chat)
        fprintf(stderr, "lwcmem: %s: no chat template; texts are continued as they are\n",
                engine->weights->path);
    if (engine_context(engine, options->generate->context, &conversation.context, failure) == 0 &&
        (conversation.sequence =
             sequence_new(engine->transformer, conversation.context, failure)) &&
        (conversation.decoding = decoding_new(engine->tokenizer, failure)))
        status = converse(&conversation, failure);
    json_decref(conversation.messages);
    sequence_free(conversation.sequence);
    sampler_free(conversation.sampler);
    decoding_free(conversation.decoding);
    free(conversation.kept.ids);
    text_free(&conversation.answer);
    return status;
}
