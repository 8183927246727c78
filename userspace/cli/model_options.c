/* SPDX-License-Identifier: BSD-3-Clause */
#include "model_options.h"
#include "cli.h"
#include "codec/cpu.h"
#include "container/decoder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void model_options_init(struct model_options *options)
{
    *options = (struct model_options){.auto_backend = true, .threads = cli_default_threads()};
}

int parse_count(const char *text, uint32_t *out)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (!*text || *end || *text == '-' || value < 1 || value > 1u << 24)
        return -1;
    *out = (uint32_t)value;
    return 0;
}

int parse_real(const char *text, float max, float *out)
{
    char *end;
    float value = strtof(text, &end);

    if (!*text || *end || !(value >= 0 && value <= max))
        return -1;
    *out = value;
    return 0;
}

/* --isa names what must be used: an ISA that the CPU lacks is an error. */
static int parse_isa(const char *text, uint32_t *mask, struct failure *failure)
{
    u32 allowed;

    if (strcmp(text, "auto") == 0) {
        *mask = LWC_ISA_ALL;
        return 1;
    }
    if (strcmp(text, "bmi2") == 0 || decoder_isa_mask(text, &allowed) < 0)
        return fail(failure, "--isa is auto, scalar, avx2 or avx512");
    *mask = allowed;
    if (strcmp(kernels_select(allowed & lwc_cpu_isa())->name, text))
        return fail(failure, "--isa %s: this CPU does not have it", text);
    return 1;
}

static int parse_backend(const char *text, struct model_options *options, struct failure *failure)
{
    static const char *const names[] = {
        [WEIGHTS_FUSED] = "fused", [WEIGHTS_USER] = "user", [WEIGHTS_KMOD] = "kmod"};

    options->auto_backend = strcmp(text, "auto") == 0;
    options->backend = WEIGHTS_FUSED;
    if (options->auto_backend)
        return 1;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(text, names[i]) == 0) {
            options->backend = (enum weights_backend)i;
            return 1;
        }
    return fail(failure, "--backend is auto, fused, user or kmod");
}

int model_option(struct model_options *options, int option, struct failure *failure)
{
    switch (option) {
    case 'j':
        options->threads = cli_threads(optarg);
        return options->threads ? 1 : fail(failure, "-j is a number of threads, 1 to 1024");
    case 'i':
        return parse_isa(optarg, &options->isa, failure);
    case 'b':
        return parse_backend(optarg, options, failure);
    case 'k':
        options->kv = strcmp(optarg, "fp16") == 0 ? KV_F16 : KV_F32;
        return options->kv == KV_F16 || strcmp(optarg, "fp32") == 0
                   ? 1
                   : fail(failure, "--kv is fp32 or fp16");
    case 'B':
        options->base = optarg;
        return 1;
    case 'H':
        options->hugepages = true;
        return 1;
    default:
        return 0;
    }
}

int model_options_check(const struct model_options *options, struct failure *failure)
{
    if (options->hugepages && options->backend != WEIGHTS_FUSED)
        return fail(failure, "--hugepages is for the backend fused");
    return 0;
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

static struct weights *open_weights(const struct model_options *options, uint32_t isa,
                                    struct failure *failure)
{
    const struct kernels *kernels = kernels_select(isa);
    struct stat status;
    bool directory;
    int gguf = 0;

    if (stat(options->path, &status) < 0) {
        fail_errno(failure, errno, "%s: cannot read the model", options->path);
        return NULL;
    }
    directory = S_ISDIR(status.st_mode);
    if (!directory)
        gguf = is_gguf(options->path, failure);
    if (gguf < 0)
        return NULL;
    if (!directory && !gguf)
        return weights_open_container(options->path, options->base, options->backend,
                                      options->hugepages, isa, options->threads, kernels, failure);
    if (options->auto_backend)
        return gguf ? weights_open_gguf(options->path, options->hugepages, kernels, failure)
                    : weights_open_plain(options->path, options->hugepages, kernels, failure);
    fail(failure,
         "%s: a plain model has no backends; pack it first, or leave --backend out",
         options->path);
    return NULL;
}

int model_open(const struct model_options *options, struct model *model, struct failure *failure)
{
    uint32_t mask = options->isa;

    *model = (struct model){NULL, NULL};
    if (!mask && decoder_isa_mask(getenv("LWCMEM_ISA") ? getenv("LWCMEM_ISA") : "auto", &mask) < 0)
        return fail(failure, "LWCMEM_ISA is not auto, scalar, bmi2, avx2 or avx512");
    model->weights = open_weights(options, mask & lwc_cpu_isa(), failure);
    if (!model->weights)
        return -1;
    model->engine = engine_open(model->weights, options->threads, options->kv, failure);
    return model->engine ? 0 : -1;
}

void model_close(struct model *model)
{
    engine_close(model->engine);
    if (model->weights)
        model->weights->ops->close(model->weights);
}
