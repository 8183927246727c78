/* SPDX-License-Identifier: BSD-3-Clause */
/* What pack, run and the like need of a host, and what makes them fast. */
#include "doctor.h"
#include "host.h"

#include "kmod/codec/codec.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MIB ((uint64_t)1 << 20)
/* verify of a small model with two threads fails below 48 MiB of address space. */
#define MEMORY_MIN (64 * MIB)
/* Room for some decoded tensors beside the code. */
#define MEMORY_GOOD (1024 * MIB)

/* --- memory of the process --- */

/* The lowest limit of a group and of those that it is in; UINT64_MAX if there is none. */
static uint64_t group_limit(const char *root, const char *mount, const char *group,
                            const char *file)
{
    char path[HOST_PATH_MAX], part[1024];
    uint64_t lowest = UINT64_MAX, limit;
    char *slash;

    snprintf(part, sizeof(part), "%s", strcmp(group, "/") == 0 ? "" : group);
    do {
        host_path(path, "", "%s%s/%s", mount, part, file);
        /* "max" is no number */
        if (host_number(root, path, &limit) && limit < lowest)
            lowest = limit;
        slash = strrchr(part, '/');
        if (slash)
            *slash = '\0';
    } while (slash);
    return lowest;
}

static void judge_limit(struct finding *finding, uint64_t limit, const char *mend)
{
    const char *few = "models are read whole tensors at a time: large ones may not fit";

    if (limit >= (uint64_t)1 << 62)
        finding_set(finding, FINDING_OK, "", "", "no limit");
    else if (limit >= MEMORY_GOOD)
        finding_set(finding, FINDING_OK, "", "", "%" PRIu64 " MiB", limit / MIB);
    else if (limit >= MEMORY_MIN)
        finding_set(finding, FINDING_WARNING, few, mend, "%" PRIu64 " MiB", limit / MIB);
    else
        finding_set(finding, FINDING_MISSING, "below 64 MiB commands fail", mend, "%" PRIu64 " MiB",
                    limit / MIB);
}

void check_memory_limit(const char *root, struct finding *finding)
{
    char text[4096], group[1024];
    uint64_t limit = UINT64_MAX, other;
    const char *old;

    host_read(root, "/proc/self/cgroup", text, sizeof(text));
    if (host_line(text, "0::", group, sizeof(group)))
        limit = group_limit(root, "/sys/fs/cgroup", group, "memory.max");
    /* the first version has a number before each controller */
    old = strstr(text, ":memory:");
    if (old) {
        host_line(old + 1, "memory:", group, sizeof(group));
        other = group_limit(root, "/sys/fs/cgroup/memory", group, "memory.limit_in_bytes");
        limit = other < limit ? other : limit;
    }
    judge_limit(finding, limit,
                "raise memory.max of the control group: systemctl set-property UNIT MemoryMax=, or "
                "docker run --memory");
}

void check_address_space(const char *root, struct finding *finding)
{
    unsigned long long limit;

    if (!process_limit(root, "Max address space", &limit))
        limit = UINT64_MAX;
    judge_limit(finding, limit, "ulimit -v unlimited");
}

/* --- the CPU --- */

static const char *const flag_names[LWC_CPU_FLAGS] = {
    [LWC_CPU_BMI1] = "bmi1",
    [LWC_CPU_BMI2] = "bmi2",
    [LWC_CPU_POPCNT] = "popcnt",
    [LWC_CPU_LZCNT] = "abm",
    [LWC_CPU_AVX2] = "avx2",
    [LWC_CPU_FMA] = "fma",
    [LWC_CPU_F16C] = "f16c",
    [LWC_CPU_AVX512F] = "avx512f",
    [LWC_CPU_AVX512BW] = "avx512bw",
    [LWC_CPU_AVX512VL] = "avx512vl",
    [LWC_CPU_AVX512DQ] = "avx512dq",
    [LWC_CPU_AVX512VBMI] = "avx512vbmi",
    [LWC_CPU_AVX512VBMI2] = "avx512_vbmi2",
    [LWC_CPU_GFNI] = "gfni",
};

