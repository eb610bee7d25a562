/* What a dead compaction left is finished or undone, by Kafka's rules: it may have been a Kafka's. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compact_impl.h"

typedef struct leftover {
    int64_t base;
    char suffix[24];        /* ".log.swap" */
} leftover;

static int list_leftovers(lf_log *log, leftover **out, int32_t *n, lf_error *e) {
    DIR *d = opendir(log->dir);
    if (!d) return lf_fail(e, LF_E_IO, errno, log->dir, -1, "list");
    int32_t cap = 0, rc = LF_OK;
    *out = NULL;
    *n = 0;
    for (struct dirent *entry; !rc && (entry = readdir(d));) {
        const char *name = entry->d_name;
        size_t length = strlen(name);
        if (strspn(name, "0123456789") != 20 || length > 20 + 23) continue;
        if (strcmp(name + length - 5, ".swap") && !strstr(name, ".cleaned")) continue; /* also .index.cleaned.tmp */
        if (*n == cap && lf_array_grow((void **)out, &cap, sizeof **out)) rc = lf_fail(e, LF_E_NOMEM, 0, log->dir, -1, "list");
        if (rc) break;
        leftover *l = &(*out)[(*n)++];
        l->base = strtoll(name, NULL, 10);
        snprintf(l->suffix, sizeof l->suffix, "%s", name + 20);
    }
    closedir(d);
    return rc;
}

/* The offset behind the last record of `.log.swap`: what it replaces lies between its base and this. */
static int end_of_swap(lf_log *log, int64_t base, int64_t *end, lf_error *e) {
    char path[LF_PATH_MAX];
    struct stat info;
    lf_batch b;
    const char *reason;
    *end = base;
    lf_segment_path(log, base, ".log.swap", path);
    int fd = lf_open_file(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return lf_fail(e, LF_E_IO, errno, path, -1, "open");
    int rc = fstat(fd, &info) ? lf_fail(e, LF_E_IO, errno, path, -1, "stat") : LF_OK;
    if (!rc && info.st_size) {
        uint8_t *map = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED) rc = lf_fail(e, LF_E_IO, errno, path, -1, "mmap");
        else {
            for (int64_t at = 0; !rc && at < info.st_size; at += b.size) {
                rc = lf_batch_check(map + at, info.st_size - at, at, true, &b, &reason);
                if (rc) rc = lf_fail(e, rc, 0, path, at, reason);
                else *end = b.last_offset + 1;
            }
            munmap(map, (size_t)info.st_size);
        }
    }
    close(fd);
    return rc;
}

/* Originals in [base, end) but the first. */
static int bases_between(lf_log *log, int64_t base, int64_t end, int64_t **out, int32_t *n, lf_error *e) {
    DIR *d = opendir(log->dir);
    if (!d) return lf_fail(e, LF_E_IO, errno, log->dir, -1, "list");
    int32_t cap = 0, rc = LF_OK;
    *out = NULL;
    *n = 0;
    for (struct dirent *entry; !rc && (entry = readdir(d));) {
        if (strspn(entry->d_name, "0123456789") != 20 || strcmp(entry->d_name + 20, ".log")) continue;
        int64_t found = strtoll(entry->d_name, NULL, 10);
        if (found <= base || found >= end) continue;
        if (*n == cap && lf_array_grow((void **)out, &cap, sizeof **out)) rc = lf_fail(e, LF_E_NOMEM, 0, log->dir, -1, "list");
        if (!rc) (*out)[(*n)++] = found;
    }
    closedir(d);
    return rc;
}

static int roll_forward(lf_log *log, int64_t base, lf_error *e) {
    int64_t end, *others = NULL;
    int32_t n = 0;
    int rc = end_of_swap(log, base, &end, e);
    if (!rc) rc = bases_between(log, base, end, &others, &n, e);
    if (!rc) rc = lf_swap_replace(log, base, others, n, e);
    if (!rc) rc = lf_swap_finish(log, base, e);
    free(others);
    return rc;
}

/* Kafka's rule: a half-written file at or before it shows that the renaming had not come to its end. */
static bool is_whole(const leftover *all, int32_t n, int64_t base) {
    for (int32_t i = 0; i < n; i++)
        if (strstr(all[i].suffix, ".cleaned") && all[i].base <= base) return false;
    return true;
}

static bool has_swap(const leftover *all, int32_t n, int64_t base) {
    for (int32_t i = 0; i < n; i++)
        if (all[i].base == base && !strcmp(all[i].suffix, ".log.swap")) return true;
    return false;
}

int lf_compact_settle(lf_log *log, bool owner, lf_error *e) {
    leftover *all = NULL;
    int32_t n = 0;
    int rc = list_leftovers(log, &all, &n, e);
    if (!rc && n) {
        log->gaps = true;
        atomic_store(&log->state->compacted, 1);
        atomic_fetch_add(&log->state->swaps, 1);
    }
    /* First those that count, then what is left of the others. */
    for (int32_t i = 0; !rc && i < n; i++)
        if (!strcmp(all[i].suffix, ".log.swap") && (!owner || is_whole(all, n, all[i].base))) rc = roll_forward(log, all[i].base, e);
    for (int32_t i = 0; !rc && owner && i < n; i++) {
        if (has_swap(all, n, all[i].base) && is_whole(all, n, all[i].base)) continue;
        rc = lf_swap_remove(log, all[i].base, all[i].suffix, "", e);
    }
    if (!rc && n) atomic_fetch_add(&log->state->swaps, 1);
    free(all);
    return rc;
}

int lf_compact_refuse_halves(lf_log *log, lf_error *e) {
    leftover *all = NULL;
    int32_t n = 0;
    int rc = list_leftovers(log, &all, &n, e);
    for (int32_t i = 0; !rc && i < n; i++) {
        char path[LF_PATH_MAX];
        if (strcmp(all[i].suffix, ".log.swap")) continue;
        log->gaps = true;
        /* Kafka deletes the originals before it renames; we never leave such a state. */
        lf_segment_path(log, all[i].base, ".log", path);
        if (access(path, F_OK)) rc = lf_fail(e, LF_E_FORMAT, 0, path, -1, "a compaction was interrupted: open for writing once to finish it");
    }
    free(all);
    return rc;
}
