/* SPDX-License-Identifier: BSD-3-Clause */
/* The weights of a model for programs that tests run. */
#ifndef LWC_TESTS_OPEN_MODEL_H
#define LWC_TESTS_OPEN_MODEL_H

#include "codec/cpu.h"
#include "container/decoder.h"
#include "engine/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int stop(const char *what)
{
    fprintf(stderr, "%s\n", what);
    return 1;
}

/* base: of a container that depends on one, or NULL; kind: gguf, directory, fused or user. NULL
 * with a message. */
static struct weights *open_model(const char *path, const char *base, const char *kind,
                                  const char *isa, unsigned int threads, struct failure *failure)
{
    const struct kernels *kernels;
    u32 mask;

    if (decoder_isa_mask(isa, &mask) < 0)
        exit(stop("no such ISA"));
    kernels = kernels_select(mask & lwc_cpu_isa());
    if (strcmp(kind, "gguf") == 0)
        return weights_open_gguf(path, false, kernels, failure);
    if (strcmp(kind, "directory") == 0)
        return weights_open_plain(path, false, kernels, failure);
    return weights_open_container(path, base,
                                  strcmp(kind, "user") == 0 ? WEIGHTS_USER : WEIGHTS_FUSED, false,
                                  0, mask & lwc_cpu_isa(), threads, kernels, failure);
}

#endif
