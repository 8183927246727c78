/* SPDX-License-Identifier: BSD-3-Clause */
/* lwcmem run: text from a model. */
#include "cli.h"
#include "container/decoder.h"
#include "engine/generate.h"
#include "codec/cpu.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct options {
    const char *model;
    const char *base;
    const char *logits;
    bool json;
    uint32_t isa;
    bool auto_backend;
    bool hugepages;
    enum weights_backend backend;
    struct generate_options generate;
};

/* Where new tokens go. */
struct output {
    const struct options *options;
    struct weights *weights;
    bool noted;
    FILE *logits;
    json_t *ids;
    char *text;
    size_t size;
    size_t capacity;
};

static int keep_text(struct output *output, const char *piece, size_t size, struct failure *failure)
{
    if (output->size + size + 1 > output->capacity) {
        size_t capacity = 2 * (output->size + size + 1);
        char *grown = realloc(output->text, capacity);

        if (!grown)
            return fail(failure, "out of memory for the text");
        output->text = grown;
        output->capacity = capacity;
    }
    memcpy(output->text + output->size, piece, size);
    output->size += size;
    output->text[output->size] = 0;
    return 0;
}

/* Once: by now the weights know whether something is in their way. */
static void say_notice(struct output *output)
{
    const struct weights_ops *ops = output->weights->ops;
    const char *notice = ops->notice && !output->noted ? ops->notice(output->weights) : NULL;

    if (notice)
        fprintf(stderr, "lwcmem: %s\n", notice);
    output->noted = true;
}

static int take_token(void *context, uint32_t token, const char *piece, size_t size,
                      const float *logits, uint32_t vocabulary, struct failure *failure)
{
    struct output *output = context;

    say_notice(output);
    if (cli_interrupted())
        return fail(failure, "interrupted");
    if (output->logits && fwrite(logits, sizeof(*logits), vocabulary, output->logits) != vocabulary)
        return fail_errno(failure, errno, "%s: cannot write", output->options->logits);
    if (json_array_append_new(output->ids, json_integer(token)) < 0)
        return fail(failure, "out of memory for the tokens");
    if (output->options->json)
        return keep_text(output, piece, size, failure);
    if (fwrite(piece, 1, size, stdout) != size || fflush(stdout))
        return fail_errno(failure, errno, "cannot write the text");
    return 0;
}

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

static double per_second(size_t count, double seconds)
{
    return seconds > 0 ? (double)count / seconds : 0;
}

static int add_counters(json_t *root, struct weights *weights)
{
    struct weight_counters counters;

    if (!weights->ops->counters)
        return 0;
    weights->ops->counters(weights, &counters);
    return json_object_set_new(
        root, "counters",
        json_pack(
            "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "rows_fused",
            (json_int_t)counters.rows_fused, "rows_eligible", (json_int_t)counters.rows_eligible,
            "rows_buffered", (json_int_t)counters.rows_buffered, "tiles_decoded",
            (json_int_t)counters.tiles_decoded, "bytes_ring", (json_int_t)counters.bytes_ring,
            "bytes_kernel", (json_int_t)counters.bytes_kernel, "bytes_fixed",
            (json_int_t)counters.bytes_fixed, "bytes_direct", (json_int_t)counters.bytes_direct));
}

