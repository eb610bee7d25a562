/* A compacted segment takes the place of its originals, in steps that Kafka's loader and lf_compact_settle()
 * undo or finish, whichever moment the process dies:
 *
 *   .index .timeindex .txnindex .log, each from .cleaned to .swap     up to here: undone
 *   the directory is synced, .log.swap gets a second link
 *   that link renamed over the first original; the others deleted     from here on: finished
 *   the side files renamed to their own names
 *   the directory is synced, .log.swap is removed
 *
 * Who lists the directory between two steps sees all originals, or the new segment and some of them: never less
 * than all records. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compact_impl.h"

static const char *const SIDES[] = {".index", ".timeindex", ".txnindex", NULL};

static int remove_file(lf_log *log, int64_t base, const char *suffix, const char *mark, lf_error *e) {
    char name[40], path[LF_PATH_MAX];
    snprintf(name, sizeof name, "%s%s", suffix, mark);
    lf_segment_path(log, base, name, path);
    return unlink(path) && errno != ENOENT ? lf_fail(e, LF_E_IO, errno, path, -1, "delete") : LF_OK;
}

/* A side file that is not there need not be moved. */
static int move_file(lf_log *log, int64_t base, const char *suffix, const char *from, const char *to, bool must, lf_error *e) {
    char name[40], a[LF_PATH_MAX], b[LF_PATH_MAX];
    snprintf(name, sizeof name, "%s%s", suffix, from);
    lf_segment_path(log, base, name, a);
    snprintf(name, sizeof name, "%s%s", suffix, to);
    lf_segment_path(log, base, name, b);
    if (!rename(a, b) || (errno == ENOENT && !must)) return LF_OK;
    return lf_fail(e, LF_E_IO, errno, a, -1, "rename");
}

