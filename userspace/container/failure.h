/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What went wrong, for a person: which file, what is wrong, what to do.
 *
 * A function that takes a struct failure returns 0, or -1 after it has
 * written the message. The message is one line without a newline.
 */
#ifndef LWC_FAILURE_H
#define LWC_FAILURE_H

struct failure {
    char text[1024];
};

/* Write the message; always -1, so that callers can return it. */
int fail(struct failure *failure, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same with ": " and the words for an errno value at the end. */
int fail_errno(struct failure *failure, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * Put a '?' for each byte of a control character and each that is not UTF-8: names come from
 * hostile files. Messages have been through it.
 */
void make_printable(char *text);

#endif