static int add_region(json_t *root, struct weights *weights, struct failure *failure)
{
    struct weight_region region;
    int found = weights->ops->region ? weights->ops->region(weights, &region, failure) : 0;

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

static int print_json(const struct output *output, struct weights *weights,
                      const struct generate_result *result, struct failure *failure)
{
    json_t *prompt = json_array(), *root;
    int status;

    for (size_t i = 0; i < result->prompt_count; i++)
        json_array_append_new(prompt, json_integer(result->prompt_tokens[i]));
    root = json_pack("{s:o, s:O, s:o, s:f, s:f, s:s, s:s, s:s}", "text",
                     text_json(output->size ? output->text : "", output->size), "token_ids",
                     output->ids, "prompt_token_ids", prompt, "prompt_tokens_per_s",
                     per_second(result->prompt_count, result->prompt_seconds), "tokens_per_s",
                     per_second(result->new_count ? result->new_count - 1 : 0, result->new_seconds),
                     "backend", weights->backend, "isa", weights->kernels->name, "structure",
                     weights->structure);
    if (!root || add_counters(root, weights) < 0) {
        json_decref(root);
        return fail(failure, "out of memory for the result");
    }
    if (add_region(root, weights, failure) < 0) {
        json_decref(root);
        return -1;
    }
    status = json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(root);
    return status < 0 || fflush(stdout) ? fail(failure, "cannot write the result") : 0;
}

static void print_rates(const struct weights *weights, const struct options *options,
                        const struct generate_result *result)
{
    fprintf(stderr,
            "\nprompt %zu tokens at %.1f/s, text %zu tokens at %.1f/s; %s, %s, %u threads\n",
            result->prompt_count, per_second(result->prompt_count, result->prompt_seconds),
            result->new_count,
            per_second(result->new_count ? result->new_count - 1 : 0, result->new_seconds),
            weights->backend, weights->kernels->name, options->generate.threads);
}

static int run_model(struct weights *weights, const struct options *options,
                     struct failure *failure)
{
    struct output output = {.options = options, .weights = weights, .ids = json_array()};
    struct generate_sink sink = {take_token, &output};
    struct generate_result result = {0};
    int status = -1;

    if (options->logits && !(output.logits = fopen(options->logits, "wb")))
        fail_errno(failure, errno, "%s: cannot write", options->logits);
    else
        status = generate(weights, &options->generate, &sink, &result, failure);
    if (output.logits && fclose(output.logits) && status == 0)
        status = fail_errno(failure, errno, "%s: cannot write", options->logits);
    if (status < 0 && output.logits)
        remove(options->logits);
    if (status == 0 && options->json)
        status = print_json(&output, weights, &result, failure);
    else if (status == 0)
        print_rates(weights, options, &result);
    generate_result_free(&result);
    json_decref(output.ids);
    free(output.text);
    return status;
}

/* A GGUF file by its first bytes, whatever its name: 1; 0 for others; -1. */
static int is_gguf(const char *path, struct failure *failure)
{
    FILE *file = fopen(path, "rbe");
    char magic[4] = {0};
    bool failed = !file;

    if (file && fread(magic, 1, sizeof(magic), file) < sizeof(magic))
        failed = ferror(file);
    if (failed)
        fail_errno(failure, errno, "%s: cannot read the model", path);
    if (file)
        fclose(file);
    return failed ? -1 : memcmp(magic, "GGUF", sizeof(magic)) == 0;
}

static struct weights *open_weights(const struct options *options, uint32_t isa,
                                    const struct kernels *kernels, struct failure *failure)
{
    struct stat status;
    int gguf = 0;

    if (stat(options->model, &status) < 0) {
        fail_errno(failure, errno, "%s: cannot read the model", options->model);
        return NULL;
    }
    if (!S_ISDIR(status.st_mode))
        gguf = is_gguf(options->model, failure);
    if (gguf < 0)
        return NULL;
    if (!S_ISDIR(status.st_mode) && !gguf)
        return weights_open_container(options->model, options->base, options->backend,
                                      options->hugepages, isa, options->generate.threads, kernels,
                                      failure);
    if (options->auto_backend && !options->hugepages)
        return gguf ? weights_open_gguf(options->model, kernels, failure)
                    : weights_open_plain(options->model, kernels, failure);
    fail(failure,
         "%s: a plain model has no backends; pack it first, or leave --backend and --hugepages out",
         options->model);
    return NULL;
}

static int run_path(const struct options *options, struct failure *failure)
{
    const struct kernels *kernels;
    struct weights *weights;
    uint32_t mask = options->isa;
    int status;

    if (!mask && decoder_isa_mask(getenv("LWCMEM_ISA") ? getenv("LWCMEM_ISA") : "auto", &mask) < 0)
        return fail(failure, "LWCMEM_ISA is not auto, scalar, bmi2, avx2 or avx512");
    kernels = kernels_select(mask & lwc_cpu_isa());
    weights = open_weights(options, mask & lwc_cpu_isa(), kernels, failure);
    if (!weights)
        return -1;
    status = run_model(weights, options, failure);
    weights->ops->close(weights);
    if (status == 0)
        cli_note_base(options->model, options->base);
    return status;
}

/* --isa names what must be used: an ISA that the CPU lacks is an error. */
static int parse_isa(const char *text, uint32_t *mask, struct failure *failure)
{
    u32 allowed;

    if (strcmp(text, "auto") == 0) {
        *mask = LWC_ISA_ALL;
        return 0;
    }
    if (strcmp(text, "bmi2") == 0 || decoder_isa_mask(text, &allowed) < 0)
        return fail(failure, "--isa is auto, scalar, avx2 or avx512");
    *mask = allowed;
    if (strcmp(kernels_select(allowed & lwc_cpu_isa())->name, text))
        return fail(failure, "--isa %s: this CPU does not have it", text);
    return 0;
}

static int parse_backend(const char *text, struct options *options)
{
    static const char *const names[] = {
        [WEIGHTS_FUSED] = "fused", [WEIGHTS_USER] = "user", [WEIGHTS_KMOD] = "kmod"};

    options->auto_backend = strcmp(text, "auto") == 0;
    options->backend = WEIGHTS_FUSED;
    if (options->auto_backend)
        return 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(text, names[i]) == 0) {
            options->backend = (enum weights_backend)i;
            return 0;
        }
    return -1;
}

