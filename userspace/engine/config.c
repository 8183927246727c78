/* SPDX-License-Identifier: BSD-3-Clause */
#include "config.h"

#include <jansson.h>
#include <string.h>

/* What a family's own configuration class assumes where config.json says nothing. */
struct defaults {
    const char *type;
    enum model_family family;
    uint32_t context;
    uint32_t kv_heads; /* 0: as many as heads */
    uint32_t head_dim; /* 0: hidden size / heads */
    uint32_t window;   /* 0: none */
};

static const struct defaults families[] = {
    {"llama", FAMILY_LLAMA, 2048, 0, 0, 0},
    {"mistral", FAMILY_MISTRAL, 131072, 8, 0, 4096},
    {"qwen2", FAMILY_QWEN2, 32768, 32, 0, 4096},
    {"qwen3", FAMILY_QWEN3, 32768, 32, 128, 4096},
};

struct reading {
    const json_t *root;
    const struct defaults *defaults;
    const char *path;
    struct failure *failure;
};

/* A key that is null says as much as one that is not there. */
static const json_t *value_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    return json_is_null(value) ? NULL : value;
}

/* A whole number from 1 to max; a missing key gives the default, 0 for none. */
static int read_number_of(const struct reading *reading, const json_t *object, const char *key,
                          uint32_t max, uint32_t otherwise, uint32_t *out)
{
    const json_t *value = value_of(object, key);

    if (!value && otherwise) {
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

static int read_number(const struct reading *reading, const char *key, uint32_t max,
                       uint32_t otherwise, uint32_t *out)
{
    return read_number_of(reading, reading->root, key, max, otherwise, out);
}

/* A number above 0; a missing key gives the default, 0 for none. */
static int read_real(const struct reading *reading, const json_t *object, const char *key,
                     double otherwise, double max, float *out)
{
    const json_t *value = value_of(object, key);
    double number = value ? json_number_value(value) : otherwise;

    if ((value && !json_is_number(value)) || !(number > 0 && number <= max))
        return fail(reading->failure, "%s: %s must be a number above 0 and at most %g",
                    reading->path, key, max);
    *out = (float)number;
    return 0;
}

static int read_flag(const struct reading *reading, const char *key, bool *out)
{
    const json_t *value = value_of(reading->root, key);

    if (value && !json_is_boolean(value))
        return fail(reading->failure, "%s: %s must be true or false", reading->path, key);
    *out = json_is_true(value);
    return 0;
}

static int read_stops(const struct reading *reading, struct model_config *out)
{
    const json_t *value = value_of(reading->root, "eos_token_id");
    size_t count = json_is_array(value) ? json_array_size(value) : 1;

    if (!value)
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

/* Keys of relatives of these families that change what is computed, unless they say nothing. */
static int refuse_unknown(const struct reading *reading)
{
    static const char *const off[] = {
        "quantization_config",
        "num_experts",
        "num_local_experts",
        "attn_logit_softcapping",
        "logit_scale",
        "final_logit_softcapping",
        "query_pre_attn_scalar",
        "embedding_multiplier",
        "residual_multiplier",
        "attention_multiplier",
        "logits_scaling",
        "attention_chunk_size",
        "no_rope_layers",
        "use_qk_norm",
        "qk_layernorm",
        "attn_output_gate",
        "alibi",
        "position_embedding_type",
        "add_cross_attention",
        "is_encoder_decoder",
        "layer_scale_init_value",
        "num_nextn_predict_layers",
    };
    const json_t *activation = value_of(reading->root, "hidden_act");
    const char *name = activation ? json_string_value(activation) : "silu";

    if (!name || (strcmp(name, "silu") && strcmp(name, "swish")))
        return fail(reading->failure, "%s: hidden_act is %s; lwcmem computes silu", reading->path,
                    name ? name : "no name");
    for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
        const json_t *value = value_of(reading->root, off[i]);

        if (value && !json_is_false(value))
            return fail(reading->failure, "%s: lwcmem does not compute %s", reading->path, off[i]);
    }
    return 0;
}

static int read_family(struct reading *reading, struct model_config *out)
{
    const char *type = json_string_value(json_object_get(reading->root, "model_type"));

    for (size_t i = 0; type && i < sizeof(families) / sizeof(families[0]); i++)
        if (strcmp(type, families[i].type) == 0) {
            reading->defaults = &families[i];
            out->family = families[i].family;
            return 0;
        }
    return fail(reading->failure, "%s: model_type is %s; lwcmem runs llama, mistral, qwen2, qwen3",
                reading->path, type ? type : "missing");
}

/* As where each type of layer has parameters of its own. */
static bool has_objects(const json_t *object)
{
    json_t *all = (json_t *)object;

    for (void *at = json_object_iter(all); at; at = json_object_iter_next(all, at))
        if (json_is_object(json_object_iter_value(at)))
            return true;
    return false;
}

/* Older files have rope_theta beside rope_scaling, newer ones all of it in rope_parameters. */
static int read_rope(const struct reading *reading, struct model_config *out)
{
    static const char *const kinds[] = {[ROPE_DEFAULT] = "default",
                                        [ROPE_LINEAR] = "linear",
                                        [ROPE_LLAMA3] = "llama3",
                                        [ROPE_YARN] = "yarn"};
    const json_t *older = value_of(reading->root, "rope_scaling");
    const json_t *scaling =
        json_object_size(older) ? older : value_of(reading->root, "rope_parameters");
    const json_t *named = value_of(scaling, "rope_type");
    const json_t *kind_of = named ? named : value_of(scaling, "type");
    const char *type = kind_of ? json_string_value(kind_of) : "default";
    const json_t *with_base = value_of(scaling, "rope_theta") ? scaling : reading->root;
    const json_t *original = value_of(reading->root, "original_max_position_embeddings");
    struct rope *rope = &out->rope;
    float partial;
    size_t kind = 0;

    if ((older && !json_is_object(older)) || (scaling && !json_is_object(scaling)))
        return fail(reading->failure, "%s: the scaling of RoPE is no object", reading->path);
    if (has_objects(scaling))
        return fail(reading->failure, "%s: lwcmem computes one rope_parameters for all layers",
                    reading->path);
    while (type && kind < sizeof(kinds) / sizeof(kinds[0]) && strcmp(type, kinds[kind]))
        kind++;
    if (!type || kind == sizeof(kinds) / sizeof(kinds[0]))
        return fail(reading->failure,
                    "%s: rope_type is %s; lwcmem computes default, linear, llama3 and yarn",
                    reading->path, type ? type : "no name");
    rope->kind = (enum rope_kind)kind;
    rope->truncate = !json_is_false(json_object_get(scaling, "truncate"));
    if (read_real(reading, with_base, "rope_theta", 10000, 1e12, &rope->base) < 0 ||
        read_real(reading, reading->root, "partial_rotary_factor", 1, 1, &partial) < 0)
        return -1;
    if (partial == 1 && scaling &&
        read_real(reading, scaling, "partial_rotary_factor", 1, 1, &partial) < 0)
        return -1;
    if (partial != 1)
        return fail(reading->failure, "%s: lwcmem does not compute a partial_rotary_factor below 1",
                    reading->path);
    if (kind == ROPE_DEFAULT)
        return 0;
    if (kind != ROPE_LINEAR &&
        read_number_of(reading, original ? reading->root : scaling,
                       "original_max_position_embeddings", CONFIG_CONTEXT_MAX,
                       kind == ROPE_YARN ? out->context : 0, &rope->original_context) < 0)
        return -1;
    if (read_real(reading, scaling, "factor",
                  kind == ROPE_YARN && json_object_get(scaling, "factor")
                      ? (double)out->context / rope->original_context
                      : 0,
                  1e6, &rope->factor) < 0)
        return -1;
    if (kind == ROPE_LINEAR)
        return 0;
    if (kind == ROPE_LLAMA3)
        return read_real(reading, scaling, "low_freq_factor", 0, 1e6, &rope->low_factor) < 0 ||
                       read_real(reading, scaling, "high_freq_factor", 0, 1e6, &rope->high_factor) <
                           0
                   ? -1
                   : 0;
    if (read_real(reading, scaling, "beta_fast", 32, 1e6, &rope->beta_fast) < 0 ||
        read_real(reading, scaling, "beta_slow", 1, 1e6, &rope->beta_slow) < 0)
        return -1;
    /* 0 and a missing key are the same to the implementations that made these files */
    rope->attention_factor = (float)json_number_value(value_of(scaling, "attention_factor"));
    rope->mscale = (float)json_number_value(value_of(scaling, "mscale"));
    rope->mscale_all_dim = (float)json_number_value(value_of(scaling, "mscale_all_dim"));
    return 0;
}

/* Layers before it see all positions: a number that may be 0, or beyond the last layer. */
static int read_first_windowed(const struct reading *reading, uint32_t *first)
{
    const json_t *value = value_of(reading->root, "max_window_layers");

    if (value && (!json_is_integer(value) || json_integer_value(value) < 0))
        return fail(reading->failure, "%s: max_window_layers must be a whole number",
                    reading->path);
    *first = !value ? 28
             : json_integer_value(value) > (json_int_t)CONFIG_LAYERS_MAX
                 ? CONFIG_LAYERS_MAX
                 : (uint32_t)json_integer_value(value);
    return 0;
}

/* Without a window, no layer may have one. */
static int refuse_windows(const struct reading *reading, const json_t *types)
{
    for (size_t i = 0; i < json_array_size(types); i++) {
        const char *type = json_string_value(json_array_get(types, i));

        if (!type || strcmp(type, "full_attention"))
            return fail(reading->failure, "%s: layer_types has %s, but sliding_window is off",
                        reading->path, type ? type : "no name");
    }
    return 0;
}

/* By layer_types where it is there; else by the rule of the family. */
static int read_windows(const struct reading *reading, struct model_config *out)
{
    bool qwen = out->family == FAMILY_QWEN2 || out->family == FAMILY_QWEN3, used = !qwen;
    const json_t *types = value_of(reading->root, "layer_types");
    const json_t *window = json_object_get(reading->root, "sliding_window");
    uint32_t first = 0;

    if (out->family == FAMILY_LLAMA) {
        if (window && !json_is_null(window))
            return fail(reading->failure, "%s: lwcmem computes no sliding_window for llama",
                        reading->path);
        return 0;
    }
    if (qwen && read_flag(reading, "use_sliding_window", &used) < 0)
        return -1;
    /* here null is not the default: it turns windows off */
    if (!used || json_is_null(window))
        return refuse_windows(reading, types);
    if (read_number(reading, "sliding_window", CONFIG_CONTEXT_MAX, reading->defaults->window,
                    &out->window) < 0)
        return -1;
    if (qwen && read_first_windowed(reading, &first) < 0)
        return -1;
    if (types && json_array_size(types) != out->layers)
        return fail(reading->failure, "%s: layer_types must have %u entries", reading->path,
                    out->layers);
    for (uint32_t i = 0; i < out->layers; i++) {
        const char *type = json_string_value(json_array_get(types, i));

        out->windowed[i] = types ? type && strcmp(type, "sliding_attention") == 0 : i >= first;
        if (types && (!type || (!out->windowed[i] && strcmp(type, "full_attention"))))
            return fail(reading->failure,
                        "%s: layer_types has %s; lwcmem computes full_attention and "
                        "sliding_attention",
                        reading->path, type ? type : "no name");
    }
    return 0;
}

static int read_biases(const struct reading *reading, struct model_config *out)
{
    bool attention, forward;

    if (read_flag(reading, "attention_bias", &attention) < 0 ||
        read_flag(reading, "mlp_bias", &forward) < 0)
        return -1;
    if (forward && out->family != FAMILY_LLAMA)
        return fail(reading->failure, "%s: lwcmem computes mlp_bias for llama alone",
                    reading->path);
    if (attention && out->family != FAMILY_LLAMA && out->family != FAMILY_QWEN3)
        return fail(reading->failure, "%s: lwcmem computes attention_bias for llama and qwen3",
                    reading->path);
    out->input_biases = attention || out->family == FAMILY_QWEN2;
    out->output_bias = attention;
    out->forward_biases = forward;
    out->head_norms = out->family == FAMILY_QWEN3;
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
    if ((uint64_t)config->heads * config->head_dim > CONFIG_DIMENSION_MAX)
        return fail(failure, "%s: heads have more than %u values together", path,
                    CONFIG_DIMENSION_MAX);
    if (config->rope.kind == ROPE_LLAMA3 && !(config->rope.low_factor < config->rope.high_factor))
        return fail(failure, "%s: low_freq_factor is not below high_freq_factor", path);
    return 0;
}

static int read_config(struct reading *reading, struct model_config *out)
{
    uint32_t split;

    if (read_family(reading, out) < 0 || refuse_unknown(reading) < 0 ||
        read_number(reading, "hidden_size", CONFIG_DIMENSION_MAX, 0, &out->hidden) < 0 ||
        read_number(reading, "intermediate_size", CONFIG_DIMENSION_MAX, 0, &out->intermediate) <
            0 ||
        read_number(reading, "num_hidden_layers", CONFIG_LAYERS_MAX, 0, &out->layers) < 0 ||
        read_number(reading, "num_attention_heads", CONFIG_DIMENSION_MAX, 0, &out->heads) < 0)
        return -1;
    split = reading->defaults->head_dim ? reading->defaults->head_dim : out->hidden / out->heads;
    if (read_number(reading, "num_key_value_heads", CONFIG_DIMENSION_MAX,
                    reading->defaults->kv_heads ? reading->defaults->kv_heads : out->heads,
                    &out->kv_heads) < 0 ||
        read_number(reading, "vocab_size", CONFIG_VOCABULARY_MAX, 0, &out->vocabulary) < 0 ||
        read_number(reading, "max_position_embeddings", CONFIG_CONTEXT_MAX,
                    reading->defaults->context, &out->context) < 0 ||
        read_number(reading, "head_dim", CONFIG_DIMENSION_MAX, split ? split : 1, &out->head_dim) <
            0 ||
        read_real(reading, reading->root, "rms_norm_eps", 1e-6, 1, &out->epsilon) < 0 ||
        read_flag(reading, "tie_word_embeddings", &out->tied_embeddings) < 0 ||
        read_rope(reading, out) < 0 || read_windows(reading, out) < 0 ||
        read_biases(reading, out) < 0 || config_check(out, reading->path, reading->failure) < 0)
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