static int sync_directory(lf_log *log, lf_error *e) {
    int fd = open(log->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return lf_fail(e, LF_E_IO, errno, log->dir, -1, "open directory");
    int rc = fsync(fd), err = errno;
    close(fd);
    return rc ? lf_fail(e, LF_E_SYNC_FAILED, err, log->dir, -1, "fsync of the directory") : LF_OK;
}

static int link_swap(lf_log *log, int64_t base, lf_error *e) {
    char swap[LF_PATH_MAX], between[LF_PATH_MAX];
    lf_segment_path(log, base, ".log.swap", swap);
    lf_segment_path(log, base, ".log.cleaned", between);
    if (unlink(between) && errno != ENOENT) return lf_fail(e, LF_E_IO, errno, between, -1, "delete");
    return link(swap, between) ? lf_fail(e, LF_E_IO, errno, swap, -1, "link") : LF_OK;
}

/* The log file last: once it is named so, all of the new segment is there. */
static int name_swap(lf_log *log, int64_t base, lf_error *e) {
    int rc = LF_OK;
    for (int i = 0; !rc && SIDES[i]; i++) rc = move_file(log, base, SIDES[i], ".cleaned", ".swap", false, e);
    if (!rc) LF_FAILPOINT_RAISE("compact.half_renamed", log, e);
    if (!rc) rc = move_file(log, base, ".log", ".cleaned", ".swap", true, e);
    if (!rc) rc = sync_directory(log, e);
    /* Made while it can be undone still: a file system may have no links. */
    if (!rc) rc = link_swap(log, base, e);
    if (!rc) LF_FAILPOINT_RAISE("compact.before_replace", log, e);
    return rc;
}

/* By a link, so that `.log.swap` goes on telling that the swap is not done. */
static int move_over(lf_log *log, int64_t base, lf_error *e) {
    char swap[LF_PATH_MAX], between[LF_PATH_MAX], path[LF_PATH_MAX];
    struct stat a, b;
    lf_segment_path(log, base, ".log.swap", swap);
    lf_segment_path(log, base, ".log.cleaned", between);
    lf_segment_path(log, base, ".log", path);
    if (stat(swap, &a)) return lf_fail(e, LF_E_IO, errno, swap, -1, "stat");
    if (!stat(path, &b) && a.st_ino == b.st_ino && a.st_dev == b.st_dev) return LF_OK; /* done before the crash */
    int rc = stat(between, &b) || a.st_ino != b.st_ino ? link_swap(log, base, e) : LF_OK;
    if (rc) return rc;
    LF_FAILPOINT_RAISE("compact.linked", log, e);
    return rename(between, path) ? lf_fail(e, LF_E_IO, errno, between, -1, "rename") : LF_OK;
}

static int delete_original(lf_log *log, int64_t base, lf_error *e) {
    /* The log file first: side files without one are swept up, a log without its .txnindex would show aborted records. */
    int rc = remove_file(log, base, ".log", "", e);
    for (int i = 0; !rc && SIDES[i]; i++) rc = remove_file(log, base, SIDES[i], "", e);
    return rc ? rc : remove_file(log, base, ".snapshot", "", e);
}

/* From `.swap` on, all but the last step. Each step may have been taken already. */
static int replace(lf_log *log, int64_t base, const int64_t *others, int32_t n, lf_error *e) {
    int rc = LF_OK;
    /* Without an index a log is walked; with that of another log it would have to be found out. */
    for (int i = 0; !rc && i < 2; i++) rc = remove_file(log, base, SIDES[i], "", e);
    if (!rc) rc = move_over(log, base, e);
    if (!rc) LF_FAILPOINT_RAISE("compact.after_replace", log, e);
    for (int32_t i = 0; !rc && i < n; i++) {
        rc = delete_original(log, others[i], e);
        if (!rc) LF_FAILPOINT_RAISE("compact.deleting", log, e);
    }
    char path[LF_PATH_MAX];
    lf_segment_path(log, base, ".txnindex.swap", path);
    if (!rc && access(path, F_OK)) rc = remove_file(log, base, ".txnindex", "", e);
    for (int i = 0; !rc && SIDES[i]; i++) rc = move_file(log, base, SIDES[i], ".swap", "", false, e);
    if (!rc) LF_FAILPOINT_RAISE("compact.after_sides", log, e);
    return rc;
}

static int finish(lf_log *log, int64_t base, lf_error *e) {
    int rc = sync_directory(log, e);
    if (!rc) LF_FAILPOINT_RAISE("compact.before_done", log, e);
    if (!rc) rc = remove_file(log, base, ".log", ".swap", e);
    if (!rc) LF_FAILPOINT_RAISE("compact.done", log, e);
    return rc;
}

/* Nobody deleted any of them since the pass began; the writer lock is held, so nobody will. */
static bool still_there(lf_log *log, const lf_piece *pieces, int32_t n) {
    pthread_mutex_lock(&log->mu);
    int32_t i = lf_segment_find(log, pieces[0].segment->base_offset);
    bool there = i >= 0 && i + n < log->n_segments;
    for (int32_t k = 0; there && k < n; k++) {
        const lf_segment *s = log->segments[i + k], *p = pieces[k].segment;
        there = s->base_offset == p->base_offset && (s == p || s->inode == p->inode);
    }
    pthread_mutex_unlock(&log->mu);
    return there;
}

static int swap_locked(lf_cleaner *c, const int64_t *others, int32_t n) {
    lf_log *log = c->log;
    lf_state *st = log->state;
    int64_t base = c->out.segment->base_offset;
    LF_FAILPOINT_RAISE("compact.before_swap", log, c->e);
    int rc = name_swap(log, base, c->e);
    if (rc) {
        lf_error ignored;
        if (!remove_file(log, base, ".log", ".swap", &ignored))
            for (int i = 0; SIDES[i]; i++) remove_file(log, base, SIDES[i], ".swap", &ignored);
        return rc;
    }
    /* Should it fail from here on, whoever takes the lock next finishes it. */
    atomic_store(&st->unrepaired, 1);
    atomic_store(&st->compacted, 1);
    atomic_fetch_add(&st->swaps, 1);
    rc = replace(log, base, others, n, c->e);
    atomic_fetch_add(&st->swaps, 1);
    atomic_fetch_add(&st->directory_version, 1);
    atomic_fetch_add(&st->segments_version, 1);
    if (!rc) atomic_store(&st->unrepaired, 0);
    return rc;
}

int lf_swap_in(lf_cleaner *c, const lf_piece *pieces, int32_t n) {
    lf_log *log = c->log;
    int64_t base = c->out.segment->base_offset;
    int64_t *others = malloc((size_t)n * sizeof *others);
    if (!others) return lf_fail(c->e, LF_E_NOMEM, 0, log->dir, -1, "swap");
    for (int32_t i = 1; i < n; i++) others[i - 1] = pieces[i].segment->base_offset;
    int rc = lf_log_lock(log, c->e);
    if (rc) {
        free(others);
        return rc;
    }
    bool there = still_there(log, pieces, n);
    if (!there) rc = lf_fail(c->e, LF_E_INTERRUPTED, 0, log->dir, -1, "segments were deleted during compaction");
    else rc = swap_locked(c, others, n - 1);
    if (there && !rc) {
        pthread_mutex_lock(&log->mu);
        rc = lf_segments_refresh(log, c->e);
        pthread_mutex_unlock(&log->mu);
    }
    lf_log_unlock(log);
    free(others);
    return rc ? rc : finish(log, base, c->e);
}

/* ---- after a crash ---- */

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
        if (strcmp(name + length - 5, ".swap") && (length < 28 || strcmp(name + length - 8, ".cleaned"))) continue;
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
    if (!rc) rc = replace(log, base, others, n, e);
    if (!rc) rc = finish(log, base, e);
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
        rc = remove_file(log, all[i].base, all[i].suffix, "", e);
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
