/* Removing records from the front: delete_records and retention. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lf/producers.h"

static const char *const SUFFIXES[] = {".index", ".timeindex", ".txnindex", ".snapshot", ".log", NULL};

/* The log file goes last: while it is there, a crash leaves a whole segment without its side files. */
static int unlink_segment(lf_log *log, const lf_segment *s, lf_error *e) {
    char path[LF_PATH_MAX];
    for (int i = 0; SUFFIXES[i]; i++) {
        lf_segment_path(log, s->base_offset, SUFFIXES[i], path);
        if (unlink(path) && errno != ENOENT) return lf_fail(e, LF_E_IO, errno, path, -1, "delete");
    }
    return LF_OK;
}

/* Deletes the first `n` segments; the writer lock is held, the start offset is beyond them already. */
static int drop_front(lf_log *log, int32_t n, int64_t *bytes, lf_error *e) {
    int rc = LF_OK;
    int32_t done = 0;
    LF_FAILPOINT_RAISE("retain.before_unlink", log, e);
    pthread_mutex_lock(&log->mu);
    for (; done < n && !rc; done++) {
        rc = unlink_segment(log, log->segments[done], e);
        if (rc) break;
        *bytes += log->segments[done]->size;
        lf_segment_unref(log->segments[done]);
    }
    memmove(log->segments, log->segments + done, (size_t)(log->n_segments - done) * sizeof *log->segments);
    log->n_segments -= done;
    if (done) {
        atomic_fetch_add(&log->state->directory_version, 1);
        log->segments_version = atomic_fetch_add(&log->state->segments_version, 1) + 1;
    }
    pthread_mutex_unlock(&log->mu);
    LF_FAILPOINT("retain.after_unlink");
    return rc;
}

int lf_log_truncate_front(lf_log *log, int64_t *bytes, int32_t *removed, lf_error *e) {
    *bytes = 0;
    *removed = 0;
    int rc = lf_log_lock(log, e);
    if (rc) return rc;
    int64_t start = atomic_load(&log->state->start_offset);
    int32_t n = 0;
    while (n + 1 < log->n_segments && log->segments[n + 1]->base_offset <= start) n++;
    if (n) rc = drop_front(log, n, bytes, e);
    *removed = rc ? 0 : n;
    lf_log_unlock(log);
    return rc;
}

int lf_log_set_start(lf_log *log, int64_t offset, lf_error *e) {
    int rc = lf_log_lock(log, e);
    if (rc) return rc;
    lf_state *st = log->state;
    if (offset < 0 || offset > atomic_load(&st->end_offset)) {
        rc = lf_fail(e, LF_E_OUT_OF_RANGE, 0, log->dir, -1, "delete_records");
        e->offset = offset;
    } else if (offset > atomic_load(&st->start_offset)) {
        /* Who comes later cannot read what lies below it: a snapshot tells of the producers there. */
        if (atomic_load(&st->producers_from) != INT64_MAX) {
            pthread_mutex_lock(&log->producers->mu);
            rc = lf_producers_snapshot(log, atomic_load(&st->end_offset), e);
            pthread_mutex_unlock(&log->producers->mu);
        }
        if (!rc) lf_state_set_start(st, offset);
    }
    lf_log_unlock(log);
    return rc;
}

int lf_log_expire(lf_log *log, int64_t now_ms, int64_t retention_ms, int64_t retention_bytes, int64_t *bytes, int32_t *removed, lf_error *e) {
    *bytes = 0;
    *removed = 0;
    int rc = lf_log_lock(log, e);
    if (rc) return rc;
    lf_state *st = log->state;
    int64_t total = atomic_load(&st->end_position);
    int32_t n = 0;
    pthread_mutex_lock(&log->mu);
    for (int32_t i = 0; i + 1 < log->n_segments; i++) total += log->segments[i]->size;
    for (; !rc && n < log->n_segments; n++) {
        lf_segment *s = log->segments[n];
        bool active = n == log->n_segments - 1;
        int64_t size = active ? atomic_load(&st->end_position) : s->size;
        if (active && !size) break;
        rc = lf_index_ready(log, s, size, e);
        if (rc) break;
        bool old = retention_ms >= 0 && now_ms - s->max_timestamp > retention_ms;
        /* As Kafka: by size only sealed segments go, and only while the rest still holds retention.bytes. */
        bool big = retention_bytes >= 0 && !active && total - size >= retention_bytes;
        if (!old && !big) break;
        total -= size;
    }
    pthread_mutex_unlock(&log->mu);
    if (!rc && n == log->n_segments) rc = lf_log_roll_locked(log, atomic_load(&st->end_offset), e);
    if (!rc && n) {
        LF_FAILPOINT("retain.before_start");
        int64_t start = log->segments[n]->base_offset;
        if (start > atomic_load(&st->start_offset)) lf_state_set_start(st, start);
        rc = drop_front(log, n, bytes, e);
        *removed = rc ? 0 : n;
    }
    lf_log_unlock(log);
    return rc;
}

int lf_log_mark_deleted(lf_log *log, lf_error *e) {
    if (log->config.read_only) return lf_fail(e, LF_E_READ_ONLY, 0, log->dir, -1, "the log is open read-only");
    atomic_store(&log->state->failed, ESTALE);
    lf_state_wake(log->state);
    return LF_OK;
}
