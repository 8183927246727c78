/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ring through both fills: parts hold the tensors' rows, pass after pass,
 * in every way in which a region can be read; and what happens when it fails.
 *
 * A region is played by a file with the arena's bytes, or by /proc/self/mem: an
 * arena in this process, whose unmapped pages give EIO. The device is played by
 * the ioctl of ring_world.h.
 */
#include "ring_world.h"
#include <liburing.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define PASSES 5

/* What the module says about the container's region. */
static void answer_info(void)
{
    struct failure failure;
    struct container *container = container_open(world.container, &failure);
    const struct lwc_superblock *superblock = container_superblock(container);

    module.info = (struct lwcmem_info){.size = sizeof(module.info),
                                       .length = superblock->arena_size,
                                       .generation = superblock->generation,
                                       .isa = LWC_ISA_SCALAR,
                                       .tiles_decoded = 7};
    memcpy(module.info.uuid, superblock->uuid, sizeof(module.info.uuid));
    container_close(container);
}

#define UNITS (2 + (TENSORS - 3 + LWCMEM_UNIT_TENSORS - 1) / LWCMEM_UNIT_TENSORS)

/* One model with its units: the ragged ones, the large one, the many. */
struct run {
    struct lwcmem_model *model;
    struct lwcmem_tensor tensors[TENSORS];
    struct lwcmem_unit units[UNITS];
    uint64_t memory; /* for lwcmem_ring_start */
    char error[LWCMEM_ERROR_SIZE];
};

static struct run *open_run(enum lwcmem_backend backend, enum region_reads reads, uint32_t limit)
{
    struct run *run = calloc(1, sizeof(*run));
    struct lwcmem_options options = {.backend = backend, .threads = 3, .device = world.device};

    answer_info();
    run->model = lwcmem_open(world.container, &options, run->error);
    if (!run->model)
        fail_msg("%s", run->error);
    run->model->reads = reads;
    run->model->read_limit = limit;
    for (int i = 0; i < TENSORS; i++) {
        char name[5];

        snprintf(name, sizeof(name), "t%03d", i);
        assert_int_equal(lwcmem_find(run->model, name, &run->tensors[i], run->error), 1);
    }
    run->units[0] = (struct lwcmem_unit){run->tensors, 2};
    run->units[1] = (struct lwcmem_unit){run->tensors + 2, 1};
    for (size_t i = 2, at = 3; i < UNITS; i++, at += LWCMEM_UNIT_TENSORS)
        run->units[i] = (struct lwcmem_unit){run->tensors + at, TENSORS - at < LWCMEM_UNIT_TENSORS
                                                                    ? TENSORS - at
                                                                    : LWCMEM_UNIT_TENSORS};
    return run;
}

static int plan_and_start(struct run *run)
{
    uint64_t least;

    if (lwcmem_plan(run->model, run->units, UNITS, &least, run->error) < 0)
        return -1;
    return lwcmem_ring_start(run->model, run->memory, 0, run->error);
}

static void start_run(struct run *run)
{
    if (plan_and_start(run) < 0)
        fail_msg("%s", run->error);
}

/* One region descriptor for another. */
static void swap_region(struct run *run, const char *path)
{
    close(run->model->region);
    run->model->region = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(run->model->region >= 0);
}

static void close_run(struct run *run)
{
    lwcmem_close(run->model);
    free(run);
}

/* Are the part's rows those behind the rows before it, with the right bytes? next: of each tensor.
 */
static bool part_is_right(struct run *run, size_t unit, const struct lwcmem_part *part,
                          uint64_t next[LWCMEM_UNIT_TENSORS])
{
    for (size_t i = 0; i < run->units[unit].count; i++) {
        const struct lwcmem_tensor *tensor = &run->units[unit].tensors[i];
        const struct lwcmem_range *rows = &part->rows[i];
        uint64_t row = tensor->rows ? tensor->size / tensor->rows : 0;
        const uint8_t *bytes, *want = world.bytes + world.objects[tensor->object].arena_offset;

        if (!rows->count && (!part->last || next[i] == tensor->rows))
            continue;
        bytes = ring_rows(run->model->ring, tensor, rows->first, rows->count);
        if (rows->first != next[i] || !bytes ||
            memcmp(bytes, want + rows->first * row, rows->count * row)) {
            snprintf(run->error, sizeof(run->error), "tensor %zu of unit %zu is wrong", i, unit);
            return false;
        }
        next[i] += rows->count;
    }
    return true;
}

