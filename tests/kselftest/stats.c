/* SPDX-License-Identifier: BSD-3-Clause */
/* What the module shows of itself: sysfs, fdinfo, trace events and the log agree with what was
 * done. */
#include "libtables.h"
#include "libthrottle.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define SYSFS "/sys/class/misc/lwcmem/"
#define BUCKETS 24
#define TRACING "/sys/kernel/tracing/"
#define TOUCHED 20 /* tiles */

static uint64_t figure(const char *name)
{
    char path[80];
    uint64_t value;

    snprintf(path, sizeof(path), SYSFS "%s", name);
    CHECK(read_number(path, NULL, &value), "%s: no number", path);
    return value;
}

static void first_line(const char *path, const char *key, char *line, size_t size)
{
    FILE *file = fopen(path, "re");
    bool found = false;

    CHECK(file, "%s: %m", path);
    while (!found && fgets(line, (int)size, file))
        found = !strncmp(line, key, strlen(key));
    fclose(file);
    CHECK(found, "%s: no line with %s", path, key);
}

/* The sum of a line with a number for each bucket, from the first-th on. */
static uint64_t sum_from(const char *path, const char *key, int first)
{
    char line[1000], *at = line + strlen(key);
    uint64_t sum = 0;
    int count = 0;

    first_line(path, key, line, sizeof(line));
    for (char *end; *at && *at != '\n'; at = end, count++) {
        uint64_t value = strtoull(at, &end, 10);

        CHECK(end != at, "%s: %s: not a list of numbers", path, key);
        sum += count >= first ? value : 0;
    }
    CHECK(count == BUCKETS, "%s: %s: %d numbers", path, key, count);
    return sum;
}

static uint64_t sum_buckets(const char *path, const char *key)
{
    return sum_from(path, key, 0);
}

static const char *fdinfo_path(int fd)
{
    static char path[40];

    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
    return path;
}

static uint64_t fdinfo(int fd, const char *key)
{
    uint64_t value;

    CHECK(read_number(fdinfo_path(fd), key, &value), "fdinfo: no %s", key);
    return value;
}

static uint64_t parts_of(int fd)
{
    return sum_buckets(fdinfo_path(fd), "lwcmem-latency:");
}

/* One byte in each of the tiles at the start of the view, which is cold. */
static void touch_tiles(const struct view *view, int tiles)
{
    uint32_t tile_bytes = region_info(view->fd).tile_bytes;

    CHECK(tile_bytes % PAGE == 0, "tiles of %u bytes share pages", tile_bytes);
    CHECK((uint64_t)tile_bytes * tiles <= view->size, "the model is too small");
    CHECK_OK(posix_fadvise(view->fd, 0, 0, POSIX_FADV_RANDOM));
    for (int i = 0; i < tiles; i++)
        check_range(view, (uint64_t)i * tile_bytes + tile_bytes / 2, 1);
}

static struct view open_cold(const char *model)
{
    struct view view = open_arena(model);

    make_cold(&view);
    return view;
}

static void agrees_with_query(void)
{
    struct view view = open_arena("tiny");
    struct lwcmem_query now;
    char isa[20];

    check_read(&view, 65536);
    now = query(open_control());
#define SAME(name) CHECK(figure(#name) == now.name, #name ": %" PRIu64, figure(#name))
    SAME(abi);
    SAME(incompat);
    SAME(tile_max);
    SAME(backings);
    SAME(regions);
    SAME(tiles_decoded);
    SAME(bytes_decoded);
    SAME(tiles_failed);
#undef SAME
    CHECK(now.tiles_decoded && now.regions == 1, "nothing was counted");
    first_line(SYSFS "isa", "", isa, sizeof(isa));
    isa[strcspn(isa, "\n")] = 0;
    CHECK(now.isa == (!strcmp(isa, "scalar") ? 1
                      : !strcmp(isa, "bmi2") ? 2
                      : !strcmp(isa, "avx2") ? 4
                                             : 8u * !strcmp(isa, "avx512")),
          "isa is %s, QUERY says %u", isa, now.isa);
}

