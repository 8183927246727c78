/* SPDX-License-Identifier: BSD-3-Clause */
#include "config.h"
#include "kernels/kernels.h"
#include "names.h"
#include "readers/gguf_values.h"
#include "weights.h"

#include <stdio.h>
#include <string.h>

#define KEY_SIZE 256

static const struct architecture {
    const char *name;
    enum model_family family;
    enum model_layout layout;
} architectures[] = {
    {"llama", FAMILY_LLAMA, LAYOUT_GGUF_PAIRS},
    {"qwen2", FAMILY_QWEN2, LAYOUT_GGUF},
    {"qwen3", FAMILY_QWEN3, LAYOUT_GGUF},
};

struct reading {
    const struct gguf_values *values;
    struct weights *weights;
    const struct architecture *architecture;
    struct failure *failure;
};

/* Keys of an architecture begin with its name. */
static void key_of(const struct reading *reading, const char *name, char key[KEY_SIZE])
{
    snprintf(key, KEY_SIZE, "%s.%s", reading->architecture->name, name);
}

static int check_number(const struct reading *reading, const char *key, uint64_t number,
                        uint32_t max, uint32_t *out)
{
    if (number < 1 || number > max)
        return fail(reading->failure, "%s: %s must be a whole number from 1 to %u",
                    gguf_values_path(reading->values), key, max);
    *out = (uint32_t)number;
    return 0;
}

/* From 1 to max; a missing key gives the default, 0 for none. */
static int read_number(const struct reading *reading, const char *name, uint32_t max,
                       uint32_t otherwise, uint32_t *out)
{
    uint64_t number = otherwise;
    char key[KEY_SIZE];

    key_of(reading, name, key);
    if (gguf_values_u64(reading->values, key, &number, reading->failure) < 0)
        return -1;
    return check_number(reading, key, number, max, out);
}

/* Above 0; a missing key gives the default, 0 for none. */
static int read_real(const struct reading *reading, const char *name, double otherwise, double max,
                     float *out)
{
    double number = otherwise;
    char key[KEY_SIZE];

    key_of(reading, name, key);
    if (gguf_values_float(reading->values, key, &number, reading->failure) < 0)
        return -1;
    if (!(number > 0 && number <= max))
        return fail(reading->failure, "%s: %s must be a number above 0 and at most %g",
                    gguf_values_path(reading->values), key, max);
    *out = (float)number;
    return 0;
}

static int find_architecture(struct reading *reading)
{
    struct gguf_string name = {"missing", 7};

    if (gguf_values_string(reading->values, "general.architecture", &name, reading->failure) < 0)
        return -1;
    for (size_t i = 0; i < sizeof(architectures) / sizeof(architectures[0]); i++)
        if (gguf_string_is(name, architectures[i].name)) {
            reading->architecture = &architectures[i];
            return 0;
        }
    return fail(
        reading->failure, "%s: general.architecture is %.*s; lwcmem runs llama, qwen2 and qwen3",
        gguf_values_path(reading->values), (int)(name.size < 64 ? name.size : 64), name.text);
}

/* Keys of the architecture that are read below, or change nothing. */
static bool is_known(const char *name)
{
    static const char *const known[] = {
        "block_count",
        "embedding_length",
        "feed_forward_length",
        "context_length",
        "vocab_size",
        "attention.head_count",
        "attention.head_count_kv",
        "attention.key_length",
        "attention.value_length",
        "attention.layer_norm_rms_epsilon",
        "attention.sliding_window",
        "rope.dimension_count",
        "rope.freq_base",
        "rope.scale_linear",
        "rope.scaling.type",
        "rope.scaling.factor",
        "rope.scaling.original_context_length",
        "rope.scaling.attn_factor",
        "rope.scaling.yarn_attn_factor",
        "rope.scaling.yarn_beta_fast",
        "rope.scaling.yarn_beta_slow",
        /* whether training was with the scaling */
        "rope.scaling.finetuned",
        /* where tensors come from */
        "tensor_data_layout",
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(name, known[i]) == 0)
            return true;
    return false;
}

