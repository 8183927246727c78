/* SPDX-License-Identifier: BSD-3-Clause */
/* lwcmem bench codec: tiles to a buffer, and back. */
#include "bench.h"
#include "report.h"
#include "set.h"
#include "cli/favor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DISTINCT_TILES = 64, QUICK_TILES = 4, MAX_ENTRANTS = 16, MAX_ROWS = 128 };
/* Tiles that a pass encodes: so many that what others left in the caches does not matter, but few
 * where a tile takes milliseconds. */
enum { ENCODED_TILES = 64, ENCODED_SLOWLY = 4 };
#define CACHED_BYTES (64u << 20) /* decoded, of a pass in the cache, a worker */

struct result {
    struct bench_row row;
    const char *where; /* the tiles come from: cache, dram */
    double bits;       /* a weight; 0: no encoding */
};

struct codec {
    const struct bench_options *options;
    struct bench_team *team;
    struct bench_data data;
    double bound;
    uint32_t isa;
    size_t page_size;
    struct result results[MAX_ROWS];
    size_t count;
};

/* Tiles that workers go through: all of the set, or the few that stay in their caches. */
struct tour {
    const struct bench_set *set;
    size_t tiles;   /* of each worker at most; 0: its whole part */
    size_t repeats; /* within a pass */
};

enum work { COPY, CRC, DECODE };

struct touring {
    const struct tour *tour;
    enum work work;
    const struct lwc_impl *impl; /* DECODE */
};

static void tour_part(const struct tour *tour, const struct bench_worker *worker, size_t *first,
                      size_t *end)
{
    bench_part(tour->set->count, worker, first, end);
    if (tour->tiles && *end - *first > tour->tiles)
        *end = *first + tour->tiles;
}

static double tour_bytes(const struct tour *tour, unsigned int workers)
{
    struct bench_worker worker = {.count = workers};
    double bytes = 0;

    for (; worker.index < workers; worker.index++) {
        size_t first, end;

        tour_part(tour, &worker, &first, &end);
        for (size_t i = first; i < end; i++)
            bytes += tour->set->tiles[0][i].length;
    }
    return bytes * (double)tour->repeats;
}

static int visit(const struct touring *touring, struct bench_worker *worker,
                 const struct bench_tile *tile, struct failure *failure)
{
    uint32_t crc;

    switch (touring->work) {
    case COPY:
        memcpy(worker->tile, tile->plain, tile->length);
        return 0;
    case CRC:
        crc = lwc_crc32c(0, tile->plain, tile->length);
        /* it is used: the compiler cannot leave it out */
        __asm__ volatile("" : : "r"(crc));
        return 0;
    default:
        return bench_decode(worker, touring->impl, tile, worker->tile, failure);
    }
}

static int tour_pass(void *context, struct bench_worker *worker, struct failure *failure)
{
    const struct touring *touring = context;
    size_t first, end;

    tour_part(touring->tour, worker, &first, &end);
    for (size_t r = 0; r < touring->tour->repeats; r++)
        for (size_t i = first; i < end; i++)
            if (visit(touring, worker, &touring->tour->set->tiles[0][i], failure) < 0)
                return -1;
    return 0;
}

/* A result's row, to be finished by the caller. */
static struct result *add_result(struct codec *codec, double gb_per_s, double baseline,
                                 double working_set)
{
    struct result *result = &codec->results[codec->count++];

    result->row = (struct bench_row){
        .isa = "auto",
        .threads = bench_team_workers(codec->team),
        .page_size = codec->page_size,
        .gb_per_s = gb_per_s,
        .baseline = baseline,
        .baseline_name = "memcpy",
        .working_set = (size_t)working_set,
    };
    return result;
}

