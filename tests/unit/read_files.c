/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * read_files CONTAINER: a line "SIZE NAME" for each file in it. read_files
 * CONTAINER NAME OFFSET SIZE: that part of a file. For tests.
 */
#include "lwcmem/lwcmem.h"

#include <stdio.h>
#include <stdlib.h>

static int list(struct lwcmem_model *model, char error[LWCMEM_ERROR_SIZE])
{
    struct lwcmem_file_entry entry;
    uint64_t at = 0;
    int found;

    while ((found = lwcmem_file_next(model, &at, &entry, error)) > 0)
        printf("%llu %s\n", (unsigned long long)entry.size, entry.name);
    return found;
}

static int read_part(struct lwcmem_model *model, char **arguments, char error[LWCMEM_ERROR_SIZE])
{
    size_t size = strtoull(arguments[2], NULL, 0);
    char *part = malloc(size ? size : 1);
    int found = -1;

    if (!part)
        snprintf(error, LWCMEM_ERROR_SIZE, "out of memory");
    else
        found = lwcmem_file_read(model, arguments[0], strtoull(arguments[1], NULL, 0), part, size,
                                 error);
    if (found == 0)
        snprintf(error, LWCMEM_ERROR_SIZE, "no such file");
    if (found > 0)
        fwrite(part, 1, size, stdout);
    free(part);
    return found > 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
    char error[LWCMEM_ERROR_SIZE];
    struct lwcmem_model *model;
    int result = -1;

    if (argc != 2 && argc != 5)
        return 2;
    model = lwcmem_open(argv[1], NULL, error);
    if (model)
        result = argc == 2 ? list(model, error) : read_part(model, argv + 2, error);
    if (result < 0)
        fprintf(stderr, "%s\n", error);
    lwcmem_close(model);
    return result < 0 || fflush(stdout);
}
