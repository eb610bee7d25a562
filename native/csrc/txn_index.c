/* `.txnindex`: the aborted transactions whose markers lie in a segment (FORMAT.md, "Indexes"). Written as they are
 * aborted, before the marker is published; compared with the log when it is recovered, and when a sealed segment's is
 * first read. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lf/transactions.h"
#include "txn_impl.h"

#define PRODUCER_AT 2
#define FIRST_AT (PRODUCER_AT + 8)
#define LAST_AT (FIRST_AT + 8)
#define STABLE_AT (LAST_AT + 8)

#define INDEX_BYTES_MAX ((off_t)1 << 30)

void lf_txn_entry_put(uint8_t e[LF_TXN_ENTRY_BYTES], const lf_aborted *a) {
    lf_put16(e, 0); /* version */
    lf_put64(e + PRODUCER_AT, (uint64_t)a->producer);
    lf_put64(e + FIRST_AT, (uint64_t)a->first);
    lf_put64(e + LAST_AT, (uint64_t)a->last);
    lf_put64(e + STABLE_AT, (uint64_t)a->stable);
}

static lf_aborted get_entry(const uint8_t *e) {
    return (lf_aborted){(int64_t)lf_get64(e + PRODUCER_AT), (int64_t)lf_get64(e + FIRST_AT), (int64_t)lf_get64(e + LAST_AT),
                        (int64_t)lf_get64(e + STABLE_AT)};
}

static int fail_file(const lf_log *log, int64_t base, int err, const char *reason, lf_error *e) {
    char path[LF_PATH_MAX];
    lf_segment_path(log, base, ".txnindex", path);
    return lf_fail(e, LF_E_IO, err, path, -1, reason);
}

/* -1 with errno; ENOENT: there is none. */
static int open_index(const lf_log *log, int64_t base, int flags) {
    char path[LF_PATH_MAX];
    lf_segment_path(log, base, ".txnindex", path);
    return lf_open_file(path, flags | O_CLOEXEC);
}

/* Where whole entries with markers below `end` end; the markers rise. -1 with errno. */
static off_t end_below(int fd, int64_t end) {
    struct stat info;
    uint8_t entry[LF_TXN_ENTRY_BYTES];
    if (fstat(fd, &info)) return -1;
    off_t size = info.st_size - info.st_size % LF_TXN_ENTRY_BYTES;
    for (; size > 0; size -= LF_TXN_ENTRY_BYTES) {
        ssize_t n = pread(fd, entry, sizeof entry, size - LF_TXN_ENTRY_BYTES);
        if (n != (ssize_t)sizeof entry) {
            if (n >= 0) errno = EIO;
            return -1;
        }
        if (get_entry(entry).last < end) break;
    }
    return size;
}

int lf_txn_index_append(lf_log *log, int64_t base, const lf_aborted *list, int32_t n, lf_error *e) {
    if (!n) return LF_OK;
    int fd = open_index(log, base, O_RDWR), err = 0;
    if (fd < 0 && errno == ENOENT) {
        fd = open_index(log, base, O_RDWR | O_CREAT);
        atomic_fetch_add(&log->state->directory_version, 1);
    }
    if (fd < 0) return fail_file(log, base, errno, "open", e);
    off_t at = end_below(fd, list[0].last);
    size_t len = (size_t)n * LF_TXN_ENTRY_BYTES;
    uint8_t *data = at < 0 ? NULL : malloc(len);
    if (at < 0) err = errno;
    else if (!data) err = ENOMEM;
    for (int32_t i = 0; data && i < n; i++) lf_txn_entry_put(data + (size_t)i * LF_TXN_ENTRY_BYTES, &list[i]);
    if (!err && LF_FAILPOINT("txnindex.write") == LF_FP_RAISE) err = ENOSPC;
    if (!err && ftruncate(fd, at)) err = errno;
    if (!err) err = lf_write_all(fd, data, len, at);
    if (!err) LF_FAILPOINT("txnindex.after_write");
    if (err && at >= 0 && ftruncate(fd, at)) atomic_store(&log->state->unrepaired, 1); /* the next owner cuts it */
    free(data);
    close(fd);
    return err ? fail_file(log, base, err, "write", e) : LF_OK;
}

