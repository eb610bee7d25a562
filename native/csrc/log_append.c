#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "append_impl.h"
#include "lf/clock.h"
#include "lf/crc32c.h"
#include "lf/lost_pages.h"
#include "lf/varint.h"

int lf_log_lock(lf_log *log, lf_error *e) { return lf_log_lock_within(log, log->config.lock_timeout_s, e); }

int lf_log_lock_within(lf_log *log, double seconds, lf_error *e) {
    lf_state *st = log->state;
    if (log->config.read_only) return lf_fail(e, LF_E_READ_ONLY, 0, log->dir, -1, "the log is open read-only");
    int rc = lf_state_lock(st, seconds);
    if (rc == LF_E_OWNER_DIED) rc = lf_log_take_over(log, e);
    else if (rc) return lf_fail(e, rc, 0, log->dir, -1, "waiting for the writer lock");
    int failed = atomic_load(&st->failed);
    if (!rc && failed == ESTALE) rc = lf_fail(e, LF_E_CLOSED, 0, log->dir, -1, "the partition was deleted");
    else if (!rc && failed) rc = lf_fail(e, LF_E_SYNC_FAILED, failed, log->dir, -1, "a sync failed earlier: close and open again to recover");
    if (!rc && st->segments_version != log->segments_version) {
        pthread_mutex_lock(&log->mu);
        rc = lf_segments_refresh(log, e);
        pthread_mutex_unlock(&log->mu);
    }
    if (!rc) rc = lf_segment_open_for_write(log, lf_segment_active(log), e);
    if (rc) lf_state_unlock(st);
    else log->wrote = true;
    return rc;
}

void lf_log_unlock(lf_log *log) { lf_state_unlock(log->state); }

/* Undoes a write that failed half way: nothing may lie behind the end that looks like a batch. */
static void cut_tail(lf_log *log, lf_segment *s) {
    lf_state *st = log->state;
    int64_t end = atomic_load(&st->end_position);
    if (ftruncate(s->fd, end)) atomic_store(&st->failed, errno);
    else st->prepared_position = end;
}

/* Ahead of batches that will be synced: a sync that grows the file costs twice one that does not, so it should be rare;
 * but it also writes the zeroes. Steps of 256 KiB, 1, 2 and 4 MiB: 215, 202, 218, 329 us a list of 110 KB (decision 016). */
enum { SYNCED_STEP_BYTES = 1 << 20 };

static int prepare(lf_log *log, lf_segment *s, int64_t at_least, int64_t step_max, lf_error *e) {
    static const uint8_t zeroes[LF_PREPARE_BYTES];
    lf_state *st = log->state;
    int64_t from = st->prepared_position;
    if (from >= at_least) return LF_OK;
    /* Small logs stay small: the step grows with the segment. */
    int64_t step = from < 16384 ? 16384 : from > step_max ? step_max : from;
    int64_t to = at_least > from + step ? at_least : from + step;
    if (to > log->config.segment_bytes && at_least <= log->config.segment_bytes) to = log->config.segment_bytes;
    for (int64_t at = from; at < to;) {
        size_t n = (size_t)(to - at < LF_PREPARE_BYTES ? to - at : LF_PREPARE_BYTES);
        int err = LF_FAILPOINT("prepare.write") == LF_FP_RAISE ? ENOSPC : lf_write_all(s->fd, zeroes, n, at);
        if (err) {
            char path[LF_PATH_MAX];
            cut_tail(log, s);
            lf_segment_path(log, s->base_offset, ".log", path);
            return lf_fail(e, LF_E_IO, err, path, at, "extend");
        }
        at += (int64_t)n;
        st->prepared_position = at;
    }
    return LF_OK;
}

int lf_log_prepare(lf_log *log, lf_segment *s, int64_t at_least, lf_error *e) {
    return prepare(log, s, at_least, LF_PREPARE_BYTES, e);
}