/* 0, or -1 with the error at the first part that does not come, or is wrong. */
static int use_unit(struct run *run, size_t unit, bool check, uint64_t *parts)
{
    uint64_t next[LWCMEM_UNIT_TENSORS] = {0};
    struct lwcmem_part part;

    do {
        if (lwcmem_part_wait(run->model, unit, &part, run->error) < 0 ||
            (check && !part_is_right(run, unit, &part, next)) ||
            lwcmem_part_done(run->model, unit, run->error) < 0)
            return -1;
        ++*parts;
    } while (!part.last);
    for (size_t i = 0; check && i < run->units[unit].count; i++)
        if (next[i] != run->units[unit].tensors[i].rows) {
            snprintf(run->error, sizeof(run->error), "unit %zu ends early", unit);
            return -1;
        }
    return 0;
}

/* Parts of a pass, or -1. */
static int use_units(struct run *run, int passes, bool check)
{
    uint64_t parts = 0;

    for (int pass = 0; pass < passes; pass++)
        for (size_t unit = 0; unit < UNITS; unit++)
            if (use_unit(run, unit, check, &parts) < 0)
                return -1;
    return (int)(parts / (unsigned int)passes);
}

static void expect(const char *text, const char *part)
{
    if (!text || !strstr(text, part))
        fail_msg("\"%s\" does not say \"%s\"", text ? text : "", part);
}

static bool uring_allowed(void)
{
    struct io_uring uring;
    int result = io_uring_queue_init(8, &uring, 0);

    if (result == 0)
        io_uring_queue_exit(&uring);
    else
        print_message("# no io_uring here: %s\n", strerror(-result));
    return result == 0;
}

static const enum region_reads all_reads[] = {REGION_FIXED, REGION_READ, REGION_PREAD};

static void user_fill_gives_the_bytes(void **unused)
{
    struct run *run = open_run(LWCMEM_BACKEND_USER, REGION_FIXED, 0);
    struct lwcmem_counters counters;

    (void)unused;
    start_run(run);
    if (use_units(run, PASSES, true) < 0)
        fail_msg("%s", run->error);
    lwcmem_counters(run->model, &counters);
    assert_true(counters.bytes_ring > 0 && counters.tiles_decoded > 0);
    assert_true(counters.bytes_stored > 0);
    assert_int_equal(counters.bytes_past, 0);
    assert_int_equal(counters.bytes_kernel, 0);
    close_run(run);
}

static uint64_t least_memory(enum lwcmem_backend backend)
{
    struct run *run = open_run(backend, REGION_FIXED, 0);
    uint64_t least;

    assert_int_equal(lwcmem_plan(run->model, run->units, UNITS, &least, run->error), 0);
    close_run(run);
    return least;
}

/* Whatever the memory, all rows come, in more parts if there is less of it. */
static void any_memory_gives_the_bytes(void **unused)
{
    static const enum lwcmem_backend backends[] = {LWCMEM_BACKEND_USER, LWCMEM_BACKEND_KMOD};
    static const uint64_t more[] = {0, 70001, 1 << 20, 3 << 20, 64 << 20};

    (void)unused;
    for (size_t b = 0; b < 2; b++)
        for (size_t r = 0; r < 3; r++)
            for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
                struct run *run = open_run(backends[b], all_reads[r], i == 1 ? 4096 : 0);
                int parts;

                run->memory = least_memory(backends[b]) + more[i];
                start_run(run);
                parts = use_units(run, PASSES, true);
                if (parts < 0)
                    fail_msg("%s", run->error);
                assert_true(parts >= UNITS + (i == 0 ? 10 : 0));
                close_run(run);
            }
}

static void too_little_memory_is_refused(void **unused)
{
    uint64_t least = least_memory(LWCMEM_BACKEND_USER);

    (void)unused;
    for (int used = 0; used < 2; used++) {
        struct run *run = open_run(LWCMEM_BACKEND_USER, REGION_FIXED, 0);
        uint64_t unused_least;

        assert_int_equal(lwcmem_plan(run->model, run->units, UNITS, &unused_least, run->error), 0);
        assert_int_equal(
            lwcmem_ring_start(run->model, least + (used ? 999 : -1), used * 1000, run->error), -1);
        expect(run->error, "too little; at least");
        close_run(run);
    }
}

