/* SPDX-License-Identifier: BSD-3-Clause */
/* The options of commands that run a model: where it is, and how its weights are used. */
#ifndef LWC_CLI_MODEL_OPTIONS_H
#define LWC_CLI_MODEL_OPTIONS_H

#include "engine/engine.h"

#include <getopt.h>

struct model_options {
    const char *path;
    const char *base;
    enum weights_backend backend;
    bool hugepages;
    uint64_t memory; /* 0: any */
    uint32_t isa;    /* 0: LWCMEM_ISA, or all */
    unsigned int threads;
    enum kv_type kv;
};

struct model {
    struct weights *weights;
    struct engine *engine;
};

/* Entries for getopt_long, and -j for its short options. */
#define MODEL_OPTIONS                                                                              \
    {"threads", required_argument, NULL, 'j'}, {"backend", required_argument, NULL, 'b'},          \
        {"isa", required_argument, NULL, 'i'}, {"base", required_argument, NULL, 'B'},             \
        {"hugepages", no_argument, NULL, 'H'}, {"memory", required_argument, NULL, 'M'},           \
    {                                                                                              \
        "kv", required_argument, NULL, 'k'                                                         \
    }

#define MODEL_USAGE                                                                                \
    "[-j N] [--backend auto|fused|user|kmod] [--isa auto|scalar|avx2|avx512]\n"                    \
    "           [--base BASE.lwc] [--memory SIZE] [--hugepages] [--kv fp32|fp16]"

#define MODEL_HELP                                                                                 \
    "-j N            threads (default: all CPUs of this process)\n"                                \
    "--backend B     of a container: fused (default) decodes in registers, user decodes\n"         \
    "                ahead into buffers, kmod reads decoded tiles ahead from the kernel\n"         \
    "                module: insmod lwcmem.ko first (LWCMEM_DEVICE: instead of /dev/lwcmem)\n"     \
    "--memory SIZE   bytes, or 512M, 2G: what the weights of a container, keys and values and\n"   \
    "                activations may take. A model that is larger flows through memory in\n"       \
    "                every pass, read past the page cache by the backends kmod or user.\n"         \
    "                Not counted: the program, the tokenizer, a base, what the kernel holds\n"     \
    "--base BASE.lwc the container that MODEL was packed against, if it was\n"                     \
    "--hugepages     weights from huge pages: of a container those that the kernel module "        \
    "shares\n"                                                                                     \
    "                with all processes; else, and of plain files, a copy for this one\n"          \
    "--isa I         instructions to use (default: the fastest; wins over LWCMEM_ISA)\n"           \
    "--kv fp32|fp16  how keys and values are kept (default: fp32); fp16 takes half the memory,\n"  \
    "                and its results are the same bits everywhere, but others than those of "      \
    "fp32\n"

void model_options_init(struct model_options *options);

/*
 * Take an option that getopt_long found. 1 taken; 0 not one of these; -1 with a message about its
 * argument.
 */
int model_option(struct model_options *options, int option, struct failure *failure);

/* What does not go together: 0, or -1 with a message for cli_usage. */
int model_options_check(const struct model_options *options, struct failure *failure);

/* Open what options->path names. 0, or -1 with a message; to be closed in both cases. */
int model_open(const struct model_options *options, struct model *model, struct failure *failure);
void model_close(struct model *model);

/* A whole number from 1 to 2^24, a real one from 0 to max: 0, or -1. */
int parse_count(const char *text, uint32_t *out);
int parse_real(const char *text, float max, float *out);

#endif
