/* SPDX-License-Identifier: BSD-3-Clause */
/* What a program may do to its mapping of a region, done in any order: the bytes stay right. */
#include "libregion.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif

enum { STEPS = 400, CHILDREN = 4 };

struct mapping {
    uint8_t *at;
    uint64_t offset, length; /* in the region; of whole pages */
};

static struct view view;
static struct random seed = {11};

static void check_some(const struct mapping *mapping)
{
    for (int i = 0; i < 8; i++) {
        uint64_t page = random_below(&seed, mapping->length / PAGE) * PAGE;
        uint64_t at = mapping->offset + page;

        if (at < view.size)
            compare(mapping->at + page, view.want + at,
                    view.size - at < PAGE ? view.size - at : PAGE, at, view.what);
    }
}

static uint64_t pages_of_view(void)
{
    return (view.size + PAGE - 1) / PAGE;
}

static struct mapping map_part(void)
{
    uint64_t first = random_below(&seed, pages_of_view());
    uint64_t pages = 1 + random_below(&seed, pages_of_view() - first);
    int flags = random_next(&seed) & 1 ? MAP_SHARED : MAP_PRIVATE;
    struct mapping mapping = {.offset = first * PAGE, .length = pages * PAGE};

    if (random_below(&seed, 4) == 0)
        flags |= MAP_POPULATE;
    mapping.at =
        CHECK_OK(mmap(NULL, mapping.length, PROT_READ, flags, view.fd, (off_t)mapping.offset));
    return mapping;
}

/* All advice but that which poisons pages of memory. */
static void advise(const struct mapping *mapping)
{
    static const int advices[] = {
        MADV_NORMAL,      MADV_RANDOM,   MADV_SEQUENTIAL, MADV_WILLNEED,
        MADV_DONTNEED,    MADV_DONTFORK, MADV_DOFORK,     MADV_MERGEABLE,
        MADV_UNMERGEABLE, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTDUMP,
        MADV_DODUMP,      MADV_COLD,     MADV_PAGEOUT,    MADV_POPULATE_READ};
    int advice = advices[random_below(&seed, sizeof(advices) / sizeof(*advices))];
    uint64_t first = random_below(&seed, mapping->length / PAGE) * PAGE;

    /* some are refused by some kernels and for locked pages; none may change a byte */
    madvise(mapping->at + first, 1 + random_below(&seed, mapping->length - first), advice);
    /* a child that lacks the mapping would die of looking at it */
    madvise(mapping->at, mapping->length, MADV_DOFORK);
}

static void refused_advice(const struct mapping *mapping)
{
    CHECK_ERROR(madvise(mapping->at, mapping->length, MADV_REMOVE), EACCES, EINVAL, EOPNOTSUPP);
    CHECK_ERROR(madvise(mapping->at, mapping->length, MADV_FREE), EINVAL);
    CHECK_ERROR(madvise(mapping->at + 1, PAGE, MADV_WILLNEED), EINVAL);
}

static void lock(const struct mapping *mapping)
{
    uint64_t first = random_below(&seed, mapping->length / PAGE) * PAGE;
    uint64_t length = mapping->length - first < 16 * PAGE ? mapping->length - first : 16 * PAGE;
    int error = syscall(SYS_mlock2, mapping->at + first, length,
                        random_next(&seed) & 1 ? MLOCK_ONFAULT : 0);

    /* pages behind the end of the file cannot be locked */
    CHECK(!error || errno == ENOMEM || errno == EAGAIN, "mlock: %m");
    if (random_next(&seed) & 1)
        CHECK_OK(munlock(mapping->at + first, length));
}

/* False where advice or locks have made several mappings of it, which cannot be moved at once. */
static bool remap(struct mapping *mapping)
{
    uint64_t length = (1 + random_below(&seed, 2 * mapping->length / PAGE)) * PAGE;
    uint8_t *at = mremap(mapping->at, mapping->length, length, MREMAP_MAYMOVE);

    CHECK(at != MAP_FAILED || errno == EFAULT, "mremap: %m");
    if (at == MAP_FAILED)
        return false;
    mapping->at = at;
    mapping->length = length;
    return true;
}

/* In two: the rest keeps its place in the file. */
static void cut(struct mapping *mapping)
{
    uint64_t cut = random_below(&seed, mapping->length / PAGE) * PAGE;

    if (!cut)
        return;
    CHECK_OK(munmap(mapping->at, cut));
    mapping->at += cut;
    mapping->offset += cut;
    mapping->length -= cut;
}

static void child_looks(void *argument)
{
    check_some(argument);
    remap(argument);
    check_some(argument);
}

static void forked(const struct mapping *mapping)
{
    struct mapping copy = *mapping;
    pid_t children[CHILDREN];

    for (int i = 0; i < CHILDREN; i++)
        children[i] = start_child(child_looks, &copy);
    check_some(mapping);
    for (int i = 0; i < CHILDREN; i++)
        join_child(children[i], "a child with the mapping");
}

static void protect(const struct mapping *mapping)
{
    CHECK_OK(mprotect(mapping->at, mapping->length, PROT_NONE));
    CHECK_OK(mprotect(mapping->at, mapping->length, PROT_READ));
}

static void any_order(void)
{
    struct mapping mapping;
    int remaps = 0;

    view = open_arena("odd");
    mapping = map_part();
    for (int i = 0; i < STEPS; i++) {
        switch (random_below(&seed, 9)) {
        case 0:
            CHECK_OK(munmap(mapping.at, mapping.length));
            mapping = map_part();
            break;
        case 1:
        case 2:
            advise(&mapping);
            break;
        case 3:
            lock(&mapping);
            break;
        case 4:
            remaps += remap(&mapping);
            break;
        case 5:
            cut(&mapping);
            break;
        case 6:
            if (i % 4 == 0)
                forked(&mapping);
            break;
        case 7:
            protect(&mapping);
            break;
        default:
            posix_fadvise(view.fd, 0, 0, POSIX_FADV_DONTNEED);
        }
        check_some(&mapping);
    }
    refused_advice(&mapping);
    munmap(mapping.at, mapping.length);
    test_comment("%d remappings", remaps);
    CHECK(remaps > STEPS / 100, "%d remappings", remaps);
    make_cold(&view);
    check_mapped(&view);
}

/* Written through a private mapping: its own pages, and nobody else's. */
static void private_writes(void)
{
    uint8_t *map;

    view = open_arena("tiny");
    map = CHECK_OK(mmap(NULL, view.size, PROT_READ | PROT_WRITE, MAP_PRIVATE, view.fd, 0));
    for (uint64_t at = 0; at < view.size; at += 3 * PAGE)
        map[at] ^= 0xff;
    for (uint64_t at = 0; at < view.size; at += 3 * PAGE)
        CHECK((map[at] ^ view.want[at]) == 0xff, "the write is lost");
    check_read(&view, 1 << 16);
    check_mapped(&view);
}

static const struct test_case cases[] = {
    {"advice, locks, moves, cuts and forks in any order", any_order, 100},
    {"writes through a private mapping", private_writes, 0},
};

int main(void)
{
    return RUN_CASES(cases);
}