/* Kafka's rules of rolling: size, age of the first batch, full index, offset too far from the base. */
static bool must_roll(lf_log *log, lf_segment *s, size_t len, int64_t last_offset, int64_t timestamp) {
    lf_state *st = log->state;
    int64_t end = atomic_load(&st->end_position);
    if (end == 0) return false;
    if (end + (int64_t)len > log->config.segment_bytes) return true;
    if (last_offset - s->base_offset > INT32_MAX) return true;
    if (st->first_timestamp >= 0 && timestamp - st->first_timestamp > log->config.segment_ms) return true;
    return ((int64_t)s->n_entries + 1) * LF_INDEX_ENTRY_BYTES > log->config.segment_index_bytes ||
           ((int64_t)s->n_times + 1) * LF_TIME_ENTRY_BYTES > log->config.segment_index_bytes;
}

/* Offsets, and the append time where the topic asks for it. Returns the number of records. */
static int64_t stamp(const lf_log *log, uint8_t *batches, size_t len, int64_t offset, int64_t now, int64_t *first_ts, int64_t *max_ts) {
    int64_t from = offset;
    *first_ts = *max_ts = LF_NO_TIMESTAMP;
    for (size_t at = 0; at < len;) {
        uint8_t *p = batches + at;
        size_t size = lf_batch_size_at(p);
        lf_put64(p + LF_BATCH_BASE_OFFSET_AT, (uint64_t)offset);
        lf_put32(p + LF_BATCH_LEADER_EPOCH_AT, (uint32_t)log->config.leader_epoch);
        if (now != LF_NO_TIMESTAMP) {
            uint16_t attributes = lf_get16(p + LF_BATCH_ATTRIBUTES_AT);
            lf_put16(p + LF_BATCH_ATTRIBUTES_AT, attributes | LF_ATTR_APPEND_TIME);
            lf_put64(p + LF_BATCH_MAX_TIMESTAMP_AT, (uint64_t)now);
            lf_put32(p + LF_BATCH_CRC_AT, lf_crc32c(0, p + LF_BATCH_ATTRIBUTES_AT, size - LF_BATCH_ATTRIBUTES_AT));
        }
        int64_t ts = (int64_t)lf_get64(p + LF_BATCH_MAX_TIMESTAMP_AT);
        if (*first_ts < 0) *first_ts = ts;
        if (ts > *max_ts) *max_ts = ts;
        offset += (int64_t)lf_get32(p + LF_BATCH_LAST_OFFSET_DELTA_AT) + 1;
        at += size;
    }
    return offset - from;
}

static void note_appended(lf_log *log, lf_segment *s, const uint8_t *batches, size_t len, int64_t position) {
    pthread_mutex_lock(&log->mu);
    if (s->indexed_position == position && (s->index_ready || position == 0)) {
        s->index_ready = true;
        for (size_t at = 0; at < len;) {
            lf_batch b;
            lf_batch_parse(batches + at, position + (int64_t)at, &b);
            lf_index_note(log, s, b.position, b.size, b.last_offset, b.max_timestamp);
            at += (size_t)b.size;
        }
    }
    pthread_mutex_unlock(&log->mu);
}

/* Bytes of the whole batches in front that fit `room` together. */
static size_t fitting(const uint8_t *batches, size_t len, int64_t room) {
    size_t at = 0;
    while (at < len) {
        size_t size = lf_batch_size_at(batches + at);
        if ((int64_t)(at + size) > room) break;
        at += size;
    }
    return at;
}

size_t lf_stretch_bytes(const lf_log *log, const uint8_t *batches, size_t len) {
    int64_t limit = log->config.segment_bytes;
    if ((int64_t)len <= limit) return len;
    size_t n = fitting(batches, len, limit - atomic_load_explicit(&log->state->end_position, memory_order_relaxed));
    return n ? n : fitting(batches, len, limit);
}

int lf_stretch_begin(lf_log *log, uint8_t *batches, size_t len, int64_t now, lf_stretch *out, lf_error *e) {
    int64_t max_ts;
    *out = (lf_stretch){.batches = batches, .len = len};
    out->offset = atomic_load_explicit(&log->state->end_offset, memory_order_relaxed);
    out->count = stamp(log, batches, len, out->offset, now, &out->first_timestamp, &max_ts);
    int rc = LF_OK;
    if (must_roll(log, lf_segment_active(log), len, out->offset + out->count - 1, max_ts)) rc = lf_log_roll_locked(log, out->offset, e);
    out->segment = lf_segment_active(log);
    out->position = atomic_load(&log->state->end_position);
    return rc;
}

