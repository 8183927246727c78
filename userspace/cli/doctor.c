/* SPDX-License-Identifier: BSD-3-Clause */
/* lwcmem doctor: what this host lacks, and what to do about it. */
#include "cli.h"
#include "doctor.h"
#include "host.h"

#include <getopt.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct check checks[] = {
    {"memory limit", NEED_USERSPACE, check_memory_limit},
    {"address space", NEED_USERSPACE, check_address_space},
    {"CPU", NEED_SPEED, check_cpu},
    {"huge pages", NEED_SPEED, check_huge_pages},
    {"transparent huge pages", NEED_SPEED, check_transparent_huge_pages},
    {"NUMA nodes", NEED_SPEED, check_nodes},
    {"module", NEED_MODULE, check_module},
    {"device", NEED_MODULE, check_device},
    {"kernel headers", NEED_MODULE, check_headers},
    {"Secure Boot", NEED_MODULE, check_secure_boot},
    {"lockdown", NEED_MODULE, check_lockdown},
    {"module signatures", NEED_MODULE, check_signing},
    {"locked memory", NEED_MODULE, check_memlock},
    {"io_uring", NEED_MODULE, check_io_uring},
};
enum { CHECKS = sizeof(checks) / sizeof(checks[0]) };

static const char *const need_names[] = {"userspace", "speed", "module"};
static const char *const need_titles[] = {"for every command", "for speed",
                                          "for the kernel module"};
static const char *const state_names[] = {"ok", "warning", "missing"};
static const char *const state_colours[] = {"\033[32m", "\033[33m", "\033[1;31m"};

void finding_set(struct finding *finding, enum finding_state state, const char *means,
                 const char *mend, const char *format, ...)
{
    va_list arguments;

    finding->state = state;
    snprintf(finding->means, sizeof(finding->means), "%s", means);
    snprintf(finding->mend, sizeof(finding->mend), "%s", mend);
    va_start(arguments, format);
    vsnprintf(finding->found, sizeof(finding->found), format, arguments);
    va_end(arguments);
    make_printable(finding->found);
}

/* Is something missing that these need? Names, if asked for, of all that is. */
static bool lacks(const struct finding *findings, enum check_need need, char *names, size_t size)
{
    size_t used = 0;
    bool any = false;

    for (int i = 0; i < CHECKS; i++) {
        if (checks[i].need != need || findings[i].state != FINDING_MISSING)
            continue;
        if (names && used < size)
            used += (size_t)snprintf(names + used, size - used, "%s%s", any ? ", " : "",
                                     checks[i].name);
        any = true;
    }
    return any;
}

static void print_check(const struct check *check, const struct finding *finding, bool colours)
{
    printf("  %s%-8s%s %-22s  %s\n", colours ? state_colours[finding->state] : "",
           state_names[finding->state], colours ? "\033[0m" : "", check->name, finding->found);
    if (*finding->means)
        printf("%35s%s\n", "", finding->means);
    if (*finding->mend)
        printf("%35s-> %s\n", "", finding->mend);
}

static void print_text(const struct finding *findings)
{
    bool colours = isatty(STDOUT_FILENO);
    char names[256];

    for (int i = 0; i < CHECKS; i++) {
        if (!i || checks[i].need != checks[i - 1].need)
            printf("%s%s\n", i ? "\n" : "", need_titles[checks[i].need]);
        print_check(&checks[i], &findings[i], colours);
    }
    if (lacks(findings, NEED_USERSPACE, names, sizeof(names)))
        printf("\nlwcmem does not work here; it lacks: %s.\n", names);
    else
        printf("\nlwcmem works here.\n");
    if (lacks(findings, NEED_MODULE, names, sizeof(names)))
        printf("Its kernel module does not; it lacks: %s.\n", names);
    else
        printf("So does its kernel module.\n");
}

static int print_json(const struct finding *findings, struct failure *failure)
{
    json_t *list = json_array(), *root;
    int result;

    for (int i = 0; i < CHECKS; i++)
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "name", checks[i].name,
                                        "needed_for", need_names[checks[i].need], "state",
                                        state_names[findings[i].state], "found", findings[i].found,
                                        "means", findings[i].means, "mend", findings[i].mend));
    root = json_pack("{s:b, s:b, s:o}", "userspace", !lacks(findings, NEED_USERSPACE, NULL, 0),
                     "module", !lacks(findings, NEED_MODULE, NULL, 0), "checks", list);
    if (!root)
        return fail(failure, "out of memory");
    result = json_dumpf(root, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
    json_decref(root);
    putchar('\n');
    return result < 0 ? fail(failure, "cannot write the result") : 0;
}

static int doctor(const char *root, bool json, bool module)
{
    struct finding findings[CHECKS] = {0};
    struct failure failure;

    for (int i = 0; i < CHECKS; i++)
        checks[i].look(root, &findings[i]);
    if (json && print_json(findings, &failure) < 0)
        return cli_failed(&failure);
    if (!json)
        print_text(findings);
    if (fflush(stdout)) {
        fail(&failure, "cannot write the result");
        return cli_failed(&failure);
    }
    return lacks(findings, NEED_USERSPACE, NULL, 0) ||
                   (module && lacks(findings, NEED_MODULE, NULL, 0))
               ? EXIT_FAILED
               : EXIT_DONE;
}

static int run(int argc, char **argv)
{
    static const struct option names[] = {
        {"json", no_argument, NULL, 'J'},
        {"module", no_argument, NULL, 'm'},
        {"root", required_argument, NULL, 'R'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    bool json = false, module = false;
    const char *root = "";
    int option;

    while ((option = getopt_long(argc, argv, "h", names, NULL)) != -1) {
        switch (option) {
        case 'J':
            json = true;
            break;
        case 'm':
            module = true;
            break;
        case 'R':
            root = optarg;
            break;
        case 'h':
            return cli_help(&command_doctor);
        default:
            return cli_usage(&command_doctor, NULL);
        }
    }
    if (optind != argc)
        return cli_usage(&command_doctor, "it takes no file");
    return doctor(root, json, module);
}

const struct command command_doctor = {
    .name = "doctor",
    .usage = "[--module] [--json]",
    .summary = "say what this host lacks for lwcmem, and what to do about it",
    .help = "--module    exit 1 also if something is missing for the kernel module\n"
            "--json      for scripts\n"
            "--root DIR  look at DIR/proc, DIR/sys, DIR/dev and DIR/lib (for tests); does not\n"
            "            try system calls\n\n"
            "ok: nothing to do. warning: works, but slower or with less than it could.\n"
            "missing: does not work. Each says what that means and what mends it. Limits are\n"
            "those of this process, so run it as, and where, lwcmem will run. Exit 0 if all\n"
            "that commands need without the kernel module is there, 1 if not.\n",
    .run = run,
};
