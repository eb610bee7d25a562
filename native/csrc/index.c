/* Sparse indexes: arrays in memory, Kafka's files beside the segment. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lf/log.h"

void lf_index_drop(lf_segment *s) {
    lf_marks_drop(s);
    free(s->entries);
    free(s->times);
    s->entries = NULL;
    s->times = NULL;
    s->n_entries = s->cap_entries = s->n_times = s->cap_times = 0;
    s->indexed_position = s->bytes_since_entry = 0;
    s->indexed_offset = s->max_timestamp_offset = s->base_offset;
    s->max_timestamp = LF_NO_TIMESTAMP;
    s->index_ready = false;
}

static void *grown(void *array, int32_t *cap, size_t item) {
    int32_t more = *cap ? *cap * 2 : 64;
    void *p = realloc(array, (size_t)more * item);
    if (p) *cap = more;
    return p;
}

static void push_entry(lf_segment *s, int64_t offset, int64_t position) {
    if (s->n_entries == s->cap_entries) {
        void *p = grown(s->entries, &s->cap_entries, sizeof *s->entries);
        if (!p) return; /* a sparse index may skip an entry: look-ups walk a little further */
        s->entries = p;
    }
    s->entries[s->n_entries++] = (lf_index_entry){offset, (int32_t)position};
}

static void push_time(lf_segment *s, int64_t timestamp, int64_t offset) {
    if (s->n_times && (timestamp <= s->times[s->n_times - 1].timestamp || offset <= s->times[s->n_times - 1].offset)) return;
    if (s->n_times == s->cap_times) {
        void *p = grown(s->times, &s->cap_times, sizeof *s->times);
        if (!p) return;
        s->times = p;
    }
    s->times[s->n_times++] = (lf_time_entry){timestamp, offset};
}

void lf_index_note(const lf_log *log, lf_segment *s, int64_t position, int32_t size, int64_t last_offset, int64_t max_timestamp) {
    if (max_timestamp > s->max_timestamp) {
        s->max_timestamp = max_timestamp;
        s->max_timestamp_offset = last_offset;
    }
    if (s->bytes_since_entry > log->config.index_interval_bytes) {
        push_entry(s, last_offset, position);
        push_time(s, s->max_timestamp, s->max_timestamp_offset);
        s->bytes_since_entry = 0;
    }
    s->bytes_since_entry += size;
    s->indexed_position = position + size;
    s->indexed_offset = last_offset + 1;
}

#define IN_ORDER_FROM (1 << 20) /* headers of so many bytes are walked faster with the kernel reading ahead */

/* Walks batch headers from indexed_position to `end` bytes, and in the active segment not past what is
 * published: a batch written, but never published, is cut when its writer died. */
static int walk(lf_log *log, lf_segment *s, int64_t end, lf_error *e) {
    lf_batch b;
    const char *reason;
    int64_t published = s->sealed ? INT64_MAX : atomic_load_explicit(&log->state->end_offset, memory_order_acquire);
    int64_t before = -1, before_base = -1;
    int rc = lf_segment_map(log, s, (size_t)end, e);
    if (end - s->indexed_position > IN_ORDER_FROM) lf_segment_expect(s, false);
    while (!rc && s->indexed_position < end && s->indexed_offset < published) {
        int64_t at = s->indexed_position;
        if (!lf_batch_check(s->map + at, end - at, at, false, &b, &reason) && lf_batch_follows(log, &b, s->indexed_offset)) {
            lf_index_note(log, s, at, b.size, b.last_offset, b.max_timestamp);
            before = at;
            before_base = b.base_offset;
            continue;
        }
        /* Damage: what lies around it stays readable, and the read that meets it reports it. */
        int64_t expected = s->indexed_offset < 0 ? s->base_offset : s->indexed_offset;
        int64_t next = lf_batch_behind_damage(s->map, at, end, expected, before, before_base);
        if (next >= 0) lf_batch_parse(s->map + next, next, &b);
        s->indexed_offset = next < 0 ? -1 : b.base_offset;
        s->indexed_position = next < 0 ? end : next;
        before = -1;
    }
    return rc;
}

