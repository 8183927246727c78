/* SPDX-License-Identifier: BSD-3-Clause */
/* What config.json says about a model of the Llama family. */
#ifndef LWC_ENGINE_CONFIG_H
#define LWC_ENGINE_CONFIG_H

#include "container/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_STOPS_MAX 8

struct model_config {
    uint32_t hidden;
    uint32_t intermediate; /* of the feed-forward part */
    uint32_t layers;
    uint32_t heads;
    uint32_t kv_heads;
    uint32_t head_dim;
    uint32_t vocabulary;
    uint32_t context; /* positions that the model was made for */
    float rope_base;
    float epsilon;
    bool tied_embeddings;
    uint32_t stops[CONFIG_STOPS_MAX]; /* token ids that end a text */
    size_t stop_count;
};

/*
 * Parse the text of a config.json; path is for messages. Every number is
 * checked; what this engine does not compute is refused by name.
 * 0, or -1 with a message.
 */
int config_parse(const char *text, size_t size, const char *path, struct model_config *out,
                 struct failure *failure);

#endif
