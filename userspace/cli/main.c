/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct command *const commands[] = {
    &command_pack,   &command_unpack, &command_verify,     &command_info,
    &command_patch,  &command_run,    &command_perplexity, &command_bench,
    &command_attach, &command_detach, &command_stat,       &command_doctor,
};

static void print_commands(FILE *out)
{
    fprintf(out, "usage: lwcmem COMMAND ...\n\n");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    fprintf(out, "\nlwcmem COMMAND --help shows the arguments of a command.\n");
}

static void ignore_file_size_signal(void)
{
    /* a write past the limit then fails with a message instead */
    signal(SIGXFSZ, SIG_IGN);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    ignore_file_size_signal();
    cli_catch_signals();
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_commands(stdout);
        return EXIT_DONE;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(name, commands[i]->name) == 0)
            return commands[i]->run(argc - 1, argv + 1);
    if (*name)
        fprintf(stderr, "lwcmem: %s: no such command\n", name);
    print_commands(stderr);
    return EXIT_USAGE;
}
