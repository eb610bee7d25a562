/* After an unclean stop: where does the log end? The segments alone decide. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lf/compact.h"
#include "lf/transactions.h"

typedef struct end_found {
    int64_t position;       /* behind the last good batch */
    int64_t offset;
    int64_t first_timestamp;
    const char *reason;     /* why the scan stopped before the file's end; NULL when it did not */
} end_found;

/* Walks one segment from its start. Damage below `trusted` is kept, and reported by the read that meets it:
 * those records were acknowledged, so it is no torn write. */
static int scan(lf_log *log, lf_segment *s, int64_t size, int64_t trusted, end_found *out, lf_error *e) {
    lf_batch b;
    *out = (end_found){0, s->base_offset, LF_NO_TIMESTAMP, NULL};
    lf_index_drop(s);
    int rc = lf_segment_map(log, s, (size_t)size, e);
    if (rc) return rc;
    lf_segment_expect(s, false);
    while (out->position < size) {
        const char *reason = NULL;
        int64_t at = out->position;
        rc = lf_batch_check(s->map + at, size - at, at, true, &b, &reason);
        /* An old log says so in its first batch; elsewhere, or with good batches behind, it is damage. */
        if (rc == LF_E_MAGIC && at == 0 && lf_batch_resync(s->map, 1, size, 0) < 0) {
            char path[LF_PATH_MAX];
            lf_segment_path(log, s->base_offset, ".log", path);
            return lf_fail(e, rc, 0, path, at, reason);
        }
        if (!rc && !lf_batch_follows(log, &b, out->offset)) {
            rc = LF_E_CORRUPT;
            reason = LF_NOT_FOLLOWING;
        }
        if (rc) {
            int64_t next = out->offset < trusted ? lf_batch_resync(s->map, at + 1, size, out->offset) : -1;
            if (next < 0) {
                out->reason = reason;
                break;
            }
            lf_batch_parse(s->map + next, next, &b);
            out->offset = b.base_offset;
            out->position = next;
            continue;
        }
        if (out->first_timestamp < 0) out->first_timestamp = b.max_timestamp;
        if (b.producer_id >= 0) log->recovery.saw_producers = true;
        lf_index_note(log, s, at, b.size, b.last_offset, b.max_timestamp);
        out->position = at + b.size;
        out->offset = b.last_offset + 1;
        log->recovery.scanned_bytes += b.size;
    }
    s->index_ready = true;
    return LF_OK;
}

static bool only_zeroes(const uint8_t *p, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (p[i]) return false;
    return true;
}

/* Indexes on disk may tell of what is cut, and would fit again once other records have taken its place. */
static int forget_side_files(lf_log *log, const lf_segment *s, bool transactions, lf_error *e) {
    static const char *const SUFFIXES[] = {".index", ".timeindex", ".txnindex"};
    char path[LF_PATH_MAX];
    if (log->config.read_only) return LF_OK;
    for (int i = 0; i < (transactions ? 3 : 2); i++) {
        lf_segment_path(log, s->base_offset, SUFFIXES[i], path);
        if (unlink(path) && errno != ENOENT) return lf_fail(e, LF_E_IO, errno, path, -1, "delete");
    }
    return LF_OK;
}

/* Cuts segment `i` at what the scan found, and deletes all behind it. */
static int cut(lf_log *log, int32_t i, int64_t size, const end_found *end, lf_error *e) {
    lf_segment *s = log->segments[i];
    lf_recovery *r = &log->recovery;
    char path[LF_PATH_MAX];
    lf_segment_path(log, s->base_offset, ".log", path);
    /* A preallocated tail is no loss; anything else is reported. */
    if (size > end->position && !only_zeroes(s->map + end->position, size - end->position)) {
        r->cut_bytes += size - end->position;
        r->cut_position = end->position;
        snprintf(r->cut_path, sizeof r->cut_path, "%s", path);
        snprintf(r->reason, sizeof r->reason, "%s", end->reason ? end->reason : "");
    }
    LF_FAILPOINT_RAISE("recover.before_cut", log, e);
    int rc = log->config.read_only ? LF_OK : lf_segment_open_for_write(log, s, e);
    if (!rc && !log->config.read_only && size != end->position && ftruncate(s->fd, end->position))
        rc = lf_fail(e, LF_E_IO, errno, path, end->position, "cut");
    if (!rc && !log->config.read_only) {
        lf_error ignored;
        bool cut_records = size > end->position && r->cut_bytes;
        /* Full disk: no index is better than an old one. */
        if (cut_records || lf_index_write(log, s, false, &ignored)) rc = forget_side_files(log, s, cut_records, e);
    }
    for (int32_t k = log->n_segments - 1; !rc && k > i; k--) {
        struct stat info;
        lf_segment_path(log, log->segments[k]->base_offset, ".log", path);
        if (!stat(path, &info)) r->cut_bytes += info.st_size;
        rc = forget_side_files(log, log->segments[k], true, e);
        if (!rc && !log->config.read_only && unlink(path) && errno != ENOENT) rc = lf_fail(e, LF_E_IO, errno, path, -1, "delete");
        r->deleted_segments++;
        lf_segment_unref(log->segments[k]);
        log->n_segments = k;
    }
    LF_FAILPOINT("recover.after_cut");
    return rc;
}

