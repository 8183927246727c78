/* SPDX-License-Identifier: BSD-3-Clause */
#include "config.h"

#include <jansson.h>
#include <string.h>

#define DIMENSION_MAX (1u << 20)
#define VOCABULARY_MAX (1u << 24)
#define CONTEXT_MAX (1u << 24)

struct reading {
    const json_t *root;
    const char *path;
    struct failure *failure;
};

/* A whole number from 1 to max; a missing key gives the default, 0 for none. */
static int read_number(const struct reading *reading, const char *key, uint32_t max,
                       uint32_t otherwise, uint32_t *out)
{
    const json_t *value = json_object_get(reading->root, key);

    if ((!value || json_is_null(value)) && otherwise) {
        *out = otherwise;
        return 0;
    }
    if (!json_is_integer(value) || json_integer_value(value) < 1 ||
        json_integer_value(value) > (json_int_t)max)
        return fail(reading->failure, "%s: %s must be a whole number from 1 to %u", reading->path,
                    key, max);
    *out = (uint32_t)json_integer_value(value);
    return 0;
}

static int read_real(const struct reading *reading, const char *key, double otherwise, double max,
                     float *out)
{
    const json_t *value = json_object_get(reading->root, key);
    double number = value && !json_is_null(value) ? json_number_value(value) : otherwise;

    if ((value && !json_is_null(value) && !json_is_number(value)) || !(number > 0 && number <= max))
        return fail(reading->failure, "%s: %s must be a number above 0 and at most %g",
                    reading->path, key, max);
    *out = (float)number;
    return 0;
}

static int read_stops(const struct reading *reading, struct model_config *out)
{
    const json_t *value = json_object_get(reading->root, "eos_token_id");
    size_t count = json_is_array(value) ? json_array_size(value) : 1;

    if (!value || json_is_null(value))
        return 0;
    for (size_t i = 0; i < count; i++) {
        const json_t *id = json_is_array(value) ? json_array_get(value, i) : value;

        if (!json_is_integer(id) || json_integer_value(id) < 0 ||
            json_integer_value(id) >= (json_int_t)out->vocabulary || i >= CONFIG_STOPS_MAX)
            return fail(reading->failure, "%s: eos_token_id must be up to %d ids of the vocabulary",
                        reading->path, CONFIG_STOPS_MAX);
        out->stops[out->stop_count++] = (uint32_t)json_integer_value(id);
    }
    return 0;
}

/* A key that changes what is computed must say that it does not. */
static int refuse_unknown(const struct reading *reading)
{
    static const char *const off[] = {"attention_bias", "mlp_bias", "rope_scaling",
                                      "quantization_config"};
    const char *type = json_string_value(json_object_get(reading->root, "model_type"));
    const char *activation = json_string_value(json_object_get(reading->root, "hidden_act"));

    if (!type || strcmp(type, "llama"))
        return fail(reading->failure, "%s: model_type is %s; lwcmem runs llama", reading->path,
                    type ? type : "missing");
    if (activation && strcmp(activation, "silu"))
        return fail(reading->failure, "%s: hidden_act is %s; lwcmem computes silu", reading->path,
                    activation);
    for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
        const json_t *value = json_object_get(reading->root, off[i]);

        if (value && !json_is_null(value) && !json_is_false(value))
            return fail(reading->failure, "%s: lwcmem does not compute %s", reading->path, off[i]);
    }
    return 0;
}

int config_check(const struct model_config *config, const char *path, struct failure *failure)
{
    if (config->heads % config->kv_heads)
        return fail(failure, "%s: %u heads are no multiple of %u heads of keys and values", path,
                    config->heads, config->kv_heads);
    if (config->head_dim % 2)
        return fail(failure, "%s: heads of %u values; a rotary embedding needs an even number",
                    path, config->head_dim);
    if ((uint64_t)config->heads * config->head_dim > DIMENSION_MAX)
        return fail(failure, "%s: heads have more than %u values together", path, DIMENSION_MAX);
    return 0;
}

static int read_config(const struct reading *reading, struct model_config *out)
{
    if (refuse_unknown(reading) < 0 ||
        read_number(reading, "hidden_size", DIMENSION_MAX, 0, &out->hidden) < 0 ||
        read_number(reading, "intermediate_size", DIMENSION_MAX, 0, &out->intermediate) < 0 ||
        read_number(reading, "num_hidden_layers", CONFIG_LAYERS_MAX, 0, &out->layers) < 0 ||
        read_number(reading, "num_attention_heads", DIMENSION_MAX, 0, &out->heads) < 0 ||
        read_number(reading, "num_key_value_heads", DIMENSION_MAX, out->heads, &out->kv_heads) <
            0 ||
        read_number(reading, "vocab_size", VOCABULARY_MAX, 0, &out->vocabulary) < 0 ||
        read_number(reading, "max_position_embeddings", CONTEXT_MAX, 2048, &out->context) < 0 ||
        read_number(reading, "head_dim", DIMENSION_MAX,
                    out->hidden / out->heads ? out->hidden / out->heads : 1, &out->head_dim) < 0 ||
        read_real(reading, "rope_theta", 10000, 1e12, &out->rope.base) < 0 ||
        read_real(reading, "rms_norm_eps", 1e-6, 1, &out->epsilon) < 0)
        return -1;
    out->tied_embeddings = json_is_true(json_object_get(reading->root, "tie_word_embeddings"));
    if (config_check(out, reading->path, reading->failure) < 0)
        return -1;
    return read_stops(reading, out);
}

int config_parse(const char *text, size_t size, const char *path, struct model_config *out,
                 struct failure *failure)
{
    json_error_t error;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    struct reading reading = {.root = root, .path = path, .failure = failure};
    int result;

    memset(out, 0, sizeof(*out));
    if (!json_is_object(root))
        result = fail(failure, "%s: not a JSON object: %s", path, root ? "" : error.text);
    else
        result = read_config(&reading, out);
    json_decref(root);
    return result;
}