static void anybody_reads(void)
{
    static const char *const names[] = {"abi",           "incompat",      "isa",
                                        "tile_max",      "backings",      "regions",
                                        "tiles_decoded", "bytes_decoded", "bytes_stored_read",
                                        "tiles_failed",  "latency"};
    struct stat stat;
    char path[80];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), SYSFS "%s", names[i]);
        CHECK(!lstat(path, &stat), "%s: %m", path);
        CHECK((stat.st_mode & 07777) == 0444, "%s: mode 0%o", path, stat.st_mode & 07777);
    }
}

/* Of all regions together: what sysfs grew by is what they say of themselves. */
static void adds_up(void)
{
    static const char *const models[] = {"tiny", "odd", "aligned"};
    uint64_t tiles = figure("tiles_decoded"), bytes = figure("bytes_decoded");
    uint64_t stored = figure("bytes_stored_read"), parts = sum_buckets(SYSFS "latency", "");

    for (int i = 0; i < 3; i++) {
        struct view view = open_cold(models[i]);
        struct lwcmem_info info;

        check_read(&view, 1 << 18);
        check_mapped(&view);
        make_cold(&view); /* nothing is under way any more */
        info = region_info(view.fd);
        CHECK(info.bytes_stored_read && info.tiles_decoded, "%s: nothing was read", models[i]);
        tiles += info.tiles_decoded;
        bytes += info.bytes_decoded;
        stored += info.bytes_stored_read;
        parts += parts_of(view.fd);
    }
    CHECK(figure("tiles_decoded") == tiles, "tiles_decoded");
    CHECK(figure("bytes_decoded") == bytes, "bytes_decoded");
    CHECK(figure("bytes_stored_read") == stored, "bytes_stored_read");
    CHECK(sum_buckets(SYSFS "latency", "") == parts, "latency");
}

static void part_for_each(void)
{
    struct view view = open_cold("aligned");
    uint64_t before = sum_buckets(SYSFS "latency", "");

    touch_tiles(&view, TOUCHED);
    CHECK(parts_of(view.fd) == TOUCHED, "%d parts were asked for, fdinfo has %" PRIu64, TOUCHED,
          parts_of(view.fd));
    CHECK(sum_buckets(SYSFS "latency", "") == before + TOUCHED, "sysfs has another number");
    /* what is cached is not asked for again */
    touch_tiles(&view, TOUCHED);
    CHECK(parts_of(view.fd) == TOUCHED, "cached tiles count");
}

static void part_for_each_direct(void)
{
    struct view view = open_cold("aligned");
    size_t length = (size_t)TOUCHED * region_info(view.fd).tile_bytes;
    uint64_t tiles;
    void *memory;

    CHECK(length + PAGE <= view.size, "the model is too small");
    CHECK(!posix_memalign(&memory, PAGE, length), "no memory");
    set_direct(view.fd);
    CHECK(pread(view.fd, memory, length, 0) == (ssize_t)length, "pread of whole tiles: %m");
    /* objects end with shorter tiles */
    tiles = region_info(view.fd).tiles_decoded;
    CHECK(tiles >= TOUCHED && parts_of(view.fd) == tiles,
          "%" PRIu64 " tiles were read, fdinfo has %" PRIu64 " parts", tiles, parts_of(view.fd));
    /* the start of a tile is a part, too */
    CHECK(pread(view.fd, memory, PAGE, length) == PAGE, "pread of a page: %m");
    CHECK(parts_of(view.fd) == tiles + 1, "a part of a tile does not count");
    compare(memory, view.want + length, PAGE, length, view.what);
    free(memory);
}

struct slow_read {
    struct view view;
    uint64_t at;
};

static void read_slowly(void *argument)
{
    const struct slow_read *read = argument;

    check_range(&read->view, read->at, 1);
}

