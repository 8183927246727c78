/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel decodes in vector registers: those of the processes that it interrupts must stay as
 * they are. Some processes hold values in all of their registers and in the control word while they
 * fault pages of the region in and spin; others have tiles decoded on the same CPUs. What an
 * emulator says of it is little: tests/vm/host.sh repeats it on the machine itself.
 */
#include "libregion.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { HOLDERS = 3, ROUNDING_UP = 0x5f80 /* of MXCSR, with all exceptions masked */ };

struct registers {
    uint8_t vector[32][64];
    uint64_t mask[8];
    uint32_t control;
} __attribute__((aligned(64)));

/* Touch count pages that are stride bytes apart, then spin. */
struct work {
    const uint8_t *page;
    uint64_t stride, count, spins;
};

/* From load to store no call, and no other use of the stack, whose spills would hide a loss. */
#define ASM_WORK                                                                                   \
    "1: movb (%[page]), %%al\n"                                                                    \
    "add %[stride], %[page]\n"                                                                     \
    "dec %[count]\n"                                                                               \
    "jnz 1b\n"                                                                                     \
    "2: pause\n"                                                                                   \
    "dec %[spins]\n"                                                                               \
    "jnz 2b\n"
#define NUMBERS_8 "0,1,2,3,4,5,6,7"
#define NUMBERS_16 NUMBERS_8 ",8,9,10,11,12,13,14,15"
#define NUMBERS_32 NUMBERS_16 ",16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31"
#define EACH(numbers, instruction) ".irp n," numbers "\n" instruction "\n.endr\n"
#define RUN(...)                                                                                   \
    __asm__ volatile(__VA_ARGS__                                                                   \
                     : [page] "+r"(work.page), [count] "+r"(work.count), [spins] "+r"(work.spins)  \
                     : [in] "r"(in), [out] "r"(out), [stride] "r"(work.stride),                    \
                       [masks] "r"(in->mask), [kept] "r"(out->mask)                                \
                     : "rax", "cc", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",      \
                       "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",         \
                       "xmm14", "xmm15")

static void hold_sse(const struct registers *in, struct registers *out, struct work work)
{
    RUN(EACH(NUMBERS_16, "movdqa 64*\\n(%[in]), %%xmm\\n")
            ASM_WORK EACH(NUMBERS_16, "movdqa %%xmm\\n, 64*\\n(%[out])"));
}

static void hold_avx(const struct registers *in, struct registers *out, struct work work)
{
    RUN(EACH(NUMBERS_16, "vmovdqa 64*\\n(%[in]), %%ymm\\n")
            ASM_WORK EACH(NUMBERS_16, "vmovdqa %%ymm\\n, 64*\\n(%[out])") "vzeroupper\n");
}

static void hold_avx512(const struct registers *in, struct registers *out, struct work work)
{
    RUN(EACH(NUMBERS_32, "vmovdqa64 64*\\n(%[in]), %%zmm\\n")
            EACH(NUMBERS_8, "kmovq 8*\\n(%[masks]), %%k\\n")
                ASM_WORK EACH(NUMBERS_32, "vmovdqa64 %%zmm\\n, 64*\\n(%[out])")
                    EACH(NUMBERS_8, "kmovq %%k\\n, 8*\\n(%[kept])") "vzeroupper\n");
}

struct holding {
    void (*hold)(const struct registers *in, struct registers *out, struct work work);
    size_t vectors, bytes, masks; /* of them that it holds */
    volatile int *stop;
    const struct view *view;
    uint64_t number;
};

static void keep_holding(void *argument)
{
    const struct holding *holding = argument;
    struct random seed = {holding->number};
    struct registers in, out;
    const uint8_t *map = map_region(holding->view->fd, holding->view->size, MAP_SHARED);
    uint32_t usual = __builtin_ia32_stmxcsr();

    for (long turn = 0; !*holding->stop; turn++) {
        uint64_t stride = 17 * PAGE, count = 1 + random_below(&seed, 8);
        uint64_t at = random_below(&seed, holding->view->size - count * stride);
        struct work work = {map + at, stride, count, 1 + random_below(&seed, 20000)};

        for (size_t i = 0; i < sizeof(in); i += 8) {
            uint64_t word = random_next(&seed);

            memcpy((uint8_t *)&in + i, &word, 8);
        }
        memset(&out, 0, sizeof(out));
        __builtin_ia32_ldmxcsr(ROUNDING_UP);
        holding->hold(&in, &out, work);
        out.control = __builtin_ia32_stmxcsr();
        __builtin_ia32_ldmxcsr(usual);
        CHECK(out.control == ROUNDING_UP, "turn %ld: MXCSR is 0x%x", turn, out.control);
        for (size_t i = 0; i < holding->vectors; i++)
            CHECK(!memcmp(in.vector[i], out.vector[i], holding->bytes),
                  "turn %ld: vector register %zu has changed", turn, i);
        for (size_t i = 0; i < holding->masks; i++)
            CHECK(in.mask[i] == out.mask[i], "turn %ld: mask register %zu has changed", turn, i);
    }
}

/* Tiles are decoded for readers of the page cache and for direct ones all the while. */
static void check_held(struct holding *holding)
{
    struct view view = open_arena("story");
    volatile int *stop =
        CHECK_OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    uint64_t before = region_info(view.fd).tiles_decoded, rounds = 0;
    time_t end = time(NULL) + 2;
    pid_t holders[HOLDERS];

    holding->stop = stop;
    holding->view = &view;
    for (int i = 0; i < HOLDERS; i++) {
        holding->number = i + 1;
        holders[i] = start_child(keep_holding, holding);
    }
    for (; time(NULL) < end || !rounds; rounds++) {
        posix_fadvise(view.fd, 0, 0, POSIX_FADV_DONTNEED);
        check_read(&view, 1 << 20);
    }
    *stop = 1;
    for (int i = 0; i < HOLDERS; i++)
        join_child(holders[i], "a process that holds values in its registers");
    test_comment("%llu tiles decoded meanwhile",
                 (unsigned long long)(region_info(view.fd).tiles_decoded - before));
    CHECK(region_info(view.fd).tiles_decoded > before, "nothing was decoded");
}

static void sse(void)
{
    check_held(&(struct holding){.hold = hold_sse, .vectors = 16, .bytes = 16});
}

static void avx(void)
{
    if (!__builtin_cpu_supports("avx"))
        test_skip("the CPU has no avx");
    check_held(&(struct holding){.hold = hold_avx, .vectors = 16, .bytes = 32});
}

static void avx512(void)
{
    if (!__builtin_cpu_supports("avx512bw"))
        test_skip("the CPU has no avx512bw");
    check_held(&(struct holding){.hold = hold_avx512, .vectors = 32, .bytes = 64, .masks = 8});
}

static const struct test_case cases[] = {
    {"xmm registers", sse, 0},
    {"ymm registers", avx, 0},
    {"zmm and mask registers", avx512, 0},
};

int main(void)
{
    return RUN_CASES(cases);
}