static int refuse_unknown(const struct reading *reading)
{
    const char *prefix = reading->architecture->name;
    size_t length = strlen(prefix);
    struct gguf_string found;

    for (size_t i = 0; gguf_values_key(reading->values, i, &found); i++) {
        char key[KEY_SIZE];

        if (found.size <= length || memcmp(found.text, prefix, length) || found.text[length] != '.')
            continue;
        snprintf(key, sizeof(key), "%.*s",
                 (int)(found.size < sizeof(key) ? found.size : sizeof(key) - 1), found.text);
        if ((strlen(key) < found.size || !is_known(key + length + 1)) &&
            !gguf_values_is_zero(reading->values, key))
            return fail(reading->failure, "%s: lwcmem does not compute %s",
                        gguf_values_path(reading->values), key);
    }
    return 0;
}

static int read_sizes(const struct reading *reading, struct model_config *out)
{
    struct gguf_array tokens;
    uint32_t split, value_length, turned;
    int found;

    if (read_number(reading, "embedding_length", CONFIG_DIMENSION_MAX, 0, &out->hidden) < 0 ||
        read_number(reading, "feed_forward_length", CONFIG_DIMENSION_MAX, 0, &out->intermediate) <
            0 ||
        read_number(reading, "block_count", CONFIG_LAYERS_MAX, 0, &out->layers) < 0 ||
        read_number(reading, "context_length", CONFIG_CONTEXT_MAX, 0, &out->context) < 0 ||
        read_number(reading, "attention.head_count", CONFIG_DIMENSION_MAX, 0, &out->heads) < 0 ||
        read_number(reading, "attention.head_count_kv", CONFIG_DIMENSION_MAX, out->heads,
                    &out->kv_heads) < 0)
        return -1;
    split = out->hidden / out->heads ? out->hidden / out->heads : 1;
    if (read_number(reading, "attention.key_length", CONFIG_DIMENSION_MAX, split, &out->head_dim) <
            0 ||
        read_number(reading, "attention.value_length", CONFIG_DIMENSION_MAX, split, &value_length) <
            0 ||
        read_number(reading, "rope.dimension_count", CONFIG_DIMENSION_MAX, out->head_dim, &turned) <
            0 ||
        read_real(reading, "attention.layer_norm_rms_epsilon", 0, 1, &out->epsilon) < 0)
        return -1;
    if (value_length != out->head_dim || turned != out->head_dim)
        return fail(reading->failure,
                    "%s: keys of %u values, values of %u, %u turned by RoPE: lwcmem computes only "
                    "one size for all three",
                    gguf_values_path(reading->values), out->head_dim, value_length, turned);
    found = gguf_values_array(reading->values, "tokenizer.ggml.tokens", GGUF_STRINGS, &tokens,
                              reading->failure);
    if (found > 0)
        return check_number(reading, "the number of tokenizer.ggml.tokens", tokens.count,
                            CONFIG_VOCABULARY_MAX, &out->vocabulary);
    return found < 0
               ? -1
               : read_number(reading, "vocab_size", CONFIG_VOCABULARY_MAX, 0, &out->vocabulary);
}

/* Factors of the attention's scale that come on top of YaRN's own. */
static int read_yarn(const struct reading *reading, struct model_config *out)
{
    struct rope *rope = &out->rope;
    float factor, more;

    if (read_number(reading, "rope.scaling.original_context_length", CONFIG_CONTEXT_MAX,
                    out->context, &rope->original_context) < 0 ||
        read_real(reading, "rope.scaling.yarn_beta_fast", 32, 1e6, &rope->beta_fast) < 0 ||
        read_real(reading, "rope.scaling.yarn_beta_slow", 1, 1e6, &rope->beta_slow) < 0 ||
        read_real(reading, "rope.scaling.attn_factor", 1, 1e6, &factor) < 0 ||
        read_real(reading, "rope.scaling.yarn_attn_factor", 1, 1e6, &more) < 0)
        return -1;
    if (factor * more != 1)
        rope->attention_factor =
            factor * more * (float)(0.1 * kernels_log((double)rope->factor) + 1);
    return 0;
}

