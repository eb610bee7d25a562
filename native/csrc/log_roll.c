/* Sealing the active segment and beginning the next. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lf/clock.h"
#include "lf/transactions.h"

static int seal_active(lf_log *log, lf_error *e) {
    lf_state *st = log->state;
    lf_segment *s = lf_segment_active(log);
    char path[LF_PATH_MAX];
    int64_t end = atomic_load(&st->end_position);
    LF_FAILPOINT_RAISE("roll.before_seal", log, e);
    if (st->prepared_position != end && ftruncate(s->fd, end)) {
        lf_segment_path(log, s->base_offset, ".log", path);
        return lf_fail(e, LF_E_IO, errno, path, end, "trim");
    }
    st->prepared_position = end;
    LF_FAILPOINT_RAISE("roll.after_seal", log, e);
    pthread_mutex_lock(&log->mu);
    int rc = lf_index_ready(log, s, end, e);
    if (!rc) rc = lf_index_write(log, s, false, e);
    pthread_mutex_unlock(&log->mu);
    if (!rc) LF_FAILPOINT_RAISE("roll.after_index", log, e);
    return rc;
}

/* Adds a segment whose file exists to the in-memory list. */
static int push_segment(lf_log *log, lf_segment *s, lf_error *e) {
    if (log->n_segments == log->cap_segments) {
        int32_t cap = log->cap_segments ? log->cap_segments * 2 : 8;
        lf_segment **more = realloc(log->segments, (size_t)cap * sizeof *more);
        if (!more) return lf_fail(e, LF_E_NOMEM, 0, log->dir, -1, "segment list");
        log->segments = more;
        log->cap_segments = cap;
    }
    log->segments[log->n_segments++] = s;
    return LF_OK;
}

int lf_log_roll_locked(lf_log *log, int64_t base_offset, lf_error *e) {
    lf_state *st = log->state;
    char path[LF_PATH_MAX];
    int rc = log->n_segments ? seal_active(log, e) : LF_OK;
    if (!rc && log->n_segments && atomic_load(&st->producers_from) != INT64_MAX)
        rc = lf_txn_seal(log, lf_segment_active(log)->base_offset, base_offset, e);
    /* Without its first segment after a power loss, a log would look as if retention had taken it. */
    if (!rc && log->n_segments == 1) rc = lf_segment_sync_dir(log, e);
    if (rc == LF_E_SYNC_FAILED) atomic_store(&st->failed, e->err ? e->err : EIO);
    if (rc) return rc;
    lf_segment *s = lf_segment_new(base_offset);
    if (!s) return lf_fail(e, LF_E_NOMEM, 0, log->dir, -1, "segment");
    lf_segment_path(log, base_offset, ".log", path);
    /* A file of that name is what a roller left that died here: nothing in it was published. */
    s->fd = lf_open_file(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC);
    if (s->fd < 0) {
        rc = lf_fail(e, LF_E_IO, errno, path, -1, "create segment");
        lf_segment_unref(s);
        return rc;
    }
    LF_FAILPOINT("roll.after_create");
    pthread_mutex_lock(&log->mu);
    if (log->n_segments) {
        lf_segment *old = lf_segment_active(log);
        old->size = atomic_load(&st->end_position);
        atomic_store_explicit(&old->sealed, true, memory_order_release);
        close(old->fd); /* a sync under way has a duplicate */
        old->fd = -1;
    }
    rc = push_segment(log, s, e);
    LF_FAILPOINT("roll.before_publish");
    if (!rc) {
        st->created_ms = lf_now_ms();
        st->prepared_position = 0;
        st->first_timestamp = LF_NO_TIMESTAMP;
        atomic_store(&st->active_base, base_offset);
        atomic_store(&st->end_position, 0);
        atomic_fetch_add(&st->directory_version, 1);
        log->segments_version = atomic_fetch_add(&st->segments_version, 1) + 1;
    } else {
        /* Left there, it would be taken for the active segment by whoever lists the directory. */
        unlink(path);
        lf_segment_unref(s);
    }
    pthread_mutex_unlock(&log->mu);
    return rc;
}

int lf_log_roll(lf_log *log, lf_error *e) {
    int rc = lf_log_lock(log, e);
    if (rc) return rc;
    if (atomic_load(&log->state->end_position) > 0) rc = lf_log_roll_locked(log, atomic_load(&log->state->end_offset), e);
    lf_log_unlock(log);
    return rc;
}
