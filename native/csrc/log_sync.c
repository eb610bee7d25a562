/* Durability: one sync serves all who wait. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "lf/log.h"

typedef struct target {
    int fd;                 /* a duplicate: the segment may be sealed and its own closed meanwhile */
    int64_t base_offset;
} target;

/* Files that hold records not yet on disk; the caller closes them. */
static int unsynced(lf_log *log, target **out, int32_t *count, lf_error *e) {
    char path[LF_PATH_MAX];
    *count = 0;
    pthread_mutex_lock(&log->mu);
    int rc = lf_segments_refresh(log, e);
    int32_t first = lf_segment_find(log, atomic_load(&log->state->durable_offset));
    if (first < 0) first = 0;
    *out = rc ? NULL : malloc((size_t)(log->n_segments - first) * sizeof **out);
    if (!rc && !*out) rc = lf_fail(e, LF_E_NOMEM, 0, log->dir, -1, "sync");
    for (int32_t i = first; !rc && i < log->n_segments; i++) {
        const lf_segment *s = log->segments[i];
        lf_segment_path(log, s->base_offset, ".log", path);
        int fd = s->fd >= 0 ? fcntl(s->fd, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) (*out)[(*count)++] = (target){fd, s->base_offset};
        /* Deleted by another's retention meanwhile: those records need no disk any more. */
        else if (errno != ENOENT) rc = lf_fail(e, LF_E_IO, errno, path, -1, "open for sync");
    }
    pthread_mutex_unlock(&log->mu);
    return rc;
}

static int sync_file(lf_log *log, const target *t, lf_error *e) {
    char path[LF_PATH_MAX];
    int rc = LF_FAILPOINT("sync.fdatasync") == LF_FP_RAISE ? (errno = EIO, -1) : fdatasync(t->fd);
    if (!rc) return LF_OK;
    /* The kernel may have dropped the pages: trying again could claim what is not so. */
    int err = errno;
    atomic_store(&log->state->failed, err);
    lf_segment_path(log, t->base_offset, ".log", path);
    return lf_fail(e, LF_E_SYNC_FAILED, err, path, -1, "fdatasync");
}

static int sync_now(lf_log *log, lf_error *e) {
    lf_state *st = log->state;
    target *files = NULL;
    int32_t n = 0;
    int failed = atomic_load(&st->failed);
    if (failed == ESTALE) return lf_fail(e, LF_E_CLOSED, 0, log->dir, -1, "the partition was deleted");
    if (failed) return lf_fail(e, LF_E_SYNC_FAILED, failed, log->dir, -1, "a sync failed earlier: close and open again to recover");
    /* Whatever is published now is in the page cache now. */
    int64_t end = atomic_load_explicit(&st->end_offset, memory_order_acquire);
    LF_FAILPOINT_RAISE("sync.before", log, e);
    int rc = unsynced(log, &files, &n, e);
    if (!rc) rc = lf_segment_sync_dir(log, e);
    if (rc == LF_E_SYNC_FAILED) atomic_store(&st->failed, e->err ? e->err : EIO);
    for (int32_t i = 0; i < n; i++) {
        if (!rc) rc = sync_file(log, &files[i], e);
        close(files[i].fd);
    }
    free(files);
    if (rc) return rc;
    int64_t durable = atomic_load(&st->durable_offset);
    while (durable < end && !atomic_compare_exchange_weak(&st->durable_offset, &durable, end)) {}
    LF_FAILPOINT("sync.after");
    return LF_OK;
}

/* Nothing is appended after a failed sync, so whoever asks for one later asks for records that it should have taken
 * along: he is told what failed then, not that something did. The caller holds sync_mu. */
static void tell_first_cause(lf_log *log, lf_error *e) {
    if (log->sync_failure) *e = *log->sync_failure;
    else if ((log->sync_failure = malloc(sizeof *e))) *log->sync_failure = *e;
}

int lf_log_sync(lf_log *log, int64_t offset, lf_error *e) {
    lf_state *st = log->state;
    if (atomic_load(&st->durable_offset) >= offset) return LF_OK;
    if (log->config.read_only) return lf_fail(e, LF_E_READ_ONLY, 0, log->dir, -1, "the log is open read-only");
    int rc = LF_OK;
    pthread_mutex_lock(&log->sync_mu);
    while (atomic_load(&st->durable_offset) < offset) {
        if (log->syncing) {
            pthread_cond_wait(&log->synced, &log->sync_mu);
            continue;
        }
        log->syncing = true;
        pthread_mutex_unlock(&log->sync_mu);
        rc = sync_now(log, e);
        pthread_mutex_lock(&log->sync_mu);
        log->syncing = false;
        if (rc == LF_E_SYNC_FAILED) tell_first_cause(log, e);
        pthread_cond_broadcast(&log->synced);
        break;
    }
    pthread_mutex_unlock(&log->sync_mu);
    return rc;
}