/* A tile that takes a tenth of a second is where the long ones are. */
static void part_is_slow(void)
{
    enum { MILLISECONDS = 100, BUCKET = 17 /* from 65.536 ms on */ };
    struct tables tables = open_tables(data_path("story.lwc"));
    struct throttle *throttle = throttle_start(data_path("story.lwc"));
    struct tile tile = lone_tile(&tables, 0);
    struct slow_read slow = {.view.what = "throttled story ARENA", .at = tile.start};
    struct view *view = &slow.view;
    uint64_t in_sysfs, in_fdinfo;
    pid_t reader;
    int hold;

    view->fd = attach_path(throttle_path(), LWCMEM_VIEW_ARENA, 0);
    view->want = map_expected(data_path("story.arena"), tables.sb->arena_size);
    CHECK_OK(posix_fadvise(view->fd, 0, 0, POSIX_FADV_RANDOM));
    check_range(view, tile.start - PAGE, 1);
    in_sysfs = sum_from(SYSFS "latency", "", BUCKET);
    in_fdinfo = sum_from(fdinfo_path(view->fd), "lwcmem-latency:", BUCKET);
    hold = throttle_hold(throttle, tile.stored_at, tile.stored_at + tile.stored);
    reader = start_child(read_slowly, &slow);
    throttle_wait(throttle, hold, 1, 40);
    sleep_ms(MILLISECONDS);
    throttle_release(throttle, hold);
    join_child(reader, "the reader");
    CHECK(sum_from(SYSFS "latency", "", BUCKET) == in_sysfs + 1, "sysfs does not have it there");
    CHECK(sum_from(fdinfo_path(view->fd), "lwcmem-latency:", BUCKET) == in_fdinfo + 1,
          "fdinfo does not have it there");
}

static void memory_shown(void)
{
    struct view view = open_cold("aligned");
    uint64_t before = fdinfo(view.fd, "lwcmem-bytes-buffers"), cached;
    static uint8_t page[PAGE] __attribute__((aligned(PAGE)));

    CHECK(before > 2 * LWC_TILE_MAX, "one buffer has %" PRIu64 " bytes", before);
    check_read(&view, 1 << 18);
    cached = fdinfo(view.fd, "lwcmem-bytes-cached");
    CHECK(cached == (view.size + PAGE - 1) / PAGE * PAGE, "%" PRIu64 " bytes are cached", cached);
    CHECK(fdinfo(view.fd, "lwcmem-bytes-buffers") % before == 0, "buffers differ in size");
    /* parts of two tiles, whose rest somebody may want */
    set_direct(view.fd);
    for (uint64_t at = 0; at < view.size; at += view.size / 2 / PAGE * PAGE)
        CHECK(pread(view.fd, page, PAGE, (off_t)at) > 0, "pread: %m");
    CHECK(fdinfo(view.fd, "lwcmem-bytes-buffers") > before, "no buffer was added");
    make_cold(&view);
    CHECK(!fdinfo(view.fd, "lwcmem-bytes-cached"), "a cold region has pages");
}

/* --- the tool --- */

/* What lwcmem says; its exit status must be so. */
static const char *tool(const char *arguments, int status)
{
    static char text[65536];
    const char *program = getenv("LWCMEM");
    char command[200];
    size_t length;
    FILE *pipe;

    snprintf(command, sizeof(command), "%s %s 2>&1", program ? program : "/bin/lwcmem", arguments);
    pipe = popen(command, "re");
    CHECK(pipe, "%s: %m", command);
    length = fread(text, 1, sizeof(text) - 1, pipe);
    text[length] = 0;
    CHECK(pclose(pipe) == status << 8, "%s does not exit with %d: %.300s", command, status, text);
    return text;
}

/* The number of a key, behind a place in the text. */
static uint64_t json_number(const char *text, const char *key)
{
    char quoted[60];
    const char *at;

    snprintf(quoted, sizeof(quoted), "\"%s\":", key);
    at = strstr(text, quoted);
    CHECK(at, "no %s in %.300s", key, text);
    return strtoull(at + strlen(quoted), NULL, 10);
}

