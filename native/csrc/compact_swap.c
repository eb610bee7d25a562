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
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compact_impl.h"

static const char *const SIDES[] = {".index", ".timeindex", ".txnindex", NULL};

int lf_swap_remove(lf_log *log, int64_t base, const char *suffix, const char *mark, lf_error *e) {
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
    /* Without an index a log is walked; that of another log would have to be found out. */
    for (int i = 0; !rc && SIDES[i]; i++) rc = lf_swap_remove(log, base, SIDES[i], "", e);
    if (rc) return rc;
    LF_FAILPOINT_RAISE("compact.linked", log, e);
    return rename(between, path) ? lf_fail(e, LF_E_IO, errno, between, -1, "rename") : LF_OK;
}

static int delete_original(lf_log *log, int64_t base, lf_error *e) {
    /* The log file first: side files without one are swept up, a log without its .txnindex would show aborted records. */
    int rc = lf_swap_remove(log, base, ".log", "", e);
    for (int i = 0; !rc && SIDES[i]; i++) rc = lf_swap_remove(log, base, SIDES[i], "", e);
    return rc ? rc : lf_swap_remove(log, base, ".snapshot", "", e);
}

/* From `.swap` on, all but the last step. Each step may have been taken already. */
int lf_swap_replace(lf_log *log, int64_t base, const int64_t *others, int32_t n, lf_error *e) {
    int rc = move_over(log, base, e);
    if (!rc) LF_FAILPOINT_RAISE("compact.after_replace", log, e);
    for (int32_t i = 0; !rc && i < n; i++) {
        rc = delete_original(log, others[i], e);
        if (!rc) LF_FAILPOINT_RAISE("compact.deleting", log, e);
    }
    for (int i = 0; !rc && SIDES[i]; i++) rc = move_file(log, base, SIDES[i], ".swap", "", false, e);
    if (!rc) LF_FAILPOINT_RAISE("compact.after_sides", log, e);
    return rc;
}

int lf_swap_finish(lf_log *log, int64_t base, lf_error *e) {
    int rc = sync_directory(log, e);
    if (!rc) LF_FAILPOINT_RAISE("compact.before_done", log, e);
    if (!rc) rc = lf_swap_remove(log, base, ".log", ".swap", e);
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
        if (!lf_swap_remove(log, base, ".log", ".swap", &ignored))
            for (int i = 0; SIDES[i]; i++) lf_swap_remove(log, base, SIDES[i], ".swap", &ignored);
        return rc;
    }
    /* Should it fail from here on, whoever takes the lock next finishes it. */
    atomic_store(&st->unrepaired, 1);
    atomic_store(&st->compacted, 1);
    atomic_fetch_add(&st->swaps, 1);
    rc = lf_swap_replace(log, base, others, n, c->e);
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
    return rc ? rc : lf_swap_finish(log, base, c->e);
}