static bool has_word(const char *words, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = words; (at = strstr(at, word)); at += length)
        if ((at == words || at[-1] == ' ') && strchr(" \n", at[length]))
            return true;
    return false;
}

/* Names of the flags that the CPU does not have, of those up to one. */
static void list_missing(char *text, size_t size, uint32_t flags, int up_to)
{
    size_t used = 0;

    *text = '\0';
    for (int i = 0; i <= up_to && used < size; i++)
        if (!(flags >> i & 1))
            used +=
                (size_t)snprintf(text + used, size - used, "%s%s", used ? " " : "", flag_names[i]);
}

void check_cpu(const char *root, struct finding *finding)
{
    char text[8192], words[4096], missing[160];
    uint32_t flags = 0, isa;

    host_read(root, "/proc/cpuinfo", text, sizeof(text));
    if (!host_line(text, "flags\t\t:", words, sizeof(words))) {
        finding_set(finding, FINDING_WARNING, "which decoder will be used cannot be told",
                    "mount -t proc proc /proc", "/proc/cpuinfo does not list its flags");
        return;
    }
    for (int i = 0; i < LWC_CPU_FLAGS; i++)
        flags |= (uint32_t)has_word(words, flag_names[i]) << i;
    isa = lwc_isa_of(flags);
    list_missing(missing, sizeof(missing), flags, LWC_CPU_GFNI);
    if (isa & LWC_ISA_AVX512)
        finding_set(finding, FINDING_OK, "", "", "decodes with avx512");
    else if (isa & LWC_ISA_AVX2)
        finding_set(finding, FINDING_OK, "", "", "decodes with avx2; lacks %s for avx512", missing);
    else
        finding_set(finding, FINDING_WARNING,
                    "decoding is several times slower than with avx2, and run multiplies without "
                    "vectors",
                    "give a virtual machine the CPU of its host: -cpu host",
                    "decodes with %s; lacks %s", isa & LWC_ISA_BMI2 ? "bmi2" : "scalar", missing);
}

/* --- pages and nodes --- */

void check_huge_pages(const char *root, struct finding *finding)
{
    char text[8192];
    uint64_t total, spare, size;

    host_read(root, "/proc/meminfo", text, sizeof(text));
    total = host_line_number(text, "HugePages_Total:");
    spare = host_line_number(text, "HugePages_Free:");
    size = host_line_number(text, "Hugepagesize:");
    if (spare)
        finding_set(finding, FINDING_OK, "", "",
                    "%" PRIu64 " of %" PRIu64 " are free, %" PRIu64 " kB each", spare, total, size);
    else
        finding_set(finding, FINDING_WARNING,
                    "run --hugepages and the rings of its backends fall back to other pages",
                    "sysctl vm.nr_hugepages=N, N times 2 MiB for the packed model",
                    total ? "none of %" PRIu64 " is free" : "none in the pool", total);
}

void check_transparent_huge_pages(const char *root, struct finding *finding)
{
    char text[80];

    if (!host_read(root, "/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof(text)))
        finding_set(finding, FINDING_WARNING,
                    "without them and without a pool of huge pages, memory is read more slowly",
                    "sysctl vm.nr_hugepages=N instead", "this kernel has none");
    else if (strstr(text, "[never]"))
        finding_set(finding, FINDING_WARNING,
                    "rings and copies that find no huge page in the pool are read more slowly",
                    "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled", "never");
    else
        finding_set(finding, FINDING_OK, "", "", "%s",
                    strstr(text, "[always]") ? "always" : "where asked for (madvise)");
}

void check_nodes(const char *root, struct finding *finding)
{
    char text[256];

    if (!host_read(root, "/sys/devices/system/node/online", text, sizeof(text)) ||
        !strpbrk(text, "-,"))
        finding_set(finding, FINDING_OK, "", "", "one");
    else
        finding_set(
            finding, FINDING_WARNING,
            "weights lie on the node that read them first, and others fetch them from there",
            "numactl --interleave=all lwcmem run ..., or --cpunodebind=0 --membind=0",
            "several: %.120s", text);
}
