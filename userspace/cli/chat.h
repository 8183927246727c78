/* SPDX-License-Identifier: BSD-3-Clause */
/* lwcmem run --interactive: a conversation, a line of standard input a turn. */
#ifndef LWC_CLI_CHAT_H
#define LWC_CLI_CHAT_H

#include "engine/chat.h"
#include "engine/generate.h"

struct chat_options {
    const char *system; /* or NULL */
    const struct generate_options *generate;
};

/* A conversation of up to two messages: system, if there is one, and user. NULL with a message. */
json_t *chat_messages(const char *system, const char *user, struct failure *failure);

/* Until the input ends. chat: NULL if texts are just continued. 0, or -1 with a message. */
int chat_interactive(struct engine *engine, const struct chat *chat,
                     const struct chat_options *options, struct failure *failure);

#endif
