/* SPDX-License-Identifier: BSD-3-Clause */
/* lwcmem run: text from a model. */
#include "chat.h"
#include "cli.h"
#include "model_options.h"
#include "run_json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROMPTS_MAX 64

struct options {
    struct model_options model;
    const char *prompts[PROMPTS_MAX];
    size_t prompt_count;
    const char *logits;
    const char *system;
    bool json;
    bool chat;
    bool interactive;
    struct generate_options generate;
};

/* Where new tokens go. */
struct output {
    const struct options *options;
    struct weights *weights;
    bool noted;
    FILE *logits[PROMPTS_MAX];
    struct run_text texts[PROMPTS_MAX];
    struct decoding *answers[PROMPTS_MAX]; /* with --chat, what gives the text of tokens */
};

static int keep_text(struct run_text *text, const char *piece, size_t size, struct failure *failure)
{
    if (text->size + size + 1 > text->capacity) {
        size_t capacity = 2 * (text->size + size + 1);
        char *grown = realloc(text->text, capacity);

        if (!grown)
            return fail(failure, "out of memory for the text");
        text->text = grown;
        text->capacity = capacity;
    }
    memcpy(text->text + text->size, piece, size);
    text->size += size;
    text->text[text->size] = 0;
    return 0;
}

/* Once, a line for each: by now the weights know whether something is in their way. */
static void say_notice(struct output *output)
{
    const struct weights_ops *ops = output->weights->ops;
    const char *notice = ops->notice && !output->noted ? ops->notice(output->weights) : NULL;

    while (notice && *notice) {
        size_t length = strcspn(notice, "\n");

        fprintf(stderr, "lwcmem: %.*s\n", (int)length, notice);
        notice += length + (notice[length] == '\n');
    }
    output->noted = true;
}

static int put_text(struct output *output, size_t text, const char *piece, size_t size,
                    struct failure *failure)
{
    if (output->options->json || output->options->prompt_count > 1)
        return keep_text(&output->texts[text], piece, size, failure);
    if (fwrite(piece, 1, size, stdout) != size || fflush(stdout))
        return fail_errno(failure, errno, "cannot write the text");
    return 0;
}

static int take_token(void *context, size_t text, uint32_t token, const char *piece, size_t size,
                      const float *logits, uint32_t vocabulary, struct failure *failure)
{
    struct output *output = context;

    say_notice(output);
    if (cli_interrupted())
        return fail(failure, "interrupted");
    if (output->logits[text] &&
        fwrite(logits, sizeof(*logits), vocabulary, output->logits[text]) != vocabulary)
        return fail_errno(failure, errno, "%s: cannot write", output->options->logits);
    if (json_array_append_new(output->texts[text].ids, json_integer(token)) < 0)
        return fail(failure, "out of memory for the tokens");
    if (output->answers[text] &&
        decoding_add(output->answers[text], token, &piece, &size, failure) < 0)
        return -1;
    return put_text(output, text, piece, size, failure);
}

/* What the last tokens of answers leave. */
static int end_answers(struct output *output, struct failure *failure)
{
    const char *piece;
    size_t size;

    for (size_t i = 0; i < output->options->prompt_count; i++)
        if (output->answers[i] && (decoding_end(output->answers[i], &piece, &size, failure) < 0 ||
                                   put_text(output, i, piece, size, failure) < 0))
            return -1;
    return 0;
}

/* Of the second text and those behind it, the file has a number: FILE, FILE.2, FILE.3. */
static char *logits_path(const struct options *options, size_t text)
{
    char *path;

    if (text == 0)
        return strdup(options->logits);
    return asprintf(&path, "%s.%zu", options->logits, text + 1) < 0 ? NULL : path;
}

static int open_logits(struct output *output, struct failure *failure)
{
    for (size_t i = 0; output->options->logits && i < output->options->prompt_count; i++) {
        char *path = logits_path(output->options, i);

        if (!path)
            return fail(failure, "out of memory for the name of a file");
        output->logits[i] = fopen(path, "wb");
        if (!output->logits[i])
            fail_errno(failure, errno, "%s: cannot write", path);
        free(path);
        if (!output->logits[i])
            return -1;
    }
    return 0;
}

/* What was written of a run that failed goes. */
static int close_logits(struct output *output, int status, struct failure *failure)
{
    for (size_t i = 0; i < output->options->prompt_count; i++) {
        char *path = output->logits[i] ? logits_path(output->options, i) : NULL;

        if (output->logits[i] && fclose(output->logits[i]) && status == 0)
            status = fail_errno(failure, errno, "%s: cannot write", output->options->logits);
        if (status < 0 && path)
            remove(path);
        free(path);
    }
    return status;
}

