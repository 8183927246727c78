/* SPDX-License-Identifier: BSD-3-Clause */
/* Unicode's composed normal form, as the tokenizers that ask for it compute it. */
#ifndef LWC_ENGINE_NORMAL_FORM_H
#define LWC_ENGINE_NORMAL_FORM_H

#include "text.h"

/*
 * Put valid UTF-8 in normal form C at the end of a text. Models were trained with tables of
 * Unicode 9, and these count: no character that came later moves or joins others. 0, or -1
 * without memory.
 */
int text_add_composed(struct text *text, const char *bytes, size_t size);

#endif