static void stat_agrees(void)
{
    struct view view = open_cold("aligned"), again = open_arena("aligned");
    const char *text, *open, *region;
    struct lwcmem_info info;
    char process[40];

    touch_tiles(&view, TOUCHED);
    info = region_info(view.fd);
    text = tool("stat --json", 0);
    CHECK(json_number(text, "backings") == 1 && json_number(text, "regions") == 2, "%.300s", text);
    CHECK(json_number(text, "tiles_decoded") == figure("tiles_decoded"), "tiles_decoded");
    CHECK(json_number(text, "bytes_decoded") == figure("bytes_decoded"), "bytes_decoded");
    CHECK(json_number(text, "bytes_stored_read") == figure("bytes_stored_read"), "stored");
    CHECK(json_number(text, "tiles_failed") == figure("tiles_failed"), "tiles_failed");
    CHECK(json_number(text, "parts") == sum_buckets(SYSFS "latency", ""), "parts");
    open = strstr(text, "\"open\":");
    snprintf(process, sizeof(process), "\"pid\":%d,", getpid());
    region = open ? strstr(open, process) : NULL;
    CHECK(region, "this process is not shown: %.300s", open ? open : text);
    CHECK(json_number(region, "descriptors") == 2, "two descriptors are shown as one region");
    CHECK(strstr(region, data_path("aligned.lwc")), "the container's path");
    CHECK(json_number(region, "tiles_decoded") == info.tiles_decoded, "its tiles_decoded");
    CHECK(json_number(region, "bytes_decoded") == info.bytes_decoded, "its bytes_decoded");
    CHECK(json_number(region, "parts") == TOUCHED, "its parts");
    CHECK(json_number(region, "bytes_cached") == fdinfo(view.fd, "lwcmem-bytes-cached"), "cached");
    CHECK(json_number(region, "bytes_buffers"), "no buffers");
    CHECK(strstr(tool("stat", 0), "2 open regions"), "the table: %.300s", tool("stat", 0));
    close(again.fd);
}

static void doctor_sees(void)
{
    const char *text = tool("doctor", 0);

    CHECK(strstr(text, "ok       module                  version ") &&
              strstr(text, "ok       device                  mode 0660, group "),
          "%.600s", text);
}

static void without_module(void)
{
    CHECK(!unload_module(), "the module does not unload");
    CHECK(strstr(tool("stat", 1), "the kernel module is not loaded"), "stat");
    CHECK(strstr(tool("doctor", 0), "missing  module                  not loaded"), "doctor");
    CHECK(!load_module(getenv("LWCMEM_PARAMS") ?: ""), "the module does not load again");
}

/* --- trace events --- */

static void stop_tracing(void)
{
    write_text(TRACING "events/lwcmem/enable", "0");
    write_text(TRACING "trace", "\n");
}

static void start_tracing(void)
{
    if (access(TRACING "events", F_OK))
        mount("none", TRACING, "tracefs", 0, NULL);
    if (access(TRACING "events", F_OK))
        test_skip("this kernel has no trace events (CONFIG_FTRACE)");
    write_text(TRACING "trace", "\n");
    CHECK(write_text(TRACING "events/lwcmem/enable", "1"), "events/lwcmem/enable: %m");
    test_at_end(stop_tracing);
}

struct traced {
    int lines;
    uint64_t sums[4]; /* of the numbers after up to four keys */
    char last[400];
};

/* The lines of an event that name the container, and the sums over their fields. */
static struct traced traced(const char *event, const char *container, const char *const keys[4])
{
    FILE *trace = fopen(TRACING "trace", "re");
    struct traced traced = {0};
    struct stat stat;
    char name[60], id[80], line[400];

    CHECK(trace, TRACING "trace: %m");
    CHECK(!lstat(container, &stat), "%s: %m", container);
    snprintf(name, sizeof(name), " %s: ", event);
    snprintf(id, sizeof(id), " container %u:%u:%llu ", major(stat.st_dev), minor(stat.st_dev),
             (unsigned long long)stat.st_ino);
    while (fgets(line, sizeof(line), trace)) {
        if (!strstr(line, name) || !strstr(line, id))
            continue;
        traced.lines++;
        strcpy(traced.last, line);
        for (int i = 0; i < 4 && keys && keys[i]; i++) {
            const char *at = strstr(line, keys[i]);

            CHECK(at, "%s: no %s", line, keys[i]);
            traced.sums[i] += strtoull(at + strlen(keys[i]), NULL, 10);
        }
    }
    fclose(trace);
    return traced;
}

