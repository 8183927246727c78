/* SPDX-License-Identifier: BSD-3-Clause */
#include "libtest.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Of a case; a program of the guest may take a few minutes in all. */
enum { DEFAULT_SECONDS = 60, JOIN_SECONDS = 300 };
enum { EXIT_PASS = 0, EXIT_FAIL = 1, EXIT_SKIP = 4 };

static int verdict_fd = -1;
static void (*end_cleanup)(void);

static void end_case(int status, const char *format, va_list arguments)
{
    char text[600];
    int length = vsnprintf(text, sizeof(text), format, arguments);

    if (length >= (int)sizeof(text))
        length = sizeof(text) - 1;
    /* one write of a small message is atomic */
    if (length > 0 && write(verdict_fd, text, length + 1) < 0)
        status = EXIT_FAIL;
    if (end_cleanup)
        end_cleanup();
    fflush(stdout);
    _exit(status);
}

void test_fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    end_case(EXIT_FAIL, format, arguments);
    abort();
}

void test_skip(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    end_case(EXIT_SKIP, format, arguments);
    abort();
}

void test_comment(const char *format, ...)
{
    char text[600];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    printf("# %s\n", text);
    fflush(stdout);
}

void test_at_end(void (*cleanup)(void))
{
    end_cleanup = cleanup;
}

void test_expect_error(long result, const int *errors, int count, const char *call)
{
    int got = errno;

    CHECK(result == -1, "%s gives %ld instead of %s", call, result, strerror(errors[0]));
    for (int i = 0; i < count; i++)
        if (got == errors[i])
            return;
    test_fail("%s fails with %s instead of %s", call, strerror(got), strerror(errors[0]));
}

void compare(const void *got, const void *want, size_t length, uint64_t base, const char *what)
{
    const uint8_t *a = got, *b = want;
    size_t i = 0;

    if (!memcmp(got, want, length))
        return;
    while (i < length && a[i] == b[i])
        i++;
    if (i == length)
        test_fail("%s: bytes near 0x%llx changed while they were compared", what,
                  (unsigned long long)base);
    test_fail("%s: first difference at 0x%llx: 0x%02x instead of 0x%02x", what,
              (unsigned long long)(base + i), a[i], b[i]);
}

uint64_t random_next(struct random *random)
{
    uint64_t z = random->state += 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

uint64_t random_below(struct random *random, uint64_t limit)
{
    return limit ? random_next(random) % limit : 0;
}

void sleep_ms(int milliseconds)
{
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000L};

    nanosleep(&time, NULL);
}

long in_debug(long usual, long debug)
{
    const char *set = getenv("LWCMEM_DEBUG");

    return set && *set ? debug : usual;
}

uint64_t now_ms(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000ull + time.tv_nsec / 1000000;
}

/* A debug kernel is an order of magnitude slower. */
static uint64_t deadline(int seconds)
{
    return now_ms() + seconds * (uint64_t)in_debug(1000, 10000);
}

bool wait_until(bool (*condition)(void *), void *argument, int seconds)
{
    uint64_t end = deadline(seconds);

    while (!condition(argument)) {
        if (now_ms() > end)
            return false;
        sleep_ms(2);
    }
    return true;
}

pid_t start_child(void (*run)(void *), void *argument)
{
    pid_t child;

    fflush(stdout);
    child = CHECK_OK(fork());
    if (child)
        return child;
    run(argument);
    fflush(stdout);
    _exit(EXIT_PASS);
}

/* The status of a child that ended in time; else false. */
static bool reap(pid_t child, int seconds, int *status)
{
    uint64_t end = deadline(seconds);
    pid_t got;

    while (!(got = waitpid(child, status, WNOHANG))) {
        if (now_ms() > end)
            return false;
        sleep_ms(2);
    }
    return got == child;
}

int wait_child(pid_t child, int seconds, const char *what)
{
    int status = 0;

    CHECK(reap(child, seconds, &status), "%s does not end within %d s", what, seconds);
    return status;
}

void join_child(pid_t child, const char *what)
{
    int status = wait_child(child, JOIN_SECONDS, what);

    /* the child has said why, and the first verdict counts */
    CHECK(!status, "%s ends with status 0x%x", what, status);
}

bool write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    int error = errno;

    if (fd >= 0)
        close(fd);
    errno = error;
    return written;
}

bool read_number(const char *path, const char *key, uint64_t *value)
{
    char line[300];
    bool found = false;
    size_t length = key ? strlen(key) : 0;
    FILE *file = fopen(path, "re");

    while (file && !found && fgets(line, sizeof(line), file)) {
        char *end, *start = line + length;

        if (key && (strncmp(line, key, length) || !strchr(" \t=:", line[length])))
            continue;
        start += strspn(start, " \t=:");
        *value = strtoull(start, &end, 0);
        found = end != start;
    }
    if (file)
        fclose(file);
    return found;
}

static void case_child(const struct test_case *test, int verdict)
{
    setpgid(0, 0);
    verdict_fd = verdict;
    test->run();
    if (end_cleanup)
        end_cleanup();
    fflush(stdout);
    _exit(EXIT_PASS);
}

static void print_result(int number, const char *name, int status, const char *why)
{
    for (char *c = (char *)why; *c; c++)
        if (*c == '\n')
            *c = ' ';
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_PASS)
        printf("ok %d %s\n", number, name);
    else if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIP)
        printf("ok %d %s # SKIP %s\n", number, name, why);
    else if (WIFSIGNALED(status))
        printf("not ok %d %s # killed by signal %d (%s) %s\n", number, name, WTERMSIG(status),
               strsignal(WTERMSIG(status)), why);
    else
        printf("not ok %d %s # %s\n", number, name, *why ? why : "no reason given");
    fflush(stdout);
}

/* EXIT_ of the case. */
static int run_case(const struct test_case *test, int number)
{
    int verdict[2], status = 0, seconds = test->seconds ? test->seconds : DEFAULT_SECONDS;
    char why[700] = "";
    pid_t child;

    fflush(stdout);
    if (pipe2(verdict, O_CLOEXEC | O_NONBLOCK) || (child = fork()) < 0) {
        printf("not ok %d %s # cannot start: %m\n", number, test->name);
        return EXIT_FAIL;
    }
    if (!child)
        case_child(test, verdict[1]);
    setpgid(child, child);
    if (!reap(child, seconds, &status)) {
        kill(-child, SIGKILL);
        snprintf(why, sizeof(why), "no end after %d s%s", seconds,
                 reap(child, 20, &status) ? "" : ", and SIGKILL does not end it");
        status = EXIT_FAIL << 8;
    } else if (read(verdict[0], why, sizeof(why) - 1) < 0) {
        why[0] = 0;
    }
    /* what the case left behind */
    kill(-child, SIGKILL);
    close(verdict[0]);
    close(verdict[1]);
    print_result(number, test->name, status, why);
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAIL;
}

int run_cases(const struct test_case *cases, int count)
{
    int failed = 0, skipped = 0;

    printf("KTAP version 1\n1..%d\n", count);
    for (int i = 0; i < count; i++) {
        int result = run_case(&cases[i], i + 1);

        skipped += result == EXIT_SKIP;
        failed += result != EXIT_SKIP && result != EXIT_PASS;
    }
    return failed ? EXIT_FAIL : skipped == count ? EXIT_SKIP : EXIT_PASS;
}