int lf_txn_index_cut(lf_log *log, int64_t base, int64_t end, lf_error *e) {
    int fd = open_index(log, base, O_RDWR);
    if (fd < 0) return errno == ENOENT ? LF_OK : fail_file(log, base, errno, "open", e);
    off_t at = end_below(fd, end);
    int rc = at < 0 || ftruncate(fd, at) ? fail_file(log, base, errno, "cut", e) : LF_OK;
    close(fd);
    return rc;
}

int lf_txn_index_sync(lf_log *log, int64_t base, lf_error *e) {
    char path[LF_PATH_MAX];
    int fd = open_index(log, base, O_RDONLY);
    if (fd < 0) return errno == ENOENT ? LF_OK : fail_file(log, base, errno, "open", e);
    int rc = fdatasync(fd), err = errno;
    close(fd);
    if (!rc) return LF_OK;
    lf_segment_path(log, base, ".txnindex", path);
    return lf_fail(e, LF_E_SYNC_FAILED, err, path, -1, "fdatasync");
}

/* ---- the file as a whole ---- */

/* *good: nothing in it is impossible for a segment [base, end). No file: no entries. */
static int read_index(const lf_log *log, int64_t base, int64_t end, lf_aborted **out, int32_t *n, bool *good, lf_error *e) {
    struct stat info;
    *out = NULL;
    *n = 0;
    *good = true;
    int fd = open_index(log, base, O_RDONLY), rc = LF_OK;
    if (fd < 0) return errno == ENOENT ? LF_OK : fail_file(log, base, errno, "open", e);
    if (fstat(fd, &info)) rc = fail_file(log, base, errno, "stat", e);
    else if (info.st_size % LF_TXN_ENTRY_BYTES || info.st_size > INDEX_BYTES_MAX) *good = false;
    size_t count = rc || !*good ? 0 : (size_t)info.st_size / LF_TXN_ENTRY_BYTES;
    uint8_t *data = count ? malloc(count * LF_TXN_ENTRY_BYTES) : NULL;
    *out = count ? malloc(count * sizeof **out) : NULL;
    if (count && (!data || !*out)) rc = lf_fail(e, LF_E_NOMEM, 0, log->dir, -1, "transactions");
    if (!rc && count) {
        ssize_t got = pread(fd, data, count * LF_TXN_ENTRY_BYTES, 0);
        if (got < 0) rc = fail_file(log, base, errno, "read", e);
        else count = (size_t)got / LF_TXN_ENTRY_BYTES; /* cut by a take-over meanwhile */
    }
    int64_t before = base - 1;
    for (size_t i = 0; !rc && *good && i < count; i++) {
        const uint8_t *entry = data + i * LF_TXN_ENTRY_BYTES;
        lf_aborted a = get_entry(entry);
        *good = !lf_get16(entry) && a.producer >= 0 && a.first >= 0 && a.first < a.last && a.last > before && a.last < end;
        before = a.last;
        (*out)[(*n)++] = a;
    }
    free(data);
    close(fd);
    if (rc) {
        free(*out);
        *out = NULL;
        *n = 0;
    }
    return rc;
}

static int write_index(lf_log *log, int64_t base, const lf_aborted *list, int32_t n, lf_error *e) {
    char path[LF_PATH_MAX], temporary[LF_PATH_MAX];
    lf_segment_path(log, base, ".txnindex", path);
    lf_segment_path(log, base, ".txnindex.tmp", temporary);
    if (!n) return unlink(path) && errno != ENOENT ? fail_file(log, base, errno, "delete", e) : LF_OK;
    int fd = lf_open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC), err = fd < 0 ? errno : 0;
    uint8_t entry[LF_TXN_ENTRY_BYTES];
    for (int32_t i = 0; !err && i < n; i++) {
        lf_txn_entry_put(entry, &list[i]);
        err = lf_write_all(fd, entry, sizeof entry, (off_t)i * LF_TXN_ENTRY_BYTES);
    }
    if (!err && fdatasync(fd)) err = errno;
    if (fd >= 0) close(fd);
    if (!err && rename(temporary, path)) err = errno;
    if (err) {
        unlink(temporary);
        return fail_file(log, base, err, "write", e);
    }
    atomic_fetch_add(&log->state->directory_version, 1);
    return LF_OK;
}

