/* SPDX-License-Identifier: BSD-3-Clause */
/* Sizes, codecs and bounds of a container's tensors: what info prints. */
#ifndef LWC_SURVEY_H
#define LWC_SURVEY_H

#include "container/dependency.h"
#include "container/verity.h"
#include "uapi/lwcmem_format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* name: as info prints it, "LEVELS (2,2,2,2)". */
struct survey_codec {
    char name[32];
    uint64_t tiles;
};

struct survey_tensor {
    char *name;
    const char *dtype;
    uint16_t ndim;
    uint64_t shape[LWC_MAX_DIMS];
    uint64_t weights;
    uint64_t stored;   /* bytes of its tiles and their entries */
    double bound_bits; /* of all its weights together; negative: not asked for or there is none */
    struct survey_codec *codecs; /* of its tiles, the most frequent first */
    size_t codec_count;
};

struct survey {
    const char *path;
    uint64_t files;
    uint64_t bytes_original;
    uint64_t bytes_stored;
    uint64_t weights;
    uint64_t generation;
    char uuid[UUID_TEXT_SIZE];
    char base[UUID_TEXT_SIZE]; /* empty: depends on none */
    char verity[VERITY_TEXT_SIZE];
    double bits_per_weight;         /* negative without weights */
    uint64_t bound_weights;         /* of tensors with a bound */
    double bound_stored_per_weight; /* bits that those take */
    double bound_bits_per_weight;   /* negative: not asked for or there is none */
    struct survey_tensor *tensors;
    size_t count;
};

/*
 * bounds: decode all tensors that have one, with so many threads; base_path as for
 * dependency_open. 0, or -1 with a message.
 */
int survey_container(const char *path, const char *base_path, bool bounds, unsigned int threads,
                     struct survey *out, struct failure *failure);
void survey_free(struct survey *survey);

/* Bits for each weight; negative when there is none. */
double survey_bits(const struct survey_tensor *tensor);
double survey_bound(const struct survey_tensor *tensor);

#endif