/* Decode (or, without a code, check) on one tour: memcpy and each ISA take turns. */
static int race_tour(struct codec *codec, const struct tour *tour, const char *where,
                     const struct bench_code *code, double bits, struct failure *failure)
{
    struct touring touring[MAX_ENTRANTS] = {{tour, COPY, NULL}};
    struct bench_entrant entrants[MAX_ENTRANTS];
    double bytes = tour_bytes(tour, bench_team_workers(codec->team));
    size_t count = 1;

    if (!code)
        touring[count++] = (struct touring){tour, CRC, NULL};
    else if (code == &bench_zstd)
        touring[count++] = (struct touring){tour, DECODE, lwc_impl_select(codec->isa)};
    for (unsigned int i = 0; code && code != &bench_zstd && i < lwc_impl_count; i++)
        if (lwc_impls[i]->isa & codec->isa)
            touring[count++] = (struct touring){tour, DECODE, lwc_impls[i]};
    for (size_t i = 0; i < count; i++)
        entrants[i] = (struct bench_entrant){tour_pass, &touring[i], bytes, 0};
    if (bench_race(codec->team, entrants, count, codec->options->quick, failure) < 0)
        return -1;
    for (size_t i = 1; i < count; i++) {
        struct result *result = add_result(codec, bench_rate(&entrants[i]),
                                           bench_rate(&entrants[0]), bytes / (double)tour->repeats);

        if (touring[i].impl && code != &bench_zstd)
            result->row.isa = touring[i].impl->name;
        result->where = where;
        result->bits = bits;
        snprintf(result->row.name, sizeof(result->row.name), "%s %s, %s",
                 code ? "decode" : "crc32c", code ? code->name : "of stored bytes", where);
    }
    return 0;
}

static size_t set_tiles(const struct codec *codec)
{
    size_t mean = codec->data.size / codec->data.count;
    size_t tiles = codec->options->quick ? QUICK_TILES : bench_beyond_caches() / (mean ? mean : 1);
    size_t workers = bench_team_workers(codec->team);

    return tiles > workers ? tiles : workers;
}

static int measure_set(struct codec *codec, const struct bench_set *set,
                       const struct bench_code *code, double bits, struct failure *failure)
{
    size_t cached = bench_tiles_in_cache(set->tiles[0][0].length);
    size_t once = cached * set->tiles[0][0].length;
    struct tour in_cache = {set, cached, codec->options->quick ? 1 : CACHED_BYTES / once + 1};
    struct tour all = {set, 0, 1};

    codec->page_size = set->page_size;
    if (race_tour(codec, &in_cache, "cache", code, bits, failure) < 0)
        return -1;
    return race_tour(codec, &all, "dram", code, bits, failure);
}

static int measure_code(struct codec *codec, const struct bench_code *code, struct failure *failure)
{
    struct bench_coded coded = {0};
    struct bench_set set = {0};
    int result;

    bench_progress(code->name);
    if (bench_encode(&code->policy, &codec->data, &coded, failure) < 0)
        return -1;
    result = bench_set_make(&set, &codec->data, &coded, 1, set_tiles(codec),
                            codec->options->page_size, codec->team, failure);
    if (result == 0)
        result = measure_set(codec, &set, code, coded.bits, failure);
    /* the crc is that of any bytes: once is enough */
    if (result == 0 && code == &bench_zstd)
        result = measure_set(codec, &set, NULL, 0, failure);
    bench_set_free(&set);
    bench_coded_free(&coded);
    return result;
}

/* An encoder for each worker; copy: memcpy instead. */
struct encoding {
    const struct codec *codec;
    char name[32];
    struct encode_policy policy;
    bool copy;
    size_t tiles;
    struct encoder **encoders;
    struct encoded_tile *out;
};

static int encode_pass(void *context, struct bench_worker *worker, struct failure *failure)
{
    struct encoding *encoding = context;
    const struct bench_data *data = &encoding->codec->data;

    for (size_t i = 0; i < encoding->tiles; i++) {
        const struct bench_piece *piece =
            &data->pieces[(worker->index * encoding->tiles + i) % data->count];

        if (encoding->copy)
            memcpy(worker->tile, piece->bytes, piece->length);
        else if (encode_tile(encoding->encoders[worker->index], LWC_DTYPE_BF16, 0, piece->bytes,
                             piece->length, &encoding->out[worker->index]) < 0)
            return fail(failure, "out of memory for an encoded tile");
    }
    return 0;
}