static void events_counted(void)
{
    static const char *const keys[4] = {" decoded ", " stored ", " read_ns ", " decode_ns "};
    const char *container = data_path("aligned.lwc");
    struct lwcmem_info info;
    struct traced end;
    struct view view;
    char length[80];

    start_tracing();
    view = open_cold("aligned");
    touch_tiles(&view, TOUCHED);
    info = region_info(view.fd);
    CHECK(traced("lwcmem_region_create", container, NULL).lines == 1, "region_create");
    snprintf(length, sizeof(length), "generation %" PRIu64 " view 0 file 0 length %" PRIu64,
             (uint64_t)info.generation, view.size);
    CHECK(strstr(traced("lwcmem_region_create", container, NULL).last, length),
          "region_create does not say %s", length);
    CHECK(traced("lwcmem_tile_begin", container, NULL).lines == TOUCHED, "tile_begin");
    end = traced("lwcmem_tile_end", container, keys);
    CHECK(end.lines == TOUCHED, "tile_end: %d lines", end.lines);
    CHECK(end.sums[0] == info.bytes_decoded, "decoded: %" PRIu64, end.sums[0]);
    CHECK(end.sums[1] == info.bytes_stored_read, "stored: %" PRIu64, end.sums[1]);
    CHECK(end.sums[2] > 0 && end.sums[3] > 0, "no time was spent");
    CHECK(end.sums[2] < 60000000000 && end.sums[3] < 60000000000, "more time than there was");
    CHECK(!traced("lwcmem_tile_error", container, NULL).lines, "tile_error");
}

static void error_traced(void)
{
    const char *container = data_path("story-bad.lwc"), *info = data_path("story-bad.info");
    uint64_t start, tile;
    char want[80], byte;
    int region;

    CHECK(read_number(info, "arena_start", &start) && read_number(info, "tile", &tile), "%s", info);
    start_tracing();
    region = attach_path(container, LWCMEM_VIEW_ARENA, 0);
    CHECK_OK(posix_fadvise(region, 0, 0, POSIX_FADV_RANDOM));
    CHECK_ERROR(pread(region, &byte, 1, start), EIO);
    snprintf(want, sizeof(want), " tile %" PRIu64 " error -%d", tile, EBADMSG);
    CHECK(traced("lwcmem_tile_error", container, NULL).lines > 0, "no tile_error");
    CHECK(strstr(traced("lwcmem_tile_error", container, NULL).last, want),
          "tile_error does not say %s", want);
    CHECK(traced("lwcmem_tile_begin", container, NULL).lines ==
              traced("lwcmem_tile_error", container, NULL).lines +
                  traced("lwcmem_tile_end", container, NULL).lines,
          "not each begin has an end or an error");
}

/* --- the log --- */

/* A file name may hold what moves a terminal's cursor. The log's own escape of a byte is \xNN. */
static void names_escaped(void)
{
    uint64_t start;
    char byte;
    int log, region;

    CHECK(read_number(data_path("story-bad.info"), "arena_start", &start), "story-bad.info");
    unlink(data_path("bad\033[2Jname.lwc"));
    CHECK_OK(link(data_path("story-bad.lwc"), data_path("bad\033[2Jname.lwc")));
    region = attach_path(data_path("bad\033[2Jname.lwc"), LWCMEM_VIEW_ARENA, 0);
    sleep_ms(6000); /* the rate limit must not hide the line */
    log = open_log();
    CHECK_ERROR(pread(region, &byte, 1, start), EIO);
    CHECK_OK(unlink(data_path("bad\033[2Jname.lwc")));
    CHECK(log_has(log, "lwcmem: ", "bad\\x5ce[2Jname.lwc: ", "tensor ", 10),
          "no line of the log has the escaped name");
}

static const struct test_case cases[] = {
    {"sysfs agrees with QUERY", agrees_with_query, 0},
    {"anybody may read sysfs", anybody_reads, 0},
    {"sysfs adds up with the regions", adds_up, 120},
    {"the histogram has each part of a tile once", part_for_each, 0},
    {"and each of a direct read", part_for_each_direct, 0},
    {"a slow part is counted as one", part_is_slow, 0},
    {"fdinfo shows the memory that is held", memory_shown, 0},
    {"lwcmem stat agrees", stat_agrees, 120},
    {"lwcmem doctor sees module and device", doctor_sees, 0},
    {"lwcmem stat and doctor without the module", without_module, 0},
    {"trace events of decoded tiles", events_counted, 0},
    {"trace event of a damaged tile", error_traced, 0},
    {"the log escapes file names", names_escaped, 0},
};

int main(void)
{
    return RUN_CASES(cases);
}
