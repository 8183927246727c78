/* SPDX-License-Identifier: BSD-3-Clause */
/* The module, its regions, and what they must hold. */
#ifndef LIBREGION_H
#define LIBREGION_H

#include "libtest.h"
#include "uapi/lwcmem.h"
#include "uapi/lwcmem_format.h"

#define PAGE 4096ull

/* "$DATA/" and the formatted rest; overwritten by the eighth call after it. */
const char *data_path(const char *format, ...) __attribute__((format(printf, 1, 2)));

int open_control(void);
struct lwcmem_query query(int control);
struct lwcmem_info region_info(int region);
/* The new descriptor, or -1 and errno. */
int attach(int control, int container, uint32_t view, uint64_t file);
/* The same with a base, -1 for none. */
int attach_based(int control, int container, int base, uint32_t view, uint64_t file);
/* NAME.base.lwc, which is beside NAME.lwc where that has a base; else -1. */
int open_base(const char *container);
/* Open the container, its base and the device, attach, close them. */
int attach_path(const char *container, uint32_t view, uint64_t file);

/* One line of NAME.files. */
struct file_entry {
    uint64_t index;
    bool directory;
    uint64_t size;
    char name[256];
};
int read_files(const char *model, struct file_entry *files, int limit);

/* A region and its expected bytes. */
struct view {
    char what[320];
    int fd;
    uint64_t size;
    const uint8_t *want;
};
#define VIEWS_MAX 16
struct view open_arena(const char *model);
struct view open_file_view(const char *model, const struct file_entry *file);
/* ARENA and all files that are no directories. */
int open_views(const char *model, struct view *views);
/* The index of the model's largest file. */
struct file_entry largest_file(const char *model);
const uint8_t *map_expected(const char *path, uint64_t size);

/* Reads go past the page cache from now on. */
void set_direct(int fd);
const uint8_t *map_region(int fd, uint64_t size, int flags);
/* Read all by read() or pread() in chunks, or by a mapping, and compare. */
void check_read(const struct view *view, size_t chunk);
void check_pread(const struct view *view, uint64_t start, uint64_t end, size_t chunk);
void check_mapped(const struct view *view);
/* A few pages here and there, compared. */
void look_around(const struct view *view, struct random *seed);
/* Exactly length bytes from offset, compared. */
void check_range(const struct view *view, uint64_t offset, size_t length);

uint64_t resident_pages(int fd, uint64_t start, uint64_t length);
/* Take the pages of the region out of the cache; fails the case if some stay. */
void make_cold(const struct view *view);
void drop_all_caches(void);

/* errno of the call, 0 if it succeeded. */
int unload_module(void);
int load_module(const char *parameters);
bool module_loaded(void);
/* Waits for the counts: closing is not complete when close() returns. */
bool counts_become(int control, uint64_t backings, uint64_t regions, int seconds);
/* Files that are open in the whole system, also by the kernel. */
uint64_t open_files(void);
/* Fails the case if so many more stay than there were: who leaks one at each turn shows. */
void check_open_files(uint64_t before, uint64_t most);
/* A test case: the module can be unloaded, at the latest soon, and loaded again. */
void check_unload(void);
/*
 * round(&seed) in a child for each of so many seeds, from LWCMEM_SEED or 1 on; fails the case if
 * backings or regions stay.
 */
void run_seeds(int control, void (*round)(void *seed), long rounds);

/* Kernel log from here on. */
int open_log(void);
/* Whether a line that came since open_log() holds all of these words; words may be NULL. */
bool log_has(int log, const char *first, const char *second, const char *third, int seconds);

#endif