static int read_rope(const struct reading *reading, struct model_config *out)
{
    struct gguf_string type = {"none", 4};
    struct rope *rope = &out->rope;
    char key[KEY_SIZE], old[KEY_SIZE];
    double linear = 1;
    int found;

    rope->truncate = true;
    key_of(reading, "rope.scaling.type", key);
    key_of(reading, "rope.scale_linear", old);
    found = gguf_values_string(reading->values, key, &type, reading->failure);
    if (found < 0 || gguf_values_float(reading->values, old, &linear, reading->failure) < 0 ||
        read_real(reading, "rope.freq_base", 10000, 1e12, &rope->base) < 0)
        return -1;
    if (gguf_string_is(type, "linear") || (!found && linear != 1))
        rope->kind = ROPE_LINEAR;
    else if (gguf_string_is(type, "yarn"))
        rope->kind = ROPE_YARN;
    else if (!gguf_string_is(type, "none"))
        return fail(reading->failure, "%s: %s is %.*s; lwcmem computes none, linear and yarn",
                    gguf_values_path(reading->values), key, (int)(type.size < 64 ? type.size : 64),
                    type.text);
    if (rope->kind == ROPE_DEFAULT)
        return 0;
    if (read_real(reading, found ? "rope.scaling.factor" : "rope.scale_linear", 0, 1e6,
                  &rope->factor) < 0)
        return -1;
    return rope->kind == ROPE_YARN ? read_yarn(reading, out) : 0;
}

/* A window beyond the context changes nothing. */
static int read_window(const struct reading *reading, struct model_config *out)
{
    char key[KEY_SIZE];
    uint64_t window = 0;

    key_of(reading, "attention.sliding_window", key);
    if (gguf_values_u64(reading->values, key, &window, reading->failure) < 0)
        return -1;
    if (!window || window >= out->context)
        return 0;
    if (out->family != FAMILY_LLAMA)
        return fail(reading->failure, "%s: lwcmem does not compute %s",
                    gguf_values_path(reading->values), key);
    out->window = (uint32_t)window;
    memset(out->windowed, true, out->layers * sizeof(*out->windowed));
    return 0;
}

/* 1 there, 0 not, -1. Layers are alike, or else the tensors of others are not found. */
static int has(const struct reading *reading, const struct model_config *out, enum tensor_role role,
               bool bias, bool *there)
{
    struct weight_tensor tensor;
    char name[TENSOR_NAME_SIZE];
    int found;

    tensor_name(out->layout, role, 0, bias, name);
    found = reading->weights->ops->find(reading->weights, name, &tensor, reading->failure);
    *there = found > 0;
    return found < 0 ? -1 : 0;
}

static int look_at_tensors(const struct reading *reading, struct model_config *out)
{
    bool head;

    if (has(reading, out, TENSOR_HEAD, false, &head) < 0 ||
        has(reading, out, TENSOR_QUERY, true, &out->input_biases) < 0 ||
        has(reading, out, TENSOR_OUTPUT, true, &out->output_bias) < 0 ||
        has(reading, out, TENSOR_GATE, true, &out->forward_biases) < 0)
        return -1;
    out->tied_embeddings = !head;
    out->input_biases |= out->family == FAMILY_QWEN2;
    out->head_norms = out->family == FAMILY_QWEN3;
    return 0;
}

static int read_stops(const struct reading *reading, struct model_config *out)
{
    static const char *const keys[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                       "tokenizer.ggml.eom_token_id"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        uint64_t id;
        int found = gguf_values_u64(reading->values, keys[i], &id, reading->failure);

        if (found < 0)
            return -1;
        if (found && id >= out->vocabulary)
            return fail(reading->failure, "%s: %s is not in the vocabulary",
                        gguf_values_path(reading->values), keys[i]);
        if (found)
            out->stops[out->stop_count++] = (uint32_t)id;
    }
    return 0;
}

int config_from_gguf(const struct gguf_values *values, struct weights *weights,
                     struct model_config *out, struct failure *failure)
{
    struct reading reading = {.values = values, .weights = weights, .failure = failure};

    memset(out, 0, sizeof(*out));
    if (find_architecture(&reading) < 0 || refuse_unknown(&reading) < 0)
        return -1;
    out->family = reading.architecture->family;
    out->layout = reading.architecture->layout;
    if (read_sizes(&reading, out) < 0 || read_rope(&reading, out) < 0 ||
        read_window(&reading, out) < 0 || look_at_tensors(&reading, out) < 0 ||
        config_check(out, gguf_values_path(values), failure) < 0)
        return -1;
    return read_stops(&reading, out);
}
