/* SPDX-License-Identifier: BSD-3-Clause */
/* What lwcmem doctor looks at: one function a check, each on the system below root (host.h). */
#ifndef LWC_DOCTOR_H
#define LWC_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

enum finding_state {
    FINDING_OK,
    FINDING_WARNING, /* works, but not as well as it could */
    FINDING_MISSING, /* what the check is needed for does not work */
};

/* Text of one line each; empty where there is nothing to say. */
struct finding {
    enum finding_state state;
    char found[160];
    char means[240];
    char mend[240]; /* a command, as root where it must be */
};

/* Write what a check found, as printf does. mend may be "". */
void finding_set(struct finding *finding, enum finding_state state, const char *means,
                 const char *mend, const char *format, ...) __attribute__((format(printf, 5, 6)));

enum check_need {
    NEED_USERSPACE, /* pack, unpack, verify, info, patch, run */
    NEED_SPEED,     /* of them */
    NEED_MODULE,    /* to load it, and to use it */
};

struct check {
    const char *name;
    enum check_need need;
    void (*look)(const char *root, struct finding *finding);
};

/* Of the tool (doctor_host.c). */
void check_memory_limit(const char *root, struct finding *finding);
void check_address_space(const char *root, struct finding *finding);
void check_cpu(const char *root, struct finding *finding);
void check_huge_pages(const char *root, struct finding *finding);
void check_transparent_huge_pages(const char *root, struct finding *finding);
void check_nodes(const char *root, struct finding *finding);

/* Of the module (doctor_module.c). */
void check_module(const char *root, struct finding *finding);
void check_device(const char *root, struct finding *finding);
void check_headers(const char *root, struct finding *finding);
void check_secure_boot(const char *root, struct finding *finding);
void check_lockdown(const char *root, struct finding *finding);
void check_signing(const char *root, struct finding *finding);
void check_memlock(const char *root, struct finding *finding);
void check_io_uring(const char *root, struct finding *finding);

/* Soft limit of this process by its name in /proc/self/limits; false if it has none. */
bool process_limit(const char *root, const char *name, unsigned long long *limit);

#endif
