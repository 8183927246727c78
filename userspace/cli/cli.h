/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the subcommands share: exit codes, messages, interruption, progress.
 *
 * A subcommand gets its own name as argv[0] and returns an exit code. Help
 * goes to stdout, everything else that is not its result to stderr.
 */
#ifndef LWC_CLI_H
#define LWC_CLI_H

#include "container/failure.h"

#include <stdbool.h>
#include <stdint.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct command {
    const char *name;
    const char *usage; /* arguments, one line */
    const char *summary;
    const char *help; /* one line an argument */
    int (*run)(int argc, char **argv);
};

extern const struct command command_pack;
extern const struct command command_unpack;
extern const struct command command_verify;
extern const struct command command_info;
extern const struct command command_patch;
extern const struct command command_run;
extern const struct command command_perplexity;
extern const struct command command_bench;
extern const struct command command_attach;
extern const struct command command_detach;
extern const struct command command_stat;
extern const struct command command_doctor;

/* Print the message of a failure; EXIT_FAILED. */
int cli_failed(const struct failure *failure);

/*
 * Print what is wrong with the arguments (NULL: getopt has printed it) and
 * how the command is used; EXIT_USAGE.
 */
int cli_usage(const struct command *command, const char *problem);

/* Print the command's usage as asked for by --help; EXIT_DONE. */
int cli_help(const struct command *command);

/* When path has been read: say so on stderr if --base (NULL: not given) was for nothing. */
void cli_note_base(const char *path, const char *base);

/* Note SIGINT, SIGTERM and SIGHUP from now on, instead of dying of them. */
void cli_catch_signals(void);

/* True after SIGINT, SIGTERM or SIGHUP: clean up and return. */
bool cli_interrupted(void);

/*
 * Go on after SIGINT as if there had been none; the next one is noted again. False after another
 * signal, and where there was none.
 */
bool cli_forget_interrupt(void);

/* Let signals wait, or not: threads that are started meanwhile leave them to the caller. */
void cli_hold_signals(bool hold);

/* Wait until fd can be read, or a signal comes: 1, or 0. */
int cli_wait_readable(int fd);

/* Check cli_interrupted between two pieces of work: 0, or -1 with a message. */
int cli_check_interrupt(struct failure *failure);

/* A number of threads (1..1024) from the argument of -j; 0 when it is none. */
unsigned int cli_threads(const char *text);

/* As many threads as this process may use CPUs. */
unsigned int cli_default_threads(void);

/*
 * Progress with rate and remaining time on stderr, if that is a terminal.
 * progress_add may be called by any thread; one progress at a time.
 */
void progress_start(const char *label, uint64_t total_bytes);
/* The same for things of another kind than bytes: its plural. */
void progress_start_units(const char *label, const char *unit, uint64_t total);
void progress_add(uint64_t bytes);
void progress_end(void);

#endif
