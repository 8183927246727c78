/* SPDX-License-Identifier: BSD-3-Clause */
/* Each decoder that the module can choose, and its self test when it is loaded. */
#include "libregion.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SCALAR = 1, BMI2 = 2, AVX2 = 4, AVX512 = 8 };

/* Bits that the CPU has, by its flags. */
static unsigned int cpu_isa(void)
{
    static const struct {
        const char *flags[8];
        unsigned int bit;
    } sets[] = {
        {{" bmi1 ", " bmi2 ", " popcnt ", " abm "}, BMI2},
        {{" bmi1 ", " bmi2 ", " popcnt ", " abm ", " avx2 ", " fma ", " f16c "}, AVX2},
        {{" avx512f ", " avx512bw ", " avx512vl ", " avx512dq ", " avx512vbmi ", " avx512_vbmi2 ",
          " gfni ", " avx2 "},
         AVX512},
    };
    unsigned int isa = SCALAR;
    char line[8192];
    FILE *file = fopen("/proc/cpuinfo", "re");

    CHECK(file, "/proc/cpuinfo: %m");
    while (fgets(line, sizeof(line), file) && strncmp(line, "flags", 5))
        ;
    fclose(file);
    line[strcspn(line, "\n")] = ' ';
    for (int i = 0; i < 3; i++) {
        bool all = true;

        for (int j = 0; j < 8 && sets[i].flags[j]; j++)
            all = all && strstr(line, sets[i].flags[j]);
        isa |= all ? sets[i].bit : 0;
    }
    return isa;
}

static unsigned int highest(unsigned int bits)
{
    unsigned int bit = 0;

    for (unsigned int i = 0; i < 32; i++)
        if (bits >> i & 1)
            bit = 1u << i;
    return bit;
}

static bool unloads(void *error)
{
    *(int *)error = module_loaded() ? unload_module() : 0;
    return !*(int *)error;
}

static void unload(void)
{
    int error = 0;

    CHECK(wait_until(unloads, &error, 20), "unloading: %s", strerror(error));
}

static void load(const char *parameters)
{
    int error;

    unload();
    error = load_module(parameters);
    CHECK(!error, "loading with '%s': %s", parameters, strerror(error));
}

/* Whatever a case did, the next program finds the module as it was. */
static void load_normally(void)
{
    int error = 0;

    /* a case that failed has regions open */
    close_range(3, ~0u, 0);
    if (wait_until(unloads, &error, 20))
        load_module("");
}

/* INFO and QUERY agree on the decoder, and it decodes the model. */
static unsigned int isa_in_use(void)
{
    static const char *const models[] = {"odd", "story", "tuned"};
    int control = open_control();
    unsigned int isa = query(control).isa;

    close(control);
    for (int i = 0; i < 3; i++) {
        struct view view = open_arena(models[i]);

        CHECK(region_info(view.fd).isa == isa, "isa 0x%x in INFO, 0x%x in QUERY",
              region_info(view.fd).isa, isa);
        make_cold(&view);
        check_read(&view, 1 << 20);
        CHECK(!region_info(view.fd).tiles_failed, "%s: tiles failed", view.what);
        close(view.fd);
    }
    return isa;
}

static void masked(unsigned int mask)
{
    char parameters[20];
    unsigned int allowed = mask & cpu_isa(), isa;

    if (highest(allowed) != highest(mask))
        test_skip("the CPU has isa 0x%x only", cpu_isa());
    test_at_end(load_normally);
    snprintf(parameters, sizeof(parameters), "isa=%u", mask);
    load(parameters);
    isa = isa_in_use();
    CHECK(isa && !(isa & ~allowed), "isa 0x%x with mask 0x%x", isa, mask);
    CHECK(isa & highest(allowed), "isa 0x%x does not use the best of mask 0x%x", isa, mask);
}

static void scalar(void)
{
    masked(SCALAR);
}

static void bmi2(void)
{
    masked(SCALAR | BMI2);
}

static void avx2(void)
{
    masked(SCALAR | BMI2 | AVX2);
}

static void avx512(void)
{
    masked(SCALAR | BMI2 | AVX2 | AVX512);
}

static void unmasked(void)
{
    unsigned int isa;

    test_at_end(load_normally);
    load("");
    isa = isa_in_use();
    CHECK(isa & highest(cpu_isa()), "isa 0x%x of 0x%x", isa, cpu_isa());
}

static void parameter_readable(void)
{
    uint64_t mask;

    test_at_end(load_normally);
    load("isa=1");
    CHECK(read_number("/sys/module/lwcmem/parameters/isa", NULL, &mask), "cannot read it");
    CHECK(mask == 1, "it says %llu", (unsigned long long)mask);
}

/* An implementation whose self test fails is not used, and the log says so. */
static void broken(unsigned int bit, const char *name)
{
    char parameters[40];
    unsigned int isa;
    int log;

    if (!(cpu_isa() & bit))
        test_skip("the CPU has no %s", name);
    test_at_end(load_normally);
    unload();
    log = open_log();
    snprintf(parameters, sizeof(parameters), "selftest_break=%u", bit);
    load(parameters);
    isa = isa_in_use();
    CHECK(!(isa & bit), "isa 0x%x in use although its self test fails", isa);
    CHECK(log_has(log, "lwcmem", name, NULL, 5), "no line of the kernel log has %s", name);
}

static void broken_bmi2(void)
{
    broken(BMI2, "bmi2");
}

static void broken_avx2(void)
{
    broken(AVX2, "avx2");
}

static void broken_avx512(void)
{
    broken(AVX512, "avx512");
}

static bool file_has(const char *path, const char *word)
{
    char line[300];
    bool found = false;
    FILE *file = fopen(path, "re");

    while (file && fgets(line, sizeof(line), file))
        found = found || strstr(line, word);
    if (file)
        fclose(file);
    return found;
}

static void broken_scalar(void)
{
    int error;

    test_at_end(load_normally);
    unload();
    for (int i = 0; i < 3; i++) {
        error = load_module("selftest_break=1");
        CHECK(error == EINVAL || error == ENODEV, "loading: %s", strerror(error));
        CHECK(!module_loaded(), "the module is there");
        CHECK(access(LWCMEM_DEVICE, F_OK), "its device is there");
        CHECK(!file_has("/proc/misc", "lwcmem"), "its device is registered");
        CHECK(!file_has("/proc/filesystems", "lwcmem"), "its filesystem is registered");
    }
    load("");
    CHECK(isa_in_use(), "no isa after loading normally");
}

static const struct test_case cases[] = {
    {"isa=1: scalar", scalar, 100},
    {"isa=3: BMI2", bmi2, 100},
    {"isa=7: AVX2", avx2, 100},
    {"isa=15: AVX-512", avx512, 100},
    {"the best one is the default", unmasked, 100},
    {"the mask can be read in sysfs", parameter_readable, 0},
    {"a wrong BMI2 decoder is not used", broken_bmi2, 100},
    {"a wrong AVX2 decoder is not used", broken_avx2, 100},
    {"a wrong AVX-512 decoder is not used", broken_avx512, 100},
    {"a wrong scalar decoder fails the load", broken_scalar, 100},
};

int main(void)
{
    return RUN_CASES(cases);
}