static int open_encoding(struct encoding *encoding, unsigned int workers, struct failure *failure)
{
    encoding->encoders = calloc(workers, sizeof(struct encoder *));
    encoding->out = calloc(workers, sizeof(*encoding->out));
    for (unsigned int i = 0; encoding->encoders && encoding->out && i < workers; i++) {
        encoding->encoders[i] = encoder_new(&encoding->policy);
        if (!encoding->encoders[i])
            return fail(failure, "out of memory for an encoder");
    }
    return encoding->encoders && encoding->out ? 0 : fail(failure, "out of memory for encoders");
}

static void close_encoding(struct encoding *encoding, unsigned int workers)
{
    for (unsigned int i = 0; encoding->encoders && encoding->out && i < workers; i++) {
        encoder_free(encoding->encoders[i]);
        free(encoding->out[i].data);
    }
    free(encoding->encoders);
    free(encoding->out);
}

static double encoding_bytes(const struct encoding *encoding, unsigned int workers)
{
    const struct bench_data *data = &encoding->codec->data;
    double bytes = 0;

    for (size_t i = 0; i < workers * encoding->tiles; i++)
        bytes += data->pieces[i % data->count].length;
    return bytes;
}

/* memcpy, the policies of pack, and each structure by itself. */
static size_t list_encodings(struct codec *codec, struct encoding *list, size_t room)
{
    static const char *const favors[] = {"size", "balanced", "speed"};
    size_t count = 1;

    list[0].copy = true;
    for (size_t i = 0; i < sizeof(favors) / sizeof(favors[0]); i++) {
        snprintf(list[count].name, sizeof(list[count].name), "--favor %s", favors[i]);
        if (favor_parse(favors[i], &list[count].policy) == 0)
            count++;
    }
    for (size_t i = 0; i < bench_structure_count && count < room; i++) {
        snprintf(list[count].name, sizeof(list[count].name), "%s", bench_structures[i].name);
        list[count++].policy = bench_structures[i].policy;
    }
    for (size_t i = 0; i < count; i++) {
        list[i].codec = codec;
        list[i].tiles = codec->options->quick    ? 1
                        : list[i].policy.try_all ? ENCODED_SLOWLY
                                                 : ENCODED_TILES;
    }
    return count;
}

static int race_encodings(struct codec *codec, struct encoding *list, size_t count,
                          struct failure *failure)
{
    unsigned int workers = bench_team_workers(codec->team);
    struct bench_entrant entrants[MAX_ENTRANTS];

    for (size_t i = 0; i < count; i++) {
        if (open_encoding(&list[i], workers, failure) < 0)
            return -1;
        entrants[i] =
            (struct bench_entrant){encode_pass, &list[i], encoding_bytes(&list[i], workers), 0};
    }
    if (bench_race(codec->team, entrants, count, codec->options->quick, failure) < 0)
        return -1;
    for (size_t i = 1; i < count; i++) {
        struct bench_coded coded;
        struct result *result = add_result(codec, bench_rate(&entrants[i]),
                                           bench_rate(&entrants[0]), entrants[i].bytes);

        if (bench_encode(&list[i].policy, &codec->data, &coded, failure) < 0)
            return -1;
        result->bits = coded.bits;
        result->where = "cache";
        bench_coded_free(&coded);
        snprintf(result->row.name, sizeof(result->row.name), "encode %s", list[i].name);
    }
    return 0;
}

static int measure_encoders(struct codec *codec, struct failure *failure)
{
    struct encoding list[MAX_ENTRANTS] = {0};
    size_t count = list_encodings(codec, list, MAX_ENTRANTS);
    int result;

    bench_progress("encoders");
    codec->page_size = BENCH_SMALL_PAGE;
    result = race_encodings(codec, list, count, failure);
    for (size_t i = 0; i < count; i++)
        close_encoding(&list[i], bench_team_workers(codec->team));
    return result;
}

static json_t *result_json(const struct codec *codec, const struct result *result)
{
    json_t *object = bench_row_json(&result->row);

    if (!object || json_object_set_new(object, "from", json_string(result->where)) < 0)
        return object;
    if (result->bits > 0) {
        json_object_set_new(object, "bits_per_weight", json_real(result->bits));
        json_object_set_new(object, "bound_bits_per_weight", json_real(codec->bound));
    }
    return object;
}

