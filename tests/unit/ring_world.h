/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests of the ring work with: a container of random tensors, a file
 * with the bytes of its arena, and ioctl in place of libc's, which plays the
 * device of the kernel module. For one test program.
 */
#ifndef LWC_TESTS_RING_WORLD_H
#define LWC_TESTS_RING_WORLD_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "container/writer.h"
#include "encode/encode.h"
#include "lib/ring.h"
#include "uapi/lwcmem.h"
#include "random.h"
/* last: its fail is a macro */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define SMALL 200 /* tensors of one tile: more than reads that may be in flight */
#define TENSORS (4 + SMALL)
#define ARENA_PAGE 4096u

static struct {
    char directory[64];
    char container[96];
    char device[96];
    char arena[96];
    uint8_t *bytes; /* the arena, in a mapping of its own */
    uint64_t size;
    struct lwc_object objects[TENSORS];
} world;

/* What the device answers. */
static struct {
    int attach_error;
    struct lwcmem_info info;
} module;

/* Instead of libc's: a device that attaches the file with the arena's bytes. */
int ioctl(int fd, unsigned long request, ...)
{
    void *argument;
    va_list args;

    va_start(args, request);
    argument = va_arg(args, void *);
    va_end(args);
    if (request == LWCMEM_IOC_ATTACH) {
        const struct lwcmem_attach *attach = argument;

        errno = module.attach_error;
        if (errno)
            return -1;
        assert_int_equal(attach->size, sizeof(*attach));
        assert_int_equal(attach->view, LWCMEM_VIEW_ARENA);
        assert_true(fcntl(attach->fd, F_GETFD) >= 0);
        return open(world.arena, O_RDONLY | O_CLOEXEC);
    }
    if (request == LWCMEM_IOC_INFO) {
        *(struct lwcmem_info *)argument = module.info;
        return 0;
    }
    return (int)syscall(SYS_ioctl, fd, request, argument);
}

static void plan_object(int index, uint16_t dtype, uint64_t rows, uint64_t cols,
                        uint32_t tile_bytes)
{
    struct lwc_object *object = &world.objects[index];
    static uint64_t tiles;

    *object = (struct lwc_object){
        .name_offset = (uint64_t)index * 4,
        .name_length = 4,
        .dtype = dtype,
        .ndim = 2,
        .shape = {rows, cols},
        .decoded_size = rows * cols * lwc_dtype_size(dtype),
        .arena_offset = world.size,
        .tile_first = tiles,
        .tile_bytes = tile_bytes,
    };
    object->tile_count = (object->decoded_size + tile_bytes - 1) / tile_bytes;
    tiles += object->tile_count;
    world.size += (object->decoded_size + ARENA_PAGE - 1) / ARENA_PAGE * ARENA_PAGE;
}

/* Tiles of pages and of odd sizes, ragged last ones, reads of many tiles, an empty tensor. */
static uint64_t plan_objects(void)
{
    const struct lwc_object *last = &world.objects[TENSORS - 1];

    plan_object(0, LWC_DTYPE_BF16, 300, 256, 32768);
    plan_object(1, LWC_DTYPE_F32, 1000, 33, 13200);
    plan_object(2, LWC_DTYPE_BF16, 3001, 1024, 131072);
    plan_object(3, LWC_DTYPE_F16, 0, 64, 8192);
    for (int i = 4; i < TENSORS; i++)
        plan_object(i, LWC_DTYPE_U8, 1, 1 + rnd() % 9000, 16384);
    return last->tile_first + last->tile_count;
}

static void fill_arena(void)
{
    world.bytes =
        mmap(NULL, world.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(world.bytes, MAP_FAILED);
    for (uint64_t i = 0; i + 2 <= world.size; i += 2) {
        uint64_t random = rnd();

        world.bytes[i] = (uint8_t)random;
        world.bytes[i + 1] = (uint8_t)(0x3c + (random >> 8) % 5);
    }
}

static void write_payloads(struct writer *writer, struct lwc_tile *tiles)
{
    struct encoder *encoder = encoder_new(&(struct encode_policy){
        .structures = 1u << LWC_STRUCTURE_2222, .zstd_level = 1, .slow_gain = 25});
    struct encoded_tile encoded = {0};
    struct failure failure;
    uint64_t offset;

    for (int i = 0; i < TENSORS; i++) {
        const struct lwc_object *object = &world.objects[i];

        for (uint64_t t = 0; t < object->tile_count; t++, tiles++) {
            memset(&encoded.entry, 0, sizeof(encoded.entry));
            assert_int_equal(
                encode_tile(encoder, object->dtype, 0,
                            world.bytes + object->arena_offset + t * object->tile_bytes,
                            lwc_tile_length(object, t), &encoded),
                0);
            assert_int_equal(writer_payload(writer, encoded.data, encoded.size, &offset, &failure),
                             0);
            *tiles = encoded.entry;
            tiles->offset = offset;
            tiles->crc = lwc_crc32c(0, encoded.data, encoded.size);
        }
    }
    free(encoded.data);
    encoder_free(encoder);
}

/* arena: where the objects say that they are; a page's address for /proc/self/mem. */
static void write_container(uint64_t tile_count, uint64_t arena)
{
    struct lwc_tile *tiles = calloc(tile_count, sizeof(*tiles));
    struct lwc_object objects[TENSORS];
    char names[TENSORS * 4 + 1];
    struct failure failure;
    struct writer *writer = writer_new(world.container, 1, &failure);

    assert_non_null(writer);
    for (int i = 0; i < TENSORS; i++) {
        objects[i] = world.objects[i];
        objects[i].arena_offset += arena;
        snprintf(names + i * 4, 5, "t%03d", i);
    }
    write_payloads(writer, tiles);
    assert_int_equal(writer_finish(writer,
                                   (struct writer_table[LWC_TABLES]){
                                       [LWC_TABLE_OBJECTS] = {objects, TENSORS},
                                       [LWC_TABLE_TILES] = {tiles, tile_count},
                                       [LWC_TABLE_NAMES] = {names, TENSORS * 4},
                                   },
                                   &(struct writer_totals){.arena_size = arena + world.size,
                                                           .incompat = LWC_INCOMPAT_KNOWN},
                                   &failure),
                     0);
    writer_free(writer);
    free(tiles);
}

static uint64_t tile_count;

static int make_world(void **unused)
{
    int fd;

    (void)unused;
    snprintf(world.directory, sizeof(world.directory), "/tmp/test_ring.XXXXXX");
    if (!mkdtemp(world.directory))
        return -1;
    chmod(world.directory, 0755);
    snprintf(world.container, sizeof(world.container), "%s/model.lwc", world.directory);
    snprintf(world.device, sizeof(world.device), "%s/device", world.directory);
    snprintf(world.arena, sizeof(world.arena), "%s/arena", world.directory);
    close(open(world.device, O_CREAT | O_RDWR, 0600));
    tile_count = plan_objects();
    fill_arena();
    fd = open(world.arena, O_CREAT | O_WRONLY, 0600);
    if (fd < 0 || write(fd, world.bytes, world.size) != (ssize_t)world.size)
        return -1;
    close(fd);
    write_container(tile_count, 0);
    return 0;
}

static int remove_world(void **unused)
{
    (void)unused;
    munmap(world.bytes, world.size);
    unlink(world.container);
    unlink(world.device);
    unlink(world.arena);
    return rmdir(world.directory);
}

#endif