void lf_stretch_cut(lf_log *log, const lf_stretch *s) { cut_tail(log, s->segment); }

int lf_stretch_write(lf_log *log, const lf_stretch *s, bool ahead, lf_error *e) {
    lf_state *st = log->state;
    char path[LF_PATH_MAX];
    int64_t end = s->position + (int64_t)s->len;
    if (ahead) {
        int rc = prepare(log, s->segment, end, SYNCED_STEP_BYTES, e);
        if (rc) return rc;
    }
    LF_FAILPOINT_RAISE("append.before_write", log, e);
    int torn = LF_FAILPOINT("append.write");
    int err = torn == LF_FP_RAISE ? EIO : lf_write_all(s->segment->fd, s->batches, torn == LF_FP_TORN ? s->len / 2 : s->len, s->position);
    if (torn == LF_FP_TORN) raise(SIGKILL);
    if (err) {
        cut_tail(log, s->segment);
        lf_segment_path(log, s->segment->base_offset, ".log", path);
        return lf_fail(e, LF_E_IO, err, path, s->position, "write");
    }
    if (end > st->prepared_position) st->prepared_position = end;
    if (LF_FAILPOINT("append.after_write") == LF_FP_RAISE || LF_FAILPOINT("append.before_publish") == LF_FP_RAISE) {
        cut_tail(log, s->segment);
        return lf_fail(e, LF_E_FAILPOINT, 0, log->dir, -1, "append.after_write");
    }
    return LF_OK;
}

void lf_stretch_settle(lf_log *log, const lf_stretch *s) {
    lf_state *st = log->state;
    note_appended(log, s->segment, s->batches, s->len, s->position);
    if (st->first_timestamp < 0) st->first_timestamp = s->first_timestamp;
    atomic_store_explicit(&st->end_position, s->position + (int64_t)s->len, memory_order_release);
}

int lf_stretch_look_over(const lf_log *log, const uint8_t *batches, size_t len, bool *produced, lf_error *e) {
    int64_t any = -1; /* an id that is not negative takes the sign away */
    for (size_t at = 0, size; at < len; at += size) {
        size = lf_batch_size_at(batches + at);
        any &= (int64_t)lf_get64(batches + at + LF_BATCH_PRODUCER_ID_AT);
        if ((int64_t)size <= log->config.segment_bytes) continue;
        lf_fail(e, LF_E_TOO_LARGE, 0, log->dir, -1, "segment.bytes");
        e->position = (int64_t)size;
        return LF_E_TOO_LARGE;
    }
    *produced = any >= 0;
    return LF_OK;
}

static int append_plain(lf_log *log, uint8_t *batches, size_t len, bool prepare, int64_t now, lf_append_info *info, lf_error *e) {
    lf_stretch s;
    int rc = LF_OK;
    for (size_t n; !rc && info->written < len; info->written += rc ? 0 : n) {
        n = lf_stretch_bytes(log, batches + info->written, len - info->written);
        rc = lf_stretch_begin(log, batches + info->written, n, now, &s, e);
        if (!rc) rc = lf_stretch_write(log, &s, prepare, e);
        if (rc) break;
        lf_stretch_settle(log, &s);
        lf_state_publish(log->state, s.offset + s.count);
        LF_FAILPOINT("append.after_publish");
    }
    info->last_offset = atomic_load_explicit(&log->state->end_offset, memory_order_relaxed) - 1;
    return rc;
}

