/* SPDX-License-Identifier: BSD-3-Clause */
/* lwcmem info: what a container holds, and how near it is to the bound. */
#include "cli.h"
#include "survey.h"

#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    const char *path;
    const char *base;
    bool tensors;
    bool bounds;
    bool json;
    unsigned int threads;
};

static json_t *bits_or_null(double bits)
{
    return bits < 0 ? json_null() : json_real(bits);
}

/* What an empty tensor has for a codec. */
static const char *main_codec(const struct survey_tensor *tensor)
{
    return tensor->codec_count ? tensor->codecs[0].name : "-";
}

static json_t *tensor_json(const struct survey_tensor *tensor, bool bounds)
{
    json_t *shape = json_array(), *codecs = json_array();
    json_t *object;

    for (size_t i = 0; i < tensor->codec_count; i++)
        json_array_append_new(codecs, json_pack("{s:s, s:I}", "name", tensor->codecs[i].name,
                                                "tiles", (json_int_t)tensor->codecs[i].tiles));

    for (uint16_t i = 0; i < tensor->ndim; i++)
        json_array_append_new(shape, json_integer((json_int_t)tensor->shape[i]));
    object = json_pack("{s:s, s:s, s:o, s:s, s:o, s:o}", "name", tensor->name, "dtype",
                       tensor->dtype, "shape", shape, "codec", main_codec(tensor), "codecs", codecs,
                       "bits_per_weight", bits_or_null(survey_bits(tensor)));
    if (object && bounds)
        json_object_set_new(object, "bound_bits_per_weight", bits_or_null(survey_bound(tensor)));
    return object;
}

static int print_json(const struct survey *survey, bool bounds, struct failure *failure)
{
    json_t *tensors = json_array(), *root;
    int result;

    for (size_t i = 0; i < survey->count; i++)
        if (json_array_append_new(tensors, tensor_json(&survey->tensors[i], bounds)) < 0) {
            json_decref(tensors);
            return fail(failure, "%s: a name that is not UTF-8 cannot be shown as JSON: %.700s",
                        survey->path, survey->tensors[i].name);
        }
    root = json_pack("{s:I, s:I, s:I, s:o, s:s, s:I}", "bytes_original",
                     (json_int_t)survey->bytes_original, "bytes_stored",
                     (json_int_t)survey->bytes_stored, "weights", (json_int_t)survey->weights,
                     "bits_per_weight", bits_or_null(survey->bits_per_weight), "uuid", survey->uuid,
                     "generation", (json_int_t)survey->generation);
    if (root && survey->base[0])
        json_object_set_new(root, "base", json_string(survey->base));
    if (root && survey->verity[0])
        json_object_set_new(root, "verity", json_string(survey->verity));
    if (root && bounds)
        json_object_set_new(root, "bound_bits_per_weight",
                            bits_or_null(survey->bound_bits_per_weight));
    if (!root || json_object_set_new(root, "tensors", tensors) < 0) {
        json_decref(root);
        return fail(failure, "%s: out of memory", survey->path);
    }
    result = json_dumpf(root, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6));
    json_decref(root);
    putchar('\n');
    return result < 0 || fflush(stdout) ? fail(failure, "cannot write the result") : 0;
}

static void print_name(const char *name, int width)
{
    char text[LWC_NAME_MAX + 1];

    snprintf(text, sizeof(text), "%s", name);
    make_printable(text);
    printf("%-*s", width, text);
}

static int name_width(const struct survey *survey)
{
    size_t width = 4;

    for (size_t i = 0; i < survey->count; i++)
        if (strlen(survey->tensors[i].name) > width)
            width = strlen(survey->tensors[i].name);
    return width < 60 ? (int)width : 60;
}

static void print_bits(double bits)
{
    if (bits < 0)
        printf("  %7s", "-");
    else
        printf("  %7.3f", bits);
}

/* One codec by its name; several with the share of the tiles that each has. */
static void print_codecs(const struct survey_tensor *tensor)
{
    uint64_t tiles = 0;

    for (size_t i = 0; i < tensor->codec_count; i++)
        tiles += tensor->codecs[i].tiles;
    if (tensor->codec_count < 2)
        printf("  %s", main_codec(tensor));
    else
        for (size_t i = 0; i < tensor->codec_count; i++)
            printf("%s%s %.3g%%", i ? ", " : "  ", tensor->codecs[i].name,
                   100.0 * (double)tensor->codecs[i].tiles / (double)tiles);
    putchar('\n');
}