static void print_texts(const struct output *output, const struct generate_result *result)
{
    const struct options *options = output->options;
    size_t made = result->step_tokens;

    for (size_t i = 0; options->prompt_count > 1 && i < options->prompt_count; i++)
        printf("%s[%zu] %s%.*s\n", i ? "\n" : "", i + 1, options->prompts[i],
               (int)output->texts[i].size, output->texts[i].size ? output->texts[i].text : "");
    if (options->prompt_count == 1)
        putchar('\n');
    fflush(stdout);
    for (size_t i = 0; i < options->prompt_count; i++)
        made += json_array_size(output->texts[i].ids) > 0;
    fprintf(stderr, "prompt %zu tokens at %.1f/s, text %zu tokens at %.1f/s; %s, %s, %u threads\n",
            result->prompt_tokens, run_rate(result->prompt_tokens, result->prompt_seconds), made,
            run_rate(result->step_tokens, result->step_seconds), output->weights->backend,
            output->weights->kernels->name, options->model.threads);
}

static int generate_texts(struct output *output, struct engine *engine, struct generate_text *texts,
                          struct failure *failure)
{
    const struct options *options = output->options;
    struct generate_sink sink = {take_token, output};
    struct generate_result result;
    int status = open_logits(output, failure);

    if (status == 0)
        status = generate(engine, texts, options->prompt_count, &options->generate, &sink, &result,
                          failure);
    if (status == 0)
        status = end_answers(output, failure);
    status = close_logits(output, status, failure);
    if (status == 0 && options->json)
        return run_json_print(output->weights, texts, output->texts, options->prompt_count, &result,
                              failure);
    if (status == 0)
        print_texts(output, &result);
    return status;
}

/* Tokens of a prompt, with a chat of the conversation that it begins. */
static int encode_prompt(const struct options *options, struct engine *engine,
                         const struct chat *chat, size_t at, uint32_t **tokens, size_t *count,
                         struct failure *failure)
{
    const char *prompt = options->prompts[at];
    json_t *messages;
    int status;

    if (!chat)
        return tokenizer_encode(engine->tokenizer, prompt, strlen(prompt), true, true, tokens,
                                count, failure);
    messages = chat_messages(options->system, prompt, failure);
    status = messages ? chat_encode(chat, messages, tokens, count, failure) : -1;
    json_decref(messages);
    return status;
}

static int run_prompts(const struct options *options, struct engine *engine,
                       const struct chat *chat, struct failure *failure)
{
    struct output output = {.options = options, .weights = engine->weights};
    struct generate_text texts[PROMPTS_MAX] = {{0}};
    uint32_t *prompts[PROMPTS_MAX] = {0};
    int status = 0;

    for (size_t i = 0; i < options->prompt_count; i++)
        output.texts[i].ids = json_array();
    for (size_t i = 0; status == 0 && i < options->prompt_count; i++) {
        status =
            encode_prompt(options, engine, chat, i, &prompts[i], &texts[i].prompt_count, failure);
        texts[i].prompt = prompts[i];
        if (status == 0 && chat && !(output.answers[i] = decoding_new(engine->tokenizer, failure)))
            status = -1;
    }
    if (status == 0)
        status = generate_texts(&output, engine, texts, failure);
    for (size_t i = 0; i < options->prompt_count; i++) {
        json_decref(output.texts[i].ids);
        free(output.texts[i].text);
        free(prompts[i]);
        decoding_free(output.answers[i]);
    }
    return status;
}

static int run_engine(const struct options *options, struct engine *engine, struct failure *failure)
{
    const struct chat_options interactive = {options->system, &options->generate};
    struct chat *chat = NULL;
    int status = 0;

    transformer_set_stop(engine->transformer, cli_interrupted);
    if (options->chat || options->interactive)
        status = chat_open(engine, &chat, failure);
    if (status == 0 && (options->chat || (options->system && !chat && options->interactive)))
        status = fail(failure, "%s: no chat template; leave --chat and --system out",
                      options->model.path);
    if (status >= 0)
        status = options->interactive ? chat_interactive(engine, chat, &interactive, failure)
                                      : run_prompts(options, engine, chat, failure);
    chat_close(chat);
    return status;
}

static int run_model(const struct options *options, struct failure *failure)
{
    struct model model;
    int status;

    /* a conversation waits for signals while it waits for input: they must not go elsewhere */
    if (options->interactive)
        cli_hold_signals(true);
    status = model_open(&options->model, &model, failure);
    if (options->interactive)
        cli_hold_signals(false);
    if (status == 0)
        status = run_engine(options, model.engine, failure);
    model_close(&model);
    if (status == 0)
        cli_note_base(options->model.path, options->model.base);
    return status;
}

static int parse_seed(const char *text, uint64_t *out)
{
    char *end;

    *out = strtoull(text, &end, 0);
    return *text && !*end && *text != '-' ? 0 : -1;
}

