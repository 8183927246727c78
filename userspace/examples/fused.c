/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fused: multiply by a compressed matrix where it lies, on all CPUs.
 *
 *     fused MODEL.lwc TENSOR
 *
 * Multiplies the tensor by a vector of ones and prints the norm of the result,
 * which is the same to the last digit on every machine, and the rate in decoded
 * bytes. lwcmem info --tensors MODEL.lwc lists names of tensors.
 */
#include <lwcmem/lwcmem.h>

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { MAX_THREADS = 64 };

/* The rows of one thread. */
struct share {
    struct lwcmem_model *model;
    const struct lwcmem_tensor *tensor;
    const float *x;
    float *y;
    unsigned int worker; /* each thread has a number of its own below options.threads */
    uint64_t first_row, rows;
};

static void *multiply_share(void *argument)
{
    struct share *s = argument;
    char error[LWCMEM_ERROR_SIZE];

    if (lwcmem_multiply(s->model, s->tensor, s->worker, s->first_row, s->rows, s->x, 0, 1, s->y, 0,
                        error) == 0)
        return NULL;
    fprintf(stderr, "fused: %s\n", error);
    exit(1);
}

/* Tiles are multiplied as a whole: shares begin at multiples of row_grain. */
static void multiply(struct lwcmem_model *model, const struct lwcmem_tensor *tensor,
                     unsigned int threads, const float *x, float *y)
{
    struct share shares[MAX_THREADS];
    pthread_t ids[MAX_THREADS];
    uint64_t grains = (tensor->rows + tensor->row_grain - 1) / tensor->row_grain;

    for (unsigned int i = 0; i < threads; i++) {
        uint64_t first = grains * i / threads * tensor->row_grain;
        uint64_t end = grains * (i + 1) / threads * tensor->row_grain;

        if (end > tensor->rows)
            end = tensor->rows;
        shares[i] = (struct share){model, tensor, x, y, i, first, end - first};
        if (pthread_create(&ids[i], NULL, multiply_share, &shares[i]))
            abort();
    }
    for (unsigned int i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    struct lwcmem_options options = {
        .backend = LWCMEM_BACKEND_FUSED,
        .threads = cpus < 1             ? 1
                   : cpus > MAX_THREADS ? MAX_THREADS
                                        : (unsigned int)cpus,
    };
    char error[LWCMEM_ERROR_SIZE] = "usage: fused MODEL.lwc TENSOR";
    struct lwcmem_model *model;
    struct lwcmem_tensor tensor;
    double norm = 0, times = 0, rate, start;
    float *x, *y;
    int found;

    model = argc == 3 ? lwcmem_open(argv[1], &options, error) : NULL;
    found = model ? lwcmem_find(model, argv[2], &tensor, error) : -1;
    if (found <= 0) {
        fprintf(stderr, "fused: %s\n", found < 0 ? error : "no such tensor");
        return 1;
    }
    x = malloc(tensor.cols * sizeof(*x));
    y = malloc(tensor.rows * sizeof(*y));
    for (uint64_t i = 0; x && i < tensor.cols; i++)
        x[i] = 1;
    if (!x || !y)
        abort();
    /* once for all threads; without it each does the same */
    if (lwcmem_prepare(model, x, 0, 1, tensor.cols, error) < 0)
        abort();
    multiply(model, &tensor, options.threads, x, y);
    /* the crc of each tile was checked by the first time, which does not count */
    start = seconds();
    do {
        multiply(model, &tensor, options.threads, x, y);
        times++;
    } while (seconds() - start < 0.2);
    rate = tensor.size * times / (seconds() - start);
    for (uint64_t i = 0; i < tensor.rows; i++)
        norm += (double)y[i] * y[i];
    printf("%s: norm %.9g\n", argv[2], sqrt(norm));
    printf("%.2f GB/s with %u threads and %s\n", rate / 1e9, options.threads, lwcmem_isa(model));
    lwcmem_close(model);
    return 0;
}