static int parse_count(const char *text, uint32_t *out)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (!*text || *end || *text == '-' || value < 1 || value > 1u << 24)
        return -1;
    *out = (uint32_t)value;
    return 0;
}

static int parse_real(const char *text, float max, float *out)
{
    char *end;
    float value = strtof(text, &end);

    if (!*text || *end || !(value >= 0 && value <= max))
        return -1;
    *out = value;
    return 0;
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
        generate->prompt = optarg;
        return NULL;
    case 'n':
        return parse_count(optarg, &generate->tokens) < 0 ? "-n is a number of tokens" : NULL;
    case 'c':
        return parse_count(optarg, &generate->context) < 0 ? "-c is a number of tokens" : NULL;
    case 'j':
        generate->threads = cli_threads(optarg);
        return generate->threads ? NULL : "-j is a number of threads, 1 to 1024";
    case 't':
        return parse_real(optarg, 100, &generate->sampling.temperature) < 0
                   ? "--temp is a number from 0 to 100"
                   : NULL;
    case 'P':
        return parse_real(optarg, 1, &generate->sampling.top_p) < 0
                   ? "--top-p is a number from 0 to 1"
                   : NULL;
    case 's':
        return parse_seed(optarg, &generate->sampling.seed) < 0 ? "--seed is a whole number" : NULL;
    case 'i':
        return parse_isa(optarg, &options->isa, failure) < 0 ? failure->text : NULL;
    case 'b':
        return parse_backend(optarg, options) < 0 ? "--backend is auto, fused, user or kmod" : NULL;
    case 'B':
        options->base = optarg;
        return NULL;
    case 'H':
        options->hugepages = true;
        return NULL;
    case 'l':
        options->logits = optarg;
        return NULL;
    default:
        options->json = true;
        return NULL;
    }
}

static int run(int argc, char **argv)
{
    static const struct option names[] = {
        {"prompt", required_argument, NULL, 'p'},  {"temp", required_argument, NULL, 't'},
        {"top-p", required_argument, NULL, 'P'},   {"seed", required_argument, NULL, 's'},
        {"context", required_argument, NULL, 'c'}, {"threads", required_argument, NULL, 'j'},
        {"isa", required_argument, NULL, 'i'},     {"logits", required_argument, NULL, 'l'},
        {"backend", required_argument, NULL, 'b'}, {"base", required_argument, NULL, 'B'},
        {"hugepages", no_argument, NULL, 'H'},     {"json", no_argument, NULL, 'J'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    struct options options = {
        .auto_backend = true,
        .generate = {.tokens = 128, .threads = cli_default_threads(), .sampling = {.top_p = 1}}};
    struct failure failure;
    int option;

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
    if (argc - optind != 1 || !options.generate.prompt)
        return cli_usage(&command_run, "give one MODEL and -p PROMPT");
    if (options.hugepages && options.backend != WEIGHTS_FUSED)
        return cli_usage(&command_run, "--hugepages is for the backend fused");
    options.model = argv[optind];
    return run_path(&options, &failure) < 0 ? cli_failed(&failure) : EXIT_DONE;
}

const struct command command_run = {
    .name = "run",
    .usage = "MODEL -p PROMPT [-n N] [--temp T] [--top-p P] [--seed S] [-c CONTEXT]\n"
             "           [-j N] [--backend auto|fused|user|kmod] [--isa auto|scalar|avx2|avx512]\n"
             "           [--base BASE.lwc] [--hugepages] [--logits FILE] [--json]",
    .summary = "continue a text with a model of the Llama family",
    .help =
        "MODEL           a HuggingFace directory, a GGUF file, or a container of either\n"
        "-p PROMPT       the text to continue\n"
        "-n N            at most N new tokens (default: 128)\n"
        "--temp T        sample with this temperature; 0 (default) takes the most likely token\n"
        "--top-p P       sample from the most likely tokens with this share (default: 1)\n"
        "--seed S        of the sampling (default: 0)\n"
        "-c CONTEXT      positions to keep (default: as many as the model has)\n"
        "-j N            threads (default: all CPUs of this process)\n"
        "--backend B     of a container: fused (default) decodes in registers, user decodes\n"
        "                ahead into buffers, kmod reads decoded tiles ahead from the kernel\n"
        "                module: insmod lwcmem.ko first (LWCMEM_DEVICE: instead of /dev/lwcmem)\n"
        "--base BASE.lwc the container that MODEL was packed against, if it was\n"
        "--hugepages     fused: read the container from huge pages, which the kernel module "
        "shares\n"
        "                with all processes; without the module it is copied for this one\n"
        "--isa I         instructions to use (default: the fastest; wins over LWCMEM_ISA)\n"
        "--logits FILE   write the logits of each new token: little-endian fp32\n"
        "--json          for scripts\n",
    .run = run,
};