static int append_from(lf_log *log, uint8_t *batches, size_t len, bool prepare, lf_origin origin, double wait_s,
                       lf_append_info *info, lf_error *e) {
    int64_t now = log->config.append_time ? lf_now_ms() : LF_NO_TIMESTAMP;
    bool produced;
    int rc = lf_stretch_look_over(log, batches, len, &produced, e);
    info->written = 0;
    /* Who does not want to wait (it holds a lock of its own) does not walk a log either. */
    if (!rc && produced && !log->producers->built && !(wait_s > 0)) return lf_fail(e, LF_E_TIMEOUT, 0, log->dir, -1, "producers");
    if (!rc) rc = lf_log_lock_within(log, wait_s, e);
    if (rc) return rc;
    info->base_offset = atomic_load_explicit(&log->state->end_offset, memory_order_relaxed);
    info->last_offset = info->base_offset - 1;
    info->append_time = now;
    info->duplicate = false;
    rc = produced ? lf_produce(log, batches, len, prepare, origin, now, info, e) : append_plain(log, batches, len, prepare, now, info, e);
    lf_log_unlock(log);
    return rc;
}

int lf_log_append(lf_log *log, uint8_t *batches, size_t len, bool prepare, double wait_s, lf_append_info *info,
                  lf_error *e) {
    return append_from(log, batches, len, prepare, LF_FROM_CLIENT, wait_s, info, e);
}

int lf_log_append_accepted(lf_log *log, uint8_t *batches, size_t len, lf_append_info *info, lf_error *e) {
    return append_from(log, batches, len, false, LF_FROM_LOG, log->config.lock_timeout_s, info, e);
}

