/* A log's producers, kept in step with it: from the newest snapshot, then by the headers of published batches. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lf/clock.h"
#include "lf/producers.h"
#include "lf/transactions.h"

#define TEMPORARY "logflume.snapshot.tmp"
#define EXPIRE_EVERY_MS 600000          /* Kafka's producer.id.expiration.check.interval.ms */

static int newest_first(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

/* Offsets of all snapshots, the newest first. */
static int list_snapshots(const lf_log *log, int64_t **out, int32_t *count, lf_error *e) {
    *out = NULL;
    *count = 0;
    int32_t cap = 0;
    DIR *d = opendir(log->dir);
    if (!d) return lf_fail(e, LF_E_IO, errno, log->dir, -1, "list");
    for (struct dirent *entry; (entry = readdir(d));) {
        if (strspn(entry->d_name, "0123456789") != 20 || strcmp(entry->d_name + 20, ".snapshot")) continue;
        if (*count == cap) {
            cap = cap ? cap * 2 : 16;
            int64_t *more = realloc(*out, (size_t)cap * sizeof *more);
            if (!more) {
                free(*out);
                *out = NULL;
                closedir(d);
                return lf_fail(e, LF_E_NOMEM, 0, log->dir, -1, "snapshots");
            }
            *out = more;
        }
        (*out)[(*count)++] = strtoll(entry->d_name, NULL, 10);
    }
    closedir(d);
    if (*count) qsort(*out, (size_t)*count, sizeof **out, newest_first);
    return LF_OK;
}

static int remove_snapshot(const lf_log *log, int64_t offset, lf_error *e) {
    char path[LF_PATH_MAX];
    lf_segment_path(log, offset, ".snapshot", path);
    return unlink(path) && errno != ENOENT ? lf_fail(e, LF_E_IO, errno, path, -1, "delete") : LF_OK;
}

/* One that cannot be read is deleted, as Kafka does: the log tells the same. */
static int drop_bad(lf_log *log, int64_t offset, const char *reason, lf_error *e) {
    lf_recovery *r = &log->recovery;
    lf_segment_path(log, offset, ".snapshot", r->bad_snapshot);
    snprintf(r->bad_snapshot_reason, sizeof r->bad_snapshot_reason, "%s", reason);
    return log->config.read_only ? LF_OK : remove_snapshot(log, offset, e);
}

static int load_snapshot(lf_log *log, lf_producers *p, int64_t offset, bool *good, lf_error *e) {
    char path[LF_PATH_MAX];
    const char *reason = "";
    lf_segment_path(log, offset, ".snapshot", path);
    *good = false;
    int rc = lf_snapshot_read(p, path, lf_now_ms(), log->config.producer_expiration_ms, &reason);
    if (!rc) {
        *good = true;
        return LF_OK;
    }
    int err = errno;
    lf_producers_clear(p);
    if (rc == LF_E_CORRUPT) return drop_bad(log, offset, reason, e);
    /* Another process has written a newer one meanwhile, and deleted this. */
    if (rc == LF_E_IO && err == ENOENT) return LF_OK;
    return lf_fail(e, rc, rc == LF_E_IO ? err : 0, path, -1, "read snapshot");
}

int lf_producers_build(lf_log *log, lf_producers *p, int64_t limit, lf_error *e) {
    int64_t from = atomic_load(&log->state->producers_from), *offsets = NULL;
    int32_t n = 0;
    bool good = false, collecting = p->collecting;
    lf_producers_clear(p);
    if (from > limit) from = limit; /* exact: whoever appends the first such batch says so before it is published */
    int rc = from < limit ? list_snapshots(log, &offsets, &n, e) : LF_OK;
    for (int32_t i = 0; !rc && !good && i < n && offsets[i] > from; i++) {
        if (offsets[i] > limit) continue;
        rc = load_snapshot(log, p, offsets[i], &good, e);
        if (good) from = offsets[i];
    }
    free(offsets);
    if (rc) return rc;
    p->cursor.next_offset = from;
    p->built = true;
    p->collecting = collecting;
    return LF_OK;
}

/* Behind a batch that is damaged: what it told is lost, the next good one is taken. */
static int skip_damage(lf_log *log, lf_cursor *c, lf_error *e) {
    lf_batch b;
    int64_t base = c->segment ? c->segment->base_offset : c->next_offset;
    int64_t end = c->segment ? lf_segment_end(log, c->segment) : -1;
    int64_t next = end >= 0 && end <= c->map_len ? lf_batch_resync(c->map, c->position + 1, end, c->next_offset) : -1;
    if (next >= 0) {
        lf_batch_parse(c->map + next, next, &b);
        c->position = next;
        c->expected = -1;
        c->next_offset = b.base_offset;
        return LF_OK;
    }
    lf_cursor_release(c);
    pthread_mutex_lock(&log->mu);
    int rc = lf_segments_refresh(log, e);
    int32_t i = rc ? 0 : lf_segment_find(log, base) + 1;
    c->next_offset = i < log->n_segments ? log->segments[i]->base_offset : atomic_load(&log->state->end_offset);
    pthread_mutex_unlock(&log->mu);
    return rc;
}

/* The next published batch; LF_E_END when all have been taken in. */
static int next_batch(lf_log *log, lf_cursor *c, lf_batch *b, lf_error *e) {
    for (;;) {
        int64_t start = atomic_load(&log->state->start_offset);
        if (c->next_offset < start) {
            lf_cursor_release(c);
            c->next_offset = start;
        }
        int rc = lf_cursor_peek(log, c, false, b, e);
        if (rc == LF_E_OUT_OF_RANGE && c->next_offset < atomic_load(&log->state->start_offset)) continue;
        if (rc != LF_E_CORRUPT) return rc;
        rc = skip_damage(log, c, e);
        if (rc) return rc;
    }
}

int lf_producers_walk(lf_log *log, lf_producers *p, int64_t to, lf_error *e) {
    lf_batch b;
    char why[1];
    int rc = LF_OK;
    while (p->cursor.next_offset < to && !(rc = next_batch(log, &p->cursor, &b, e)) && b.base_offset < to) {
        if (lf_producers_take(p, &b, LF_FROM_LOG, why, sizeof why)) return lf_fail(e, LF_E_NOMEM, 0, log->dir, -1, "producers");
        lf_cursor_advance(&p->cursor, &b);
    }
    return rc == LF_E_END ? LF_OK : rc;
}

/* In a process that runs for long without rolling a segment, too. */
static int expire_at_times(lf_log *log, lf_error *e) {
    lf_producers *p = log->producers;
    int64_t now = lf_about_now_ms(), idle = log->config.producer_expiration_ms;
    int64_t passed = now - p->expired_ms;
    if (passed >= 0 && passed < (idle < EXPIRE_EVERY_MS ? idle : EXPIRE_EVERY_MS)) return LF_OK;
    bool first = !p->expired_ms; /* it has just been made from what had not expired */
    p->expired_ms = now;
    return !first && lf_producers_expire(p, now, idle) ? lf_fail(e, LF_E_NOMEM, 0, log->dir, -1, "producers") : LF_OK;
}

int lf_producers_catch_up(lf_log *log, lf_error *e) {
    lf_producers *p = log->producers;
    int64_t end = atomic_load_explicit(&log->state->end_offset, memory_order_acquire);
    int rc = p->built ? LF_OK : lf_producers_build(log, p, end, e);
    if (!rc) rc = lf_producers_walk(log, p, INT64_MAX, e);
    return rc ? rc : expire_at_times(log, e);
}

int lf_producers_list(lf_log *log, lf_producer **out, size_t *n, lf_error *e) {
    lf_producers *p = log->producers;
    *out = NULL;
    *n = 0;
    pthread_mutex_lock(&p->mu);
    int rc = lf_producers_catch_up(log, e);
    if (!rc && p->n_slots && !(*out = malloc(p->n_slots * sizeof **out))) rc = lf_fail(e, LF_E_NOMEM, 0, log->dir, -1, "producers");
    for (size_t i = 0; !rc && i < p->cap_slots; i++)
        if (p->slots[i].id >= 0 && p->slots[i].epoch >= 0) (*out)[(*n)++] = p->slots[i];
    pthread_mutex_unlock(&p->mu);
    return rc;
}

int lf_producers_get(lf_log *log, int64_t id, lf_producer *out, lf_error *e) {
    lf_producers *p = log->producers;
    out->id = -1;
    pthread_mutex_lock(&p->mu);
    int rc = lf_producers_catch_up(log, e);
    const lf_producer *w = rc ? NULL : lf_producers_find(p, id);
    if (w) *out = *w;
    pthread_mutex_unlock(&p->mu);
    return rc;
}

/* Kafka keeps those at a segment's beginning, and the newest. */
static int remove_strays(lf_log *log, int64_t newest, lf_error *e) {
    int64_t *offsets = NULL;
    int32_t n = 0;
    int rc = list_snapshots(log, &offsets, &n, e);
    for (int32_t i = 0; !rc && i < n; i++) {
        pthread_mutex_lock(&log->mu);
        int32_t s = lf_segment_find(log, offsets[i]);
        bool keep = offsets[i] >= newest || (s >= 0 && log->segments[s]->base_offset == offsets[i]);
        pthread_mutex_unlock(&log->mu);
        if (!keep) rc = remove_snapshot(log, offsets[i], e);
    }
    free(offsets);
    return rc;
}

int lf_producers_snapshot(lf_log *log, int64_t offset, lf_error *e) {
    lf_producers *p = log->producers;
    char path[LF_PATH_MAX], temporary[LF_PATH_MAX + sizeof TEMPORARY];
    lf_segment_path(log, offset, ".snapshot", path);
    snprintf(temporary, sizeof temporary, "%s/" TEMPORARY, log->dir);
    LF_FAILPOINT_RAISE("snapshot.before_write", log, e);
    int rc = lf_producers_catch_up(log, e);
    if (!rc && lf_producers_expire(p, lf_now_ms(), log->config.producer_expiration_ms))
        rc = lf_fail(e, LF_E_NOMEM, 0, log->dir, -1, "producers");
    if (rc) return rc;
    /* Not synced: it has a checksum, and the log tells the same. */
    int err = lf_snapshot_write(p, temporary);
    if (err) {
        unlink(temporary);
        return lf_fail(e, LF_E_IO, err, path, -1, "write snapshot");
    }
    LF_FAILPOINT_RAISE("snapshot.before_rename", log, e);
    if (rename(temporary, path)) return lf_fail(e, LF_E_IO, errno, path, -1, "rename");
    LF_FAILPOINT_RAISE("snapshot.after_rename", log, e);
    return remove_strays(log, offset, e);
}

int lf_snapshots_cut(lf_log *log, int64_t end, bool *any, lf_error *e) {
    int64_t *offsets = NULL;
    int32_t n = 0;
    int rc = list_snapshots(log, &offsets, &n, e);
    *any = false;
    for (int32_t i = 0; !rc && i < n; i++) {
        if (offsets[i] <= end) *any = true;
        else if (!log->config.read_only) rc = remove_snapshot(log, offsets[i], e);
    }
    free(offsets);
    return rc;
}