#define NO_FILE SIZE_MAX

static uint8_t *read_file(const char *path, size_t *size) {
    struct stat info;
    *size = NO_FILE;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return NULL;
    uint8_t *data = NULL;
    if (!fstat(fd, &info) && info.st_size <= INT_MAX) {
        data = malloc((size_t)info.st_size + 1);
        if (data && read(fd, data, (size_t)info.st_size) != info.st_size) {
            free(data);
            data = NULL;
        }
        *size = (size_t)info.st_size;
    }
    close(fd);
    return data;
}

/* Kafka preallocates with zeroes: the entries end where they stop growing. */
static int load_entries(lf_segment *s, const uint8_t *data, size_t size, int64_t end) {
    if (size % LF_INDEX_ENTRY_BYTES) return -1;
    int64_t last_offset = s->base_offset - 1, last_position = -1;
    for (size_t i = 0; i < size; i += LF_INDEX_ENTRY_BYTES) {
        int64_t offset = s->base_offset + (int32_t)lf_get32(data + i), position = (int32_t)lf_get32(data + i + 4);
        if (i && !lf_get64(data + i)) break;
        if (offset <= last_offset || position <= last_position || position >= end) return -1;
        push_entry(s, offset, position);
        last_offset = offset;
        last_position = position;
    }
    return 0;
}

static int load_times(lf_segment *s, const uint8_t *data, size_t size) {
    if (size % LF_TIME_ENTRY_BYTES) return -1;
    for (size_t i = 0; i < size; i += LF_TIME_ENTRY_BYTES) {
        int64_t timestamp = (int64_t)lf_get64(data + i), offset = s->base_offset + (int32_t)lf_get32(data + i + 8);
        if (i && !timestamp && offset == s->base_offset) break;
        const lf_time_entry *last = s->n_times ? &s->times[s->n_times - 1] : NULL;
        if (offset < s->base_offset || (last && (timestamp < last->timestamp || offset < last->offset))) return -1;
        push_time(s, timestamp, offset);
    }
    return 0;
}

bool lf_index_time_holds(const lf_segment *s, const lf_time_entry *t, int64_t end) {
    lf_batch b;
    const char *reason;
    for (int64_t at = lf_index_floor(s, t->offset, NULL); at < end; at += b.size) {
        if (lf_batch_check(s->map + at, end - at, at, false, &b, &reason)) return false;
        if (b.last_offset >= t->offset) return b.base_offset <= t->offset && b.max_timestamp == t->timestamp;
    }
    return false;
}

/* True when the files gave entries that fit the segment; else the log is walked. *odd: the files are missing
 * or wrong, other than that the segment is too small to have entries. */
static bool load(lf_log *log, lf_segment *s, int64_t end, bool *odd, lf_error *e) {
    char path[LF_PATH_MAX];
    size_t n_index, n_time;
    lf_batch b;
    const char *reason;
    lf_segment_path(log, s->base_offset, ".index", path);
    uint8_t *index = read_file(path, &n_index);
    lf_segment_path(log, s->base_offset, ".timeindex", path);
    uint8_t *time = read_file(path, &n_time);
    *odd = n_index || n_time == NO_FILE;
    bool ok = index && time && !load_entries(s, index, n_index, end) && !load_times(s, time, n_time) && s->n_entries;
    free(index);
    free(time);
    if (!ok || lf_segment_map(log, s, (size_t)end, e)) return false;
    lf_segment_expect(s, true);
    lf_index_entry last = s->entries[s->n_entries - 1];
    if (lf_batch_check(s->map + last.position, end - last.position, last.position, false, &b, &reason)) return false;
    if (b.last_offset != last.offset) return false; /* an index of another log */
    if (!s->n_times) return false;
    lf_time_entry newest = s->times[s->n_times - 1];
    if (!lf_index_time_holds(s, &newest, end)) return false;
    s->max_timestamp = newest.timestamp;
    s->max_timestamp_offset = newest.offset;
    /* Walked again from the batch with the largest timestamp, or the last entry's: a time index that lost its
     * tail must not hide what lies behind. That batch must not make a second entry. */
    while (s->n_entries && s->entries[s->n_entries - 1].offset > newest.offset) s->n_entries--;
    *odd = false;
    if (!s->n_entries) return false;
    last = s->entries[s->n_entries - 1];
    if (lf_batch_check(s->map + last.position, end - last.position, last.position, false, &b, &reason)) return false;
    if (b.last_offset != last.offset) return false;
    s->indexed_position = last.position;
    s->indexed_offset = b.base_offset;
    s->bytes_since_entry = 0;
    return true;
}