/* Rewrites the bytes that a failed sync may have lost in the page cache, then asks the disk again. */
static int rewrite_unsynced(lf_log *log, lf_segment *s, int64_t size, lf_error *e) {
    char path[LF_PATH_MAX];
    int64_t done = 0;
    lf_segment_path(log, s->base_offset, ".log", path);
    int rc = lf_segment_open_for_write(log, s, e);
    while (!rc && done < size) {
        size_t n = (size_t)(size - done < (1 << 20) ? size - done : 1 << 20);
        ssize_t w = pwrite(s->fd, s->map + done, n, done);
        if (w <= 0) rc = lf_fail(e, LF_E_IO, w < 0 ? errno : ENOSPC, path, done, "rewrite after a failed sync");
        else done += w;
    }
    if (!rc && fdatasync(s->fd)) rc = lf_fail(e, LF_E_SYNC_FAILED, errno, path, -1, "fdatasync after a failed sync");
    return rc;
}

static int file_size(lf_log *log, const lf_segment *s, int64_t *size, lf_error *e) {
    char path[LF_PATH_MAX];
    struct stat info;
    lf_segment_path(log, s->base_offset, ".log", path);
    if (stat(path, &info)) return lf_fail(e, LF_E_IO, errno, path, -1, "stat");
    *size = info.st_size;
    return LF_OK;
}

/* Records that were published in this boot, or on disk already, and are gone: somebody cut the file. */
static void report_missing(lf_log *log, int64_t acknowledged, const end_found *end) {
    lf_recovery *r = &log->recovery;
    lf_segment_path(log, lf_segment_active(log)->base_offset, ".log", r->cut_path);
    r->cut_position = end->position;
    snprintf(r->reason, sizeof r->reason, "offsets %lld to %lld were acknowledged and are missing", (long long)end->offset,
             (long long)acknowledged - 1);
}

