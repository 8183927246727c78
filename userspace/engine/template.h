/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Chat templates: the part of the language Jinja that templates of HuggingFace models are written
 * in, with the meaning that transformers gives it (a sandbox whose values cannot be changed,
 * trim_blocks, lstrip_blocks, break and continue, {% generation %}, tojson, raise_exception,
 * strftime_now). What else the language has is refused by name, with its line. One thing differs:
 * where a scope sets a name of the variables, jinja2 hides the variable from loops and macros that
 * are before that in the same scope.
 *
 * A template may be hostile: its depth, steps and memory are bounded.
 */
#ifndef LWC_ENGINE_TEMPLATE_H
#define LWC_ENGINE_TEMPLATE_H

#include "container/failure.h"
#include "text.h"

#include <jansson.h>
#include <stddef.h>
#include <time.h>

struct template;

/* From its text; path is for messages. NULL with a message. */
struct template *template_new(const char *text, size_t size, const char *path,
                              struct failure *failure);
void template_free(struct template *template); /* NULL is allowed */

/*
 * Append to out what it says with these variables (an object), at this time. 0, or -1 with a
 * message, which is the template's own where it calls raise_exception. Any thread.
 */
int template_render(const struct template *template, const json_t *variables, time_t now,
                    struct text *out, struct failure *failure);

#endif