/* Mends what was found wrong on disk. The active segment's files come when it is sealed; a disk that cannot
 * take them now costs the next opener another walk, and nothing else. */
static void replace_files(lf_log *log, lf_segment *s) {
    lf_error ignored;
    if (!s->sealed || log->config.read_only) return;
    /* Compaction may have put another log in the place of this one, whose index it then would not be: under the
     * writer lock nothing changes. Who waits for it here would wait in vain, as the caller may have it itself. */
    int rc = lf_state_lock(log->state, 0);
    if (rc && rc != LF_E_OWNER_DIED) return;
    if (!rc && log->state->segments_version == log->segments_version && log->state->swaps == log->swaps)
        lf_index_write(log, s, false, &ignored);
    lf_state_unlock(log->state);
}

int lf_index_ready(lf_log *log, lf_segment *s, int64_t end, lf_error *e) {
    if (s->index_ready && s->indexed_position >= end) return LF_OK;
    bool odd = false, walked = !s->index_ready && end > 0 && !load(log, s, end, &odd, e);
    if (walked) lf_index_drop(s);
    int rc = walk(log, s, end, e);
    if (!rc) s->index_ready = true;
    if (!rc && walked && (odd || s->n_entries)) replace_files(log, s);
    return rc;
}

int lf_index_rebuild(lf_log *log, lf_segment *s, int64_t end, lf_error *e) {
    lf_index_drop(s);
    s->index_ready = true; /* nothing is loaded from the files that misled */
    int rc = lf_index_ready(log, s, end, e);
    if (!rc) replace_files(log, s);
    return rc;
}

#define NEAR 8 /* entries: four cache lines */

int32_t lf_index_at(const lf_segment *s, int64_t offset) {
    int32_t low = 0, high = s->n_entries;
    /* Batches are alike, mostly: around where it would be then, the entry is found without asking all over the array. */
    if (high > NEAR) {
        int64_t last = s->entries[high - 1].offset - s->base_offset, from = offset - s->base_offset;
        int32_t guess = from < last ? (int32_t)((double)from / (double)last * high) : high - 1;
        if (guess >= NEAR && s->entries[guess - NEAR].offset < offset) low = guess - NEAR + 1;
        if (guess < high - NEAR && s->entries[guess + NEAR].offset >= offset) high = guess + NEAR;
    }
    while (low < high) {
        int32_t mid = (low + high) / 2;
        if (s->entries[mid].offset < offset) low = mid + 1;
        else high = mid;
    }
    return low;
}

int64_t lf_index_floor(const lf_segment *s, int64_t offset, int64_t *last_offset) {
    int32_t low = lf_index_at(s, offset);
    if (low < s->n_entries && s->entries[low].offset == offset) low++;
    if (last_offset) *last_offset = low ? s->entries[low - 1].offset : -1;
    return low ? s->entries[low - 1].position : 0;
}

const lf_time_entry *lf_index_time_floor(const lf_segment *s, int64_t timestamp) {
    int32_t low = 0, high = s->n_times;
    while (low < high) {
        int32_t mid = (low + high) / 2;
        if (s->times[mid].timestamp < timestamp) low = mid + 1;
        else high = mid;
    }
    return low ? &s->times[low - 1] : NULL;
}

