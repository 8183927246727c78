/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cases with KTAP output. Each case runs in a process of its own, in its own
 * process group, so that a crash, a hang or a leaked descriptor ends with it.
 */
#ifndef LIBTEST_H
#define LIBTEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct test_case {
    const char *name;
    void (*run)(void);
    int seconds; /* 0: the default limit */
};

/* Runs all cases; the exit status of the program: 0 passed, 1 failed, 4 all skipped. */
int run_cases(const struct test_case *cases, int count);
#define RUN_CASES(cases) run_cases(cases, sizeof(cases) / sizeof((cases)[0]))

/* End the case. Callable from threads and children of it too: the first verdict counts. */
void test_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void test_skip(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void test_comment(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Runs before a failing case ends, where its end could wait for something that it holds. */
void test_at_end(void (*cleanup)(void));

#define CHECK(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition))                                                                          \
            test_fail(__VA_ARGS__);                                                                \
    } while (0)
/* For calls that set errno. */
#define CHECK_OK(call)                                                                             \
    ({                                                                                             \
        __typeof__(call) result_ = (call);                                                         \
        if (result_ == (__typeof__(call))-1)                                                       \
            test_fail("%s:%d: %s: %m", __FILE__, __LINE__, #call);                                 \
        result_;                                                                                   \
    })
/* The call fails, with one of the errors given. */
#define CHECK_ERROR(call, ...)                                                                     \
    do {                                                                                           \
        const int errors_[] = {__VA_ARGS__};                                                       \
        long result_ = (long)(call);                                                               \
        test_expect_error(result_, errors_, sizeof(errors_) / sizeof(int), #call);                 \
    } while (0)
void test_expect_error(long result, const int *errors, int count, const char *call);

/* Compare; the first difference fails the case. base: offset of got[0] in the whole. */
void compare(const void *got, const void *want, size_t length, uint64_t base, const char *what);

/* Seeded, the same each time. */
struct random {
    uint64_t state;
};
uint64_t random_next(struct random *random);
uint64_t random_below(struct random *random, uint64_t limit);

/* One of the two: debug where the rig's kernel checks everything, see tests/vm/debug.sh. */
long in_debug(long usual, long debug);

/* A child that runs run(argument) and ends with success, or fails the case. */
pid_t start_child(void (*run)(void *), void *argument);
void join_child(pid_t child, const char *what);
/* Wait status of the child, or a failed case if it does not end in time. */
int wait_child(pid_t child, int seconds, const char *what);

/* Polls until condition(argument) holds; false if it does not within the time. */
bool wait_until(bool (*condition)(void *), void *argument, int seconds);
void sleep_ms(int milliseconds);
/* Of a clock that nobody sets. */
uint64_t now_ms(void);

/* Writes text to a file of the system, such as a cgroup's. */
bool write_text(const char *path, const char *text);
/* The number after key in a file; after its start if key is NULL. False without one. */
bool read_number(const char *path, const char *key, uint64_t *value);

#endif