static void units_out_of_order_are_refused(void **unused)
{
    struct run *run = open_run(LWCMEM_BACKEND_USER, REGION_FIXED, 0);
    struct lwcmem_part part;

    (void)unused;
    start_run(run);
    assert_int_equal(lwcmem_part_wait(run->model, 1, &part, run->error), -1);
    expect(run->error, "unit 1 is not the next one");
    assert_int_equal(lwcmem_part_done(run->model, 2, run->error), -1);
    if (use_units(run, 1, true) < 0)
        fail_msg("%s", run->error);
    close_run(run);
}

/* Bytes of the container's payload that are not what was written. */
static void a_damaged_tile_ends_the_user_fill(void **unused)
{
    struct failure failure;
    struct container *container = container_open(world.container, &failure);
    const struct lwc_object *object = &world.objects[2];
    struct lwc_tile tile;
    uint8_t kept, wrong;
    int fd = open(world.container, O_RDWR);

    (void)unused;
    assert_int_equal(container_tile(container, object, 11, &tile, &failure), 0);
    container_close(container);
    assert_int_equal(pread(fd, &kept, 1, (off_t)tile.offset + 99), 1);
    wrong = kept ^ 4;
    assert_int_equal(pwrite(fd, &wrong, 1, (off_t)tile.offset + 99), 1);
    for (size_t i = 0; i < 3; i++) {
        struct run *run = open_run(LWCMEM_BACKEND_USER, all_reads[i], 0);

        run->memory = i ? 0 : 32 << 20;
        start_run(run);
        assert_int_equal(use_units(run, 2, false), -1);
        expect(run->error, "t002: tile 11:");
        /* and again */
        assert_int_equal(use_units(run, 2, false), -1);
        close_run(run);
    }
    assert_int_equal(pwrite(fd, &kept, 1, (off_t)tile.offset + 99), 1);
    close(fd);
}

/* The file becomes shorter while it is read. */
static void a_file_that_ends_early_is_an_error(void **unused)
{
    struct stat status;

    (void)unused;
    for (size_t i = 0; i < 3; i++) {
        struct run *run = open_run(LWCMEM_BACKEND_USER, all_reads[i], 0);
        const struct lwc_object *object = &world.objects[2];
        struct failure failure;
        struct lwc_tile tile;

        assert_int_equal(container_tile(run->model->container, object, 5, &tile, &failure), 0);
        run->memory = i == 2 ? 0 : 32 << 20;
        assert_int_equal(stat(world.container, &status), 0);
        assert_int_equal(truncate(world.container, (off_t)tile.offset + 77), 0);
        start_run(run);
        assert_int_equal(use_units(run, 2, false), -1);
        expect(run->error, world.container);
        close_run(run);
        write_container(tile_count, 0);
    }
}

/* direct: what is whole pages may be read from another descriptor. */
static void check_kmod_by(enum region_reads reads, uint32_t limit, bool direct)
{
    struct run *run = open_run(LWCMEM_BACKEND_KMOD, reads, limit);
    struct lwcmem_counters counters;
    const char *notice;

    if (direct) {
        run->model->direct = dup(run->model->region);
        run->model->direct_align = 4096;
    }

    start_run(run);
    if (use_units(run, PASSES, true) < 0)
        fail_msg("%s", run->error);
    lwcmem_counters(run->model, &counters);
    notice = lwcmem_notice(run->model);
    assert_true(counters.bytes_ring > 0);
    assert_int_equal(counters.bytes_kernel, counters.bytes_ring);
    assert_int_equal(counters.bytes_fixed, notice ? 0 : counters.bytes_ring);
    assert_true(direct ? counters.bytes_direct > 0 : counters.bytes_direct == 0);
    assert_true(counters.bytes_direct <= counters.bytes_ring);
    assert_int_equal(counters.tiles_decoded, 0);
    if (reads == REGION_PREAD)
        expect(notice, "without io_uring");
    else if (reads == REGION_READ)
        expect(notice, "ulimit -l");
    close_run(run);
}

static void check_kmod(enum region_reads reads, uint32_t limit)
{
    check_kmod_by(reads, limit, false);
    check_kmod_by(reads, limit, true);
}

static void kmod_fill_gives_the_bytes(void **unused)
{
    (void)unused;
    if (!uring_allowed())
        skip();
    check_kmod(REGION_FIXED, 0);
    check_kmod(REGION_READ, 0);
}