int64_t lf_index_time_from(const lf_segment *s, const lf_time_entry *floor) {
    const lf_time_entry *next = lf_index_time_next(s, floor);
    int64_t from = floor ? floor->offset : s->base_offset, indexed;
    /* Whenever a batch is indexed, its offset and the largest time so far are: before the entry that came with
     * `next`, no batch was as late. Many may share a time, as those of one large append do. */
    lf_index_floor(s, next ? next->offset - 1 : INT64_MAX, &indexed);
    return indexed > from ? indexed : from;
}

static int write_file(const char *path, const uint8_t *data, size_t n, bool sync, lf_log *log, lf_error *e) {
    char temporary[LF_PATH_MAX + 8];
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    LF_FAILPOINT_RAISE("index.before_write", log, e);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return lf_fail(e, LF_E_IO, errno, path, -1, "create index");
    int torn = LF_FAILPOINT("index.write");
    ssize_t done = torn == LF_FP_RAISE ? (errno = ENOSPC, -1) : write(fd, data, torn == LF_FP_TORN ? n / 2 : n);
    if (torn == LF_FP_TORN) raise(SIGKILL);
    int rc = LF_OK;
    if (done != (ssize_t)n) rc = lf_fail(e, LF_E_IO, done < 0 ? errno : ENOSPC, path, -1, "write index");
    else if (sync && fdatasync(fd)) rc = lf_fail(e, LF_E_SYNC_FAILED, errno, path, -1, "fdatasync of the index");
    close(fd);
    if (!rc && LF_FAILPOINT("index.before_rename") == LF_FP_RAISE) rc = lf_fail(e, LF_E_FAILPOINT, 0, path, -1, "index.before_rename");
    if (!rc && rename(temporary, path)) rc = lf_fail(e, LF_E_IO, errno, path, -1, "rename index");
    if (rc) unlink(temporary);
    return rc;
}

int lf_index_write(lf_log *log, lf_segment *s, bool sync, lf_error *e) { return lf_index_write_as(log, s, "", sync, e); }

int lf_index_write_as(lf_log *log, lf_segment *s, const char *mark, bool sync, lf_error *e) {
    char path[LF_PATH_MAX], suffix[32];
    /* As Kafka does when a segment becomes inactive: the largest timestamp is the last entry. */
    if (s->max_timestamp > LF_NO_TIMESTAMP) push_time(s, s->max_timestamp, s->max_timestamp_offset);
    size_t n_index = (size_t)s->n_entries * LF_INDEX_ENTRY_BYTES, n_time = (size_t)s->n_times * LF_TIME_ENTRY_BYTES;
    uint8_t *buf = malloc((n_index > n_time ? n_index : n_time) + 1);
    if (!buf) return lf_fail(e, LF_E_NOMEM, 0, log->dir, -1, "index");
    for (int32_t i = 0; i < s->n_entries; i++) {
        lf_put32(buf + i * LF_INDEX_ENTRY_BYTES, (uint32_t)(s->entries[i].offset - s->base_offset));
        lf_put32(buf + i * LF_INDEX_ENTRY_BYTES + 4, (uint32_t)s->entries[i].position);
    }
    snprintf(suffix, sizeof suffix, ".index%s", mark);
    lf_segment_path(log, s->base_offset, suffix, path);
    int rc = write_file(path, buf, n_index, sync, log, e);
    for (int32_t i = 0; i < s->n_times; i++) {
        lf_put64(buf + i * LF_TIME_ENTRY_BYTES, (uint64_t)s->times[i].timestamp);
        lf_put32(buf + i * LF_TIME_ENTRY_BYTES + 8, (uint32_t)(s->times[i].offset - s->base_offset));
    }
    snprintf(suffix, sizeof suffix, ".timeindex%s", mark);
    lf_segment_path(log, s->base_offset, suffix, path);
    if (!rc) rc = write_file(path, buf, n_time, sync, log, e);
    free(buf);
    return rc;
}