static int print_json(const struct codec *codec, struct failure *failure)
{
    json_t *array = json_array();

    for (size_t i = 0; i < codec->count; i++)
        if (json_array_append_new(array, result_json(codec, &codec->results[i])) < 0) {
            json_decref(array);
            array = NULL;
            break;
        }
    return bench_print_json(array, failure);
}

static void bits_cell(struct bench_table *table, const struct result *result, double bits)
{
    if (result->bits > 0)
        bench_cell(table, "%.3f", bits);
    else
        bench_cell(table, "-");
}

static int print_table(const struct codec *codec, struct failure *failure)
{
    static const char *const heading[] = {"",      "isa",  "pages",  "bits",
                                          "bound", "GB/s", "memcpy", "ratio"};
    struct bench_table table = {.columns = 8, .left = 2};

    printf("%zu bf16 tiles%s%s, %u thread%s; GB/s of decoded bytes\n\n", codec->data.count,
           codec->options->file ? " of " : ", Gaussian",
           codec->options->file ? codec->options->file : "", bench_team_workers(codec->team),
           bench_team_workers(codec->team) == 1 ? "" : "s");
    for (size_t i = 0; i < table.columns; i++)
        bench_cell(&table, "%s", heading[i]);
    for (size_t i = 0; i < codec->count; i++) {
        const struct result *result = &codec->results[i];
        const struct bench_row *row = &result->row;

        bench_cell(&table, "%s", row->name);
        bench_cell(&table, "%s", row->isa);
        bench_cell(&table, "%s", bench_page_name(row->page_size));
        bits_cell(&table, result, result->bits);
        bits_cell(&table, result, codec->bound);
        bench_cell(&table, "%.3g", row->gb_per_s);
        bench_cell(&table, "%.3g", row->baseline);
        bench_cell(&table, "%.3f", row->gb_per_s / row->baseline);
    }
    return bench_print_table(&table, failure);
}

static int load_data(struct codec *codec, struct failure *failure)
{
    size_t tiles = codec->options->quick ? QUICK_TILES : DISTINCT_TILES;
    int result = codec->options->file
                     ? bench_data_file(codec->options->file, tiles, &codec->data, failure)
                     : bench_data_gaussian(tiles, LWC_TILE_TARGET, &codec->data, failure);

    if (result == 0)
        codec->bound = bench_data_bound(&codec->data);
    return result;
}

static int measure(const struct bench_options *options, struct failure *failure)
{
    struct codec codec = {.options = options};
    int result = load_data(&codec, failure);

    if (result == 0)
        result = bench_isa(&codec.isa, failure);
    if (result == 0) {
        codec.team = bench_team_new(options->first_threads, failure);
        result = codec.team ? 0 : -1;
    }
    for (size_t i = 0; i < bench_structure_count && result == 0; i++)
        result = measure_code(&codec, &bench_structures[i], failure);
    if (result == 0)
        result = measure_code(&codec, &bench_zstd, failure);
    if (result == 0)
        result = measure_encoders(&codec, failure);
    bench_progress(NULL);
    if (result == 0)
        result = options->json ? print_json(&codec, failure) : print_table(&codec, failure);
    bench_team_free(codec.team);
    bench_data_free(&codec.data);
    return result;
}

const struct bench_part bench_codec = {
    .command =
        {
            .name = "bench codec",
            .usage = "[FILE] [-j N] [--page-size 4k|2M] [--quick] [--json]",
            .summary = "decode and encode tiles against memcpy",
            .help =
                "FILE              a .safetensors file or a container: up to 64 of its bf16 tiles\n"
                "                  (default: Gaussian weights, 64 tiles of 128 KiB)\n"
                "-j N              threads (default: 1)\n"
                "--page-size P     of the tiles' memory: 4k (default) or 2M\n"
                "--hugepages       --page-size 2M\n"
                "--quick           little data, few passes: shows that it works\n"
                "--json            for scripts\n\n"
                "cache: a few tiles, again and again; dram: more bytes than the L3 caches\n"
                "hold, in sequence. Both go to one buffer a thread, as memcpy of the decoded\n"
                "bytes does. bits: stored for a weight, tile entries too; bound: order-0.\n"
                "isa auto: the code chooses by itself. zstd -1: on byte planes, for comparison.\n",
        },
    .accepted = "fjpHqJ",
    .threads = 1,
    .measure = measure,
};