static int map_for_write(lf_log *log, lf_segment *s, lf_error *e) {
    int64_t want = log->config.segment_bytes;
    if (s->write_map && (int64_t)s->write_len >= want) return LF_OK;
    lf_lost_pages_watch();
    void *map = mmap(NULL, (size_t)want, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
    if (map == MAP_FAILED) return lf_fail(e, LF_E_IO, errno, log->dir, -1, "mmap for writing");
    if (s->write_map) munmap(s->write_map, s->write_len); /* the writer lock is held: nobody stores through it */
    s->write_map = map;
    s->write_len = (size_t)want;
    return LF_OK;
}

/* A batch of one record, complete at `p` but for its base offset. */
static void put_single(uint8_t *p, int32_t size, const uint8_t *key, int32_t key_len, const uint8_t *value, int32_t value_len,
                       int32_t body, int64_t offset, int64_t timestamp, const lf_log_config *config) {
    lf_put64(p + LF_BATCH_BASE_OFFSET_AT, (uint64_t)offset);
    lf_put32(p + LF_BATCH_LENGTH_AT, (uint32_t)(size - LF_BATCH_LENGTH_OVERHEAD));
    lf_put32(p + LF_BATCH_LEADER_EPOCH_AT, (uint32_t)config->leader_epoch);
    p[LF_BATCH_MAGIC_AT] = 2;
    lf_put16(p + LF_BATCH_ATTRIBUTES_AT, config->append_time ? LF_ATTR_APPEND_TIME : 0);
    lf_put32(p + LF_BATCH_LAST_OFFSET_DELTA_AT, 0);
    lf_put64(p + LF_BATCH_BASE_TIMESTAMP_AT, (uint64_t)timestamp);
    lf_put64(p + LF_BATCH_MAX_TIMESTAMP_AT, (uint64_t)timestamp);
    memset(p + LF_BATCH_PRODUCER_ID_AT, 0xff, LF_BATCH_COUNT_AT - LF_BATCH_PRODUCER_ID_AT);
    lf_put32(p + LF_BATCH_COUNT_AT, 1);
    uint8_t *q = lf_put_varint(p + LF_BATCH_RECORDS_AT, body);
    *q++ = 0; /* attributes */
    *q++ = 0; /* timestamp delta */
    *q++ = 0; /* offset delta */
    q = lf_put_varint(q, key_len);
    if (key_len > 0) memcpy(q, key, (size_t)key_len), q += key_len;
    q = lf_put_varint(q, value_len);
    if (value_len > 0) memcpy(q, value, (size_t)value_len), q += value_len;
    *q = 0; /* headers */
    lf_put32(p + LF_BATCH_CRC_AT, lf_crc32c(0, p + LF_BATCH_ATTRIBUTES_AT, (size_t)(size - LF_BATCH_ATTRIBUTES_AT)));
}

/* Pages were lost while a batch was stored. When they were those that it was stored in, nobody else will ever see it. */
static int stored_nowhere(lf_log *log, lf_segment *s, int64_t at, int64_t size, lf_error *e) {
    uint8_t buf[4096];
    char path[LF_PATH_MAX];
    bool same = true;
    for (int64_t done = 0; same && done < size;) {
        ssize_t n = pread(s->fd, buf, size - done < (int64_t)sizeof buf ? (size_t)(size - done) : sizeof buf, at + done);
        same = n > 0 && !memcmp(buf, s->write_map + at + done, (size_t)n);
        done += n;
    }
    if (same) return LF_OK;
    atomic_store(&log->state->failed, EIO);
    lf_segment_path(log, s->base_offset, ".log", path);
    return lf_fail(e, LF_E_SYNC_FAILED, EIO, path, at, "the file was cut off by somebody else: close and open again to recover");
}

int lf_log_append_one(lf_log *log, const uint8_t *key, int32_t key_len, const uint8_t *value, int32_t value_len,
                      int64_t timestamp, double wait_s, int64_t *out, lf_error *e) {
    int64_t body = 4 + lf_varint_size(key_len) + (key_len > 0 ? key_len : 0) + lf_varint_size(value_len) +
                   (value_len > 0 ? value_len : 0);
    int64_t size = LF_BATCH_RECORDS_AT + lf_varint_size(body) + body;
    if (size > log->config.segment_bytes) {
        lf_fail(e, LF_E_TOO_LARGE, 0, log->dir, -1, "segment.bytes");
        e->position = size;
        return LF_E_TOO_LARGE;
    }
    int rc = lf_log_lock_within(log, wait_s, e);
    if (rc) return rc;
    if (log->config.append_time) timestamp = lf_now_ms();
    lf_state *st = log->state;
    lf_segment *s = lf_segment_active(log);
    int64_t offset = atomic_load_explicit(&st->end_offset, memory_order_relaxed);
    if (must_roll(log, s, (size_t)size, offset, timestamp)) {
        rc = lf_log_roll_locked(log, offset, e);
        s = lf_segment_active(log);
    }
    int64_t at = atomic_load_explicit(&st->end_position, memory_order_relaxed);
    if (!rc && at + size > st->prepared_position) {
        rc = lf_log_prepare(log, s, at + size, e);
        /* Keeps the index at most a step behind, so that no later roll or look-up pays for the whole segment. */
        pthread_mutex_lock(&log->mu);
        if (!rc) rc = lf_index_ready(log, s, at, e);
        pthread_mutex_unlock(&log->mu);
    }
    if (!rc) rc = map_for_write(log, s, e);
    if (!rc && LF_FAILPOINT("append_one.before_store") == LF_FP_RAISE) rc = lf_fail(e, LF_E_FAILPOINT, 0, log->dir, -1, "append_one.before_store");
    if (rc) {
        lf_log_unlock(log);
        return rc;
    }
    if (LF_FAILPOINT("append_one.half_stored") == LF_FP_TORN) {
        memset(s->write_map + at, 0x55, (size_t)size / 2);
        raise(SIGKILL);
    }
    uint32_t lost = atomic_load_explicit(&lf_lost_pages, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);  /* the handler runs in this thread, at the store that finds no page */
    put_single(s->write_map + at, (int32_t)size, key, key_len, value, value_len, (int32_t)body, offset, timestamp, &log->config);
    atomic_signal_fence(memory_order_seq_cst);
    if (__builtin_expect(atomic_load_explicit(&lf_lost_pages, memory_order_relaxed) != lost, 0) &&
        (rc = stored_nowhere(log, s, at, size, e))) {
        lf_log_unlock(log);
        return rc;
    }
    LF_FAILPOINT("append_one.before_publish");
    if (st->first_timestamp < 0) st->first_timestamp = timestamp;
    atomic_store_explicit(&st->end_position, at + size, memory_order_release);
    lf_state_publish(st, offset + 1);
    lf_log_unlock(log);
    *out = offset;
    return LF_OK;
}