/* What is wrong with the option's argument, or NULL. */
static const char *take_option(int option, struct options *options, struct failure *failure)
{
    struct generate_options *generate = &options->generate;

    switch (option) {
    case 'p':
        if (options->prompt_count == PROMPTS_MAX)
            return "too many prompts";
        options->prompts[options->prompt_count++] = optarg;
        return NULL;
    case 'n':
        return parse_count(optarg, &generate->tokens) < 0 ? "-n is a number of tokens" : NULL;
    case 'c':
        return parse_count(optarg, &generate->context) < 0 ? "-c is a number of tokens" : NULL;
    case 't':
        return parse_real(optarg, 100, &generate->sampling.temperature) < 0
                   ? "--temp is a number from 0 to 100"
                   : NULL;
    case 'P':
        return parse_real(optarg, 1, &generate->sampling.top_p) < 0
                   ? "--top-p is a number from 0 to 1"
                   : NULL;
    case 'K':
        return parse_count(optarg, &generate->sampling.top_k) < 0 ? "--top-k is a number of tokens"
                                                                  : NULL;
    case 's':
        return parse_seed(optarg, &generate->sampling.seed) < 0 ? "--seed is a whole number" : NULL;
    case 'l':
        options->logits = optarg;
        return NULL;
    case 'J':
        options->json = true;
        return NULL;
    case 'C':
        options->chat = true;
        return NULL;
    case 'I':
        options->interactive = true;
        return NULL;
    case 'S':
        options->system = optarg;
        return NULL;
    default:
        return model_option(&options->model, option, failure) < 0 ? failure->text : NULL;
    }
}

/* What is wrong with the options together, or NULL. */
static const char *check_options(const struct options *options)
{
    if (options->interactive && (options->prompt_count || options->json || options->logits))
        return "--interactive takes neither -p nor --json nor --logits";
    if (!options->interactive && !options->prompt_count)
        return "give one MODEL and -p PROMPT, or --interactive";
    if (options->system && !options->chat && !options->interactive)
        return "--system is for --chat and --interactive";
    return NULL;
}

static int run(int argc, char **argv)
{
    static const struct option names[] = {
        {"prompt", required_argument, NULL, 'p'},
        {"temp", required_argument, NULL, 't'},
        {"top-p", required_argument, NULL, 'P'},
        {"top-k", required_argument, NULL, 'K'},
        {"seed", required_argument, NULL, 's'},
        {"context", required_argument, NULL, 'c'},
        {"logits", required_argument, NULL, 'l'},
        {"json", no_argument, NULL, 'J'},
        {"chat", no_argument, NULL, 'C'},
        {"interactive", no_argument, NULL, 'I'},
        {"system", required_argument, NULL, 'S'},
        {"help", no_argument, NULL, 'h'},
        MODEL_OPTIONS,
        {NULL, 0, NULL, 0},
    };
    struct options options = {.generate = {.tokens = 128, .sampling = {.top_p = 1}}};
    struct failure failure;
    int option;

    model_options_init(&options.model);
    while ((option = getopt_long(argc, argv, "p:n:c:j:h", names, NULL)) != -1) {
        const char *problem;

        if (option == 'h')
            return cli_help(&command_run);
        if (option == '?')
            return cli_usage(&command_run, NULL);
        problem = take_option(option, &options, &failure);
        if (problem)
            return cli_usage(&command_run, problem);
    }
    if (argc - optind != 1)
        return cli_usage(&command_run, "give one MODEL");
    if (check_options(&options))
        return cli_usage(&command_run, check_options(&options));
    if (model_options_check(&options.model, &failure) < 0)
        return cli_usage(&command_run, failure.text);
    options.model.path = argv[optind];
    return run_model(&options, &failure) < 0 ? cli_failed(&failure) : EXIT_DONE;
}

const struct command command_run = {
    .name = "run",
    .usage =
        "MODEL -p PROMPT...|--interactive [-n N] [--temp T] [--top-p P] [--top-k K] [--seed S]\n"
        "           [-c CONTEXT] " MODEL_USAGE "\n"
        "           [--logits FILE] [--json] [--chat] [--system TEXT]",
    .summary = "continue texts with a model of the Llama, Mistral or Qwen families",
    .help =
        "MODEL           a HuggingFace directory, a GGUF file, or a container of either\n"
        "-p PROMPT       a text to continue; several are continued together, each as if alone\n"
        "-n N            at most N new tokens (default: 128)\n"
        "--temp T        sample with this temperature; 0 (default) takes the most likely token\n"
        "--top-p P       sample from the most likely tokens with this share (default: 1)\n"
        "--top-k K       sample from the K most likely tokens (default: all)\n"
        "--seed S        of the sampling (default: 0)\n"
        "-c CONTEXT      positions to keep (default: as many as the model has)\n" MODEL_HELP
        "--logits FILE   write the logits of each new token: little-endian fp32; of further\n"
        "                prompts to FILE.2, FILE.3, ...\n"
        "--json          for scripts\n"
        "--chat          PROMPT is a message to the model, by the chat template among its files;\n"
        "                the answer is printed\n"
        "--interactive   a conversation: a line of standard input is a message (without a\n"
        "                template: a text to continue); /reset begins anew, /exit ends,\n"
        "                Ctrl-C ends an answer; if the context is full, the oldest turns go\n"
        "--system TEXT   what the model is told before the conversation\n",
    .run = run,
};