static void kmod_fill_works_without_io_uring(void **unused)
{
    (void)unused;
    check_kmod(REGION_PREAD, 0);
    check_kmod(REGION_PREAD, 4999);
}

static void short_reads_go_on(void **unused)
{
    (void)unused;
    if (!uring_allowed())
        skip();
    check_kmod(REGION_FIXED, 4999);
    check_kmod(REGION_READ, 4096);
}

static void damage_is_named(void **unused)
{
    uint64_t arena = (uintptr_t)world.bytes;
    const struct lwc_object *object = &world.objects[2];
    uint8_t *hole = world.bytes + object->arena_offset + 9 * object->tile_bytes + ARENA_PAGE;
    uint8_t kept[ARENA_PAGE];

    (void)unused;
    write_container(tile_count, arena);
    for (size_t i = 0; i < 3; i++) {
        struct run *run = open_run(LWCMEM_BACKEND_KMOD, all_reads[i], 0);

        swap_region(run, "/proc/self/mem");
        start_run(run);
        if (use_units(run, 2, true) < 0)
            fail_msg("%s", run->error);
        close_run(run);
    }
    memcpy(kept, hole, sizeof(kept));
    munmap(hole, sizeof(kept));
    for (size_t i = 0; i < 3; i++) {
        struct run *run = open_run(LWCMEM_BACKEND_KMOD, all_reads[i], 0);

        swap_region(run, "/proc/self/mem");
        start_run(run);
        assert_int_equal(use_units(run, 2, false), -1);
        expect(run->error, world.container);
        expect(run->error, "t002: tile 9:");
        expect(run->error, "lwcmem verify");
        close_run(run);
    }
    assert_ptr_equal(mmap(hole, sizeof(kept), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
                     hole);
    memcpy(hole, kept, sizeof(kept));
    write_container(tile_count, 0);
}

static void a_region_that_ends_early_is_an_error(void **unused)
{
    const struct lwc_object *object = &world.objects[2];
    uint64_t end = object->arena_offset + 3 * object->tile_bytes + 100;

    (void)unused;
    assert_int_equal(truncate(world.arena, (off_t)end), 0);
    for (size_t i = 0; i < 3; i++) {
        struct run *run = open_run(LWCMEM_BACKEND_KMOD, all_reads[i], 0);

        start_run(run);
        assert_int_equal(use_units(run, 2, false), -1);
        expect(run->error, "ends before it");
        close_run(run);
    }
}

static void closing_waits_for_reads(void **unused)
{
    (void)unused;
    for (int round = 0; round < 60; round++) {
        struct run *run = open_run(round % 4 == 3 ? LWCMEM_BACKEND_USER : LWCMEM_BACKEND_KMOD,
                                   all_reads[round % 3], round % 2 ? 0 : 4096);
        struct lwcmem_part part;

        start_run(run);
        if (round % 5 == 0)
            assert_int_equal(lwcmem_part_wait(run->model, 0, &part, run->error), 0);
        close_run(run);
    }
}

/* In a process of its own: what prepare has taken away stays away. */
static void in_child(enum lwcmem_backend backend, void (*prepare)(void), const char *says)
{
    struct run *run = open_run(backend, REGION_FIXED, 0);
    int status;
    pid_t child = fork();

    if (child == 0) {
        const char *notice;
        bool said;

        prepare();
        run->memory = 64 << 20;
        if (plan_and_start(run) < 0 || use_units(run, 2, true) < 0)
            _exit(2);
        notice = lwcmem_notice(run->model);
        said = notice && strstr(notice, says);
        lwcmem_close(run->model);
        _exit(said ? 0 : 3);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close_run(run);
}

static void limit_locked_memory(rlim_t bytes)
{
    struct rlimit limit = {bytes, bytes};

    /* root may lock what it likes */
    if (setrlimit(RLIMIT_MEMLOCK, &limit) < 0 || (!geteuid() && setuid(65534) < 0))
        _exit(4);
}

static void lock_a_little(void)
{
    limit_locked_memory(512 << 10);
}

/* Newer kernels refuse even the io_uring itself. */
static void lock_nothing(void)
{
    limit_locked_memory(0);
}

static void filter_calls(struct sock_filter *filter, size_t count)
{
    struct sock_fprog program = {(unsigned short)count, filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        _exit(4);
}

static void forbid_io_uring(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };

    filter_calls(filter, sizeof(filter) / sizeof(filter[0]));
}

/* As a file system that has no direct I/O. */
static void forbid_direct(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_DIRECT, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };

    filter_calls(filter, sizeof(filter) / sizeof(filter[0]));
}

static void a_limit_of_locked_memory_is_noticed(void **unused)
{
    (void)unused;
    if (!uring_allowed())
        skip();
    in_child(LWCMEM_BACKEND_KMOD, lock_a_little, "without registered buffers");
    in_child(LWCMEM_BACKEND_KMOD, lock_nothing, "ulimit -l");
    in_child(LWCMEM_BACKEND_USER, lock_a_little, "without registered buffers");
    in_child(LWCMEM_BACKEND_USER, lock_nothing, "ulimit -l");
}

static void a_seccomp_filter_is_noticed(void **unused)
{
    (void)unused;
    in_child(LWCMEM_BACKEND_KMOD, forbid_io_uring, "without io_uring (Operation not permitted)");
    in_child(LWCMEM_BACKEND_USER, forbid_io_uring, "without io_uring (Operation not permitted)");
}

static void a_lack_of_direct_io_is_noticed(void **unused)
{
    (void)unused;
    in_child(LWCMEM_BACKEND_USER, forbid_direct, "through the page cache (Invalid argument)");
}

static void refuse(const char *device, const char *says)
{
    struct lwcmem_options options = {.backend = LWCMEM_BACKEND_KMOD, .device = device};
    char error[LWCMEM_ERROR_SIZE];

    assert_null(lwcmem_open(world.container, &options, error));
    expect(error, says);
}

static void attaching_fails_with_advice(void **unused)
{
    static const struct {
        int error;
        const char *says;
    } cases[] = {{ENOTTY, "not the device"},
                 {EBADMSG, "damaged"},
                 {EOPNOTSUPP, "this version"},
                 {ENOMEM, "Cannot allocate"}};

    (void)unused;
    answer_info();
    refuse("/nonexistent/lwcmem", "insmod lwcmem.ko");
    setenv("LWCMEM_DEVICE", "/nonexistent/other", 1);
    refuse(NULL, "/nonexistent/other");
    unsetenv("LWCMEM_DEVICE");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        module.attach_error = cases[i].error;
        refuse(world.device, cases[i].says);
    }
    module.attach_error = 0;
    module.info.uuid[3] ^= 1;
    refuse(world.device, "changed");
}