int lf_txn_index_compare(lf_log *log, int64_t base, int64_t end, const lf_aborted *list, int32_t n, lf_error *e) {
    lf_aborted *there;
    int32_t n_there;
    bool good;
    int rc = read_index(log, base, end, &there, &n_there, &good, e);
    if (rc) return rc;
    bool same = good && n == n_there && (!n || !memcmp(there, list, (size_t)n * sizeof *list));
    free(there);
    return same || log->config.read_only ? LF_OK : write_index(log, base, list, n, e);
}

/* ---- reading ---- */

typedef struct place {
    int64_t base, end;      /* offsets of a segment; `end` of the log behind the last */
    bool check;             /* sealed, and not compared with the log yet */
    bool last;
} place;

static int find_place(lf_log *log, int64_t offset, place *out, lf_error *e) {
    pthread_mutex_lock(&log->mu);
    int rc = lf_segments_refresh(log, e);
    int32_t i = rc ? 0 : lf_segment_find(log, offset);
    if (i < 0) i = 0;
    if (!rc) {
        lf_segment *s = log->segments[i];
        out->last = i == log->n_segments - 1;
        out->base = s->base_offset;
        out->end = out->last ? atomic_load_explicit(&log->state->end_offset, memory_order_acquire) : log->segments[i + 1]->base_offset;
        out->check = !out->last && !s->txn_checked;
    }
    pthread_mutex_unlock(&log->mu);
    return rc;
}

/* The list of a sealed segment, written anew where it is not what the log says. */
static int checked(lf_log *log, const place *at, lf_aborted **out, int32_t *n, lf_error *e) {
    int rc = lf_txn_replay(log, at->base, at->end, out, n, e);
    if (rc || log->config.read_only) return rc;
    rc = lf_log_lock(log, e);
    if (rc) {
        free(*out);
        *out = NULL;
        return rc;
    }
    pthread_mutex_lock(&log->mu);
    int32_t i = lf_segment_find(log, at->base);
    lf_segment *s = i >= 0 && i + 1 < log->n_segments ? log->segments[i] : NULL;
    /* Deleted or compacted meanwhile: its file is another's now. */
    bool same = s && s->base_offset == at->base && log->segments[i + 1]->base_offset == at->end;
    if (same) s->txn_checked = true;
    pthread_mutex_unlock(&log->mu);
    if (same) rc = lf_txn_index_compare(log, at->base, at->end, *out, *n, e);
    lf_log_unlock(log);
    if (rc) {
        free(*out);
        *out = NULL;
    }
    return rc;
}

static int append_overlapping(lf_aborted **out, int32_t *n, int32_t *cap, const lf_aborted *a) {
    if (*n == *cap) {
        int32_t more = *cap ? *cap * 2 : 16;
        lf_aborted *p = realloc(*out, (size_t)more * sizeof *p);
        if (!p) return LF_E_NOMEM;
        *out = p;
        *cap = more;
    }
    (*out)[(*n)++] = *a;
    return LF_OK;
}

int lf_log_aborted(lf_log *log, int64_t from, int64_t to, lf_aborted **out, int32_t *n, lf_error *e) {
    int32_t cap = 0;
    int64_t published = atomic_load_explicit(&log->state->end_offset, memory_order_acquire);
    bool complete = from >= to || atomic_load(&log->state->producers_from) >= published;
    *out = NULL;
    *n = 0;
    int rc = LF_OK;
    for (int64_t offset = from; !rc && !complete;) {
        place at;
        lf_aborted *list = NULL;
        int32_t count = 0;
        bool good = true;
        rc = find_place(log, offset, &at, e);
        if (!rc && at.check) rc = checked(log, &at, &list, &count, e);
        else if (!rc) rc = read_index(log, at.base, INT64_MAX, &list, &count, &good, e);
        for (int32_t i = 0; !rc && !complete && i < count; i++) {
            const lf_aborted *a = &list[i];
            if (a->last >= published) break; /* written, not published yet */
            if (a->last >= from && a->first < to && append_overlapping(out, n, &cap, a))
                rc = lf_fail(e, LF_E_NOMEM, 0, log->dir, -1, "transactions");
            complete = a->stable >= to;
        }
        free(list);
        complete |= at.last;
        offset = at.end;
    }
    if (rc) {
        free(*out);
        *out = NULL;
        *n = 0;
    }
    return rc;
}
