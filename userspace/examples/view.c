/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * View: map the decoded weights. The kernel module makes a region of a
 * container: a file that holds the decoded tensors, whose pages are filled when
 * they are touched and shared by all processes.
 *
 *     view MODEL.lwc TENSOR > BYTES
 *
 * Writes the tensor's bytes to standard output. Exits with 77 where there is no
 * kernel module.
 */
#include <lwcmem/lwcmem.h>
#include <lwcmem/uapi/lwcmem.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define NO_MODULE 77

static int die(const char *what, const char *why)
{
    fprintf(stderr, "view: %s: %s\n", what, why);
    return 1;
}

/* Where the tensor is in the region of its container. */
static int find(const char *path, const char *name, struct lwcmem_tensor *tensor)
{
    char error[LWCMEM_ERROR_SIZE];
    struct lwcmem_model *model = lwcmem_open(path, NULL, error);
    int found = model ? lwcmem_find(model, name, tensor, error) : -1;

    lwcmem_close(model);
    if (found <= 0)
        return die(path, found < 0 ? error : "no such tensor");
    if (tensor->arena_offset == UINT64_MAX)
        return die(name, "has no place in a region");
    return 0;
}

/* A region's descriptor. It needs neither the device's nor the container's any more. */
static int attach(int device, const char *path)
{
    int container = open(path, O_RDONLY | O_CLOEXEC);
    struct lwcmem_attach request = {
        .size = sizeof(request),
        .fd = container,
        .view = LWCMEM_VIEW_ARENA,
    };
    int region = container < 0 ? -1 : ioctl(device, LWCMEM_IOC_ATTACH, &request), error = errno;

    if (container >= 0)
        close(container);
    errno = error;
    return region;
}

int main(int argc, char **argv)
{
    struct lwcmem_tensor tensor;
    const char *weights;
    struct stat status;
    int device, region;

    if (argc != 3)
        return die("usage", "view MODEL.lwc TENSOR > BYTES");
    device = open(LWCMEM_DEVICE, O_RDWR | O_CLOEXEC);
    if (device < 0) {
        die(LWCMEM_DEVICE, errno == ENOENT ? "the kernel module is not loaded" : strerror(errno));
        return errno == ENOENT ? NO_MODULE : 1;
    }
    if (find(argv[1], argv[2], &tensor))
        return 1;
    region = attach(device, argv[1]);
    if (region < 0 || fstat(region, &status) < 0)
        return die(argv[1], strerror(errno));
    close(device);
    if (tensor.arena_offset + tensor.size > (uint64_t)status.st_size)
        return die(argv[1], "it was changed while it was opened; try again");
    weights = mmap(NULL, status.st_size, PROT_READ, MAP_SHARED, region, 0);
    if (weights == MAP_FAILED)
        return die(argv[1], strerror(errno));
    close(region);
    /* as any memory; a damaged tile raises SIGBUS */
    if (fwrite(weights + tensor.arena_offset, 1, tensor.size, stdout) != tensor.size ||
        fflush(stdout))
        return die("standard output", strerror(errno));
    munmap((void *)weights, status.st_size);
    return 0;
}