static void a_region_tells_its_figures(void **unused)
{
    struct run *run = open_run(LWCMEM_BACKEND_KMOD, REGION_FIXED, 0);
    struct lwcmem_region region;

    (void)unused;
    assert_int_equal(lwcmem_region(run->model, &region, run->error), 1);
    assert_int_equal(region.tiles_decoded, 7);
    assert_string_equal(region.isa, "scalar");
    close_run(run);
    run = open_run(LWCMEM_BACKEND_USER, REGION_FIXED, 0);
    assert_int_equal(lwcmem_region(run->model, &region, run->error), 0);
    close_run(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(user_fill_gives_the_bytes),
        cmocka_unit_test(any_memory_gives_the_bytes),
        cmocka_unit_test(too_little_memory_is_refused),
        cmocka_unit_test(units_out_of_order_are_refused),
        cmocka_unit_test(a_damaged_tile_ends_the_user_fill),
        cmocka_unit_test(a_file_that_ends_early_is_an_error),
        cmocka_unit_test(kmod_fill_gives_the_bytes),
        cmocka_unit_test(kmod_fill_works_without_io_uring),
        cmocka_unit_test(short_reads_go_on),
        cmocka_unit_test(closing_waits_for_reads),
        cmocka_unit_test(a_limit_of_locked_memory_is_noticed),
        cmocka_unit_test(a_seccomp_filter_is_noticed),
        cmocka_unit_test(a_lack_of_direct_io_is_noticed),
        cmocka_unit_test(attaching_fails_with_advice),
        cmocka_unit_test(a_region_tells_its_figures),
        cmocka_unit_test(damage_is_named),
        /* the last one: it cuts the arena */
        cmocka_unit_test(a_region_that_ends_early_is_an_error),
    };

    return cmocka_run_group_tests(tests, make_world, remove_world);
}