static void print_tensors(const struct survey *survey, bool bounds)
{
    int width = name_width(survey);

    printf("%-*s  %-7s  %-18s  %7s%s  codec\n", width, "name", "dtype", "shape", "bits",
           bounds ? "    bound" : "");
    for (size_t i = 0; i < survey->count; i++) {
        const struct survey_tensor *tensor = &survey->tensors[i];
        char shape[8 * 21 + 1] = "";
        size_t used = 0;

        for (uint16_t d = 0; d < tensor->ndim; d++)
            used += (size_t)snprintf(shape + used, sizeof(shape) - used, "%s%" PRIu64, d ? "x" : "",
                                     tensor->shape[d]);
        print_name(tensor->name, width);
        printf("  %-7s  %-18s", tensor->dtype, tensor->ndim ? shape : "scalar");
        print_bits(survey_bits(tensor));
        if (bounds)
            print_bits(survey_bound(tensor));
        print_codecs(tensor);
    }
    putchar('\n');
}

static void print_summary(const struct survey *survey, bool bounds)
{
    printf("files      %" PRIu64 "\n", survey->files);
    printf("tensors    %zu, %" PRIu64 " weights\n", survey->count, survey->weights);
    printf("original   %" PRIu64 " bytes\n", survey->bytes_original);
    printf("stored     %" PRIu64 " bytes (%.2fx)\n", survey->bytes_stored,
           (double)survey->bytes_original / (double)survey->bytes_stored);
    if (survey->bits_per_weight >= 0)
        printf("weights    %.3f bits each\n", survey->bits_per_weight);
    if (bounds && survey->bound_bits_per_weight >= 0)
        printf(
            "bound      %.3f bits for each of %" PRIu64 " weights that have one; they take %.3f\n",
            survey->bound_bits_per_weight, survey->bound_weights, survey->bound_stored_per_weight);
    printf("uuid       %s, generation %" PRIu64 "\n", survey->uuid, survey->generation);
    if (survey->base[0])
        printf("base       %s\n", survey->base);
    if (survey->verity[0])
        printf("fs-verity  %s\n", survey->verity);
}

static int info(const struct options *options, struct failure *failure)
{
    struct survey survey;
    int result = 0;

    if (survey_container(options->path, options->base, options->bounds, options->threads, &survey,
                         failure) < 0)
        return -1;
    cli_note_base(options->path, options->base);
    if (options->json) {
        result = print_json(&survey, options->bounds, failure);
    } else {
        if (options->tensors || options->bounds)
            print_tensors(&survey, options->bounds);
        print_summary(&survey, options->bounds);
        if (fflush(stdout))
            result = fail(failure, "cannot write the result");
    }
    survey_free(&survey);
    return result;
}

static int run(int argc, char **argv)
{
    static const struct option names[] = {
        {"tensors", no_argument, NULL, 't'},
        {"bounds", no_argument, NULL, 'b'},
        {"base", required_argument, NULL, 'B'},
        {"json", no_argument, NULL, 'J'},
        {"threads", required_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct options options = {.threads = cli_default_threads()};
    struct failure failure;
    int option;

    while ((option = getopt_long(argc, argv, "j:h", names, NULL)) != -1) {
        switch (option) {
        case 't':
            options.tensors = true;
            break;
        case 'b':
            options.bounds = true;
            break;
        case 'B':
            options.base = optarg;
            break;
        case 'J':
            options.json = true;
            break;
        case 'j':
            options.threads = cli_threads(optarg);
            if (!options.threads)
                return cli_usage(&command_info, "-j is a number of threads, 1 to 1024");
            break;
        case 'h':
            return cli_help(&command_info);
        default:
            return cli_usage(&command_info, NULL);
        }
    }
    if (argc - optind != 1)
        return cli_usage(&command_info, "give one container");
    options.path = argv[optind];
    return info(&options, &failure) < 0 ? cli_failed(&failure) : EXIT_DONE;
}

const struct command command_info = {
    .name = "info",
    .usage = "OUT.lwc [--tensors] [--bounds [--base BASE.lwc]] [--json] [-j N]",
    .summary = "show what a container holds and how small it is",
    .help =
        "OUT.lwc     the container\n"
        "--tensors   a line for each tensor\n"
        "--bounds    also the order-0 bound of each tensor of floats (entropy of their\n"
        "            exponents, the rest as it is) or integers (of their bytes); decodes those\n"
        "--base B    for --bounds: the container that OUT.lwc was packed against, if it was\n"
        "--json      for scripts\n"
        "-j N        threads for --bounds (default: all CPUs of this process)\n",
    .run = run,
};