int lf_log_recover(lf_log *log, lf_error *e) {
    uint8_t boot[16];
    lf_boot_id(boot);
    lf_state *st = log->state;
    bool known = st->magic == LF_STATE_MAGIC && st->phase != LF_STATE_NEW;
    static const uint8_t no_boot[16];
    /* Without /proc there is no telling: then as after a power loss. */
    bool same_boot = known && memcmp(boot, no_boot, sizeof boot) && !memcmp(boot, st->boot_id, sizeof boot);
    int64_t durable = known ? atomic_load(&st->durable_offset) : 0, start = known ? atomic_load(&st->start_offset) : 0;
    int failed = known ? atomic_load(&st->failed) : 0;
    if (known && atomic_load(&st->start_copy) < start) start = atomic_load(&st->start_copy);
    if (log->config.recovery_offset > durable) durable = log->config.recovery_offset;
    /* In the same boot the page cache is whole: all that was published is there, and damage is damage. */
    int64_t trusted = same_boot && atomic_load(&st->end_offset) > durable ? atomic_load(&st->end_offset) : durable;
    if (log->config.start_offset > start) start = log->config.start_offset;
    LF_FAILPOINT_RAISE("recover.before_scan", log, e);
    log->recovery = (lf_recovery){.ran = log->n_segments > 0, .producers_known = known};
    int rc = lf_state_reset(st);
    if (rc) return lf_fail(e, rc, 0, log->dir, -1, "state");
    log->swaps = atomic_load(&st->swaps);
    end_found end = {0, start > 0 ? start : 0, LF_NO_TIMESTAMP, NULL};
    int64_t size = 0;
    int32_t i = log->n_segments ? lf_segment_find(log, durable) : 0;
    if (i < 0) i = 0;
    /* Segments below the recovery point are on disk; the last is always scanned, for its end and its index. */
    if (same_boot && !failed && log->n_segments) i = log->n_segments - 1;
    if (log->n_segments) log->recovery.scan_base = log->segments[i]->base_offset;
    for (; i < log->n_segments; i++) {
        lf_segment *s = log->segments[i];
        rc = file_size(log, s, &size, e);
        if (!rc) rc = scan(log, s, size, trusted, &end, e);
        if (!rc && failed) rc = rewrite_unsynced(log, s, end.position, e);
        if (rc) return rc;
        bool last = i == log->n_segments - 1;
        bool joins = last || log->segments[i + 1]->base_offset == end.offset ||
                     (log->segments[i + 1]->base_offset > end.offset && (lf_gaps_allowed(log) || end.offset < trusted));
        if (!last && joins && end.position == size) continue;
        if (!last && end.offset < trusted) continue; /* damage in sealed, acknowledged data stays for `repair` */
        rc = cut(log, i, size, &end, e);
        if (rc) return rc;
        break;
    }
    if (!log->n_segments) {
        if (log->config.read_only) return lf_fail(e, LF_E_FORMAT, 0, log->dir, -1, "no segment files");
        st->end_offset = st->durable_offset = end.offset;
        lf_state_set_start(st, end.offset);
        atomic_store(&st->failed, 0);
        return lf_log_roll_locked(log, end.offset, e);
    }
    lf_segment *active = lf_segment_active(log);
    active->sealed = false;
    if (trusted > end.offset) report_missing(log, trusted, &end);
    if (start < log->segments[0]->base_offset) start = log->segments[0]->base_offset;
    lf_state_set_start(st, start > end.offset ? end.offset : start);
    st->active_base = active->base_offset;
    st->end_position = st->prepared_position = end.position;
    st->first_timestamp = end.first_timestamp;
    st->end_offset = end.offset;
    /* What a fresh boot reads came from the disk. */
    st->durable_offset = same_boot && durable < end.offset && !failed ? durable : end.offset;
    atomic_store(&st->failed, 0);
    log->recovery.end_offset = end.offset;
    return LF_OK;
}

int lf_log_take_over(lf_log *log, lf_error *e) {
    lf_state *st = log->state;
    int rc = lf_compact_settle(log, false, e);
    if (rc) return rc;
    pthread_mutex_lock(&log->mu);
    log->segments_version = 0;
    rc = lf_segments_scan(log, e);
    if (!rc && !log->n_segments) rc = lf_fail(e, LF_E_CLOSED, 0, log->dir, -1, "the partition was deleted");
    if (!rc) {
        lf_segment *s = lf_segment_active(log);
        int64_t published = atomic_load(&st->end_offset), size = 0;
        rc = file_size(log, s, &size, e);
        lf_index_drop(s);
        /* Stops at the published end: a batch behind it was never acknowledged to anyone. */
        if (!rc) rc = lf_index_ready(log, s, published > s->base_offset ? size : 0, e);
        if (!rc && s->indexed_offset < published && s->base_offset < published) {
            char path[LF_PATH_MAX];
            lf_segment_path(log, s->base_offset, ".log", path);
            rc = lf_fail(e, LF_E_CORRUPT, 0, path, -1, "published records are damaged: close and open again to recover");
        }
        if (!rc && LF_FAILPOINT("takeover.before_cut") == LF_FP_RAISE)
            rc = lf_fail(e, LF_E_FAILPOINT, 0, log->dir, -1, "takeover.before_cut");
        if (!rc) rc = lf_segment_open_for_write(log, s, e);
        if (!rc && ftruncate(s->fd, s->indexed_position)) rc = lf_fail(e, LF_E_IO, errno, log->dir, s->indexed_position, "cut");
        if (!rc) {
            if (!s->indexed_position) st->first_timestamp = LF_NO_TIMESTAMP;
            atomic_store(&st->active_base, s->base_offset);
            st->prepared_position = s->indexed_position;
            atomic_store(&st->end_position, s->indexed_position);
            atomic_fetch_add(&st->directory_version, 1);
            log->segments_version = atomic_fetch_add(&st->segments_version, 1) + 1;
        }
    }
    pthread_mutex_unlock(&log->mu);
    if (!rc) rc = lf_txn_take_over(log, e);
    if (!rc) atomic_store(&st->unrepaired, 0);
    return rc;
}
