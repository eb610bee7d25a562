/* `<offset>.snapshot`: Kafka's file of what a partition knows of its producers (FORMAT.md, "Producer snapshot"). */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lf/crc32c.h"
#include "lf/producers.h"

#define VERSION 1
#define CRC_AT 2
#define COUNT_AT (CRC_AT + 4)
#define ENTRIES_AT (COUNT_AT + 4)
#define CRC_FROM COUNT_AT

/* Of an entry */
#define EPOCH_AT 8
#define SEQUENCE_AT (EPOCH_AT + 2)
#define OFFSET_AT (SEQUENCE_AT + 4)
#define DELTA_AT (OFFSET_AT + 8)
#define TIMESTAMP_AT (DELTA_AT + 4)
#define COORDINATOR_AT (TIMESTAMP_AT + 8)
#define FIRST_AT (COORDINATOR_AT + 4)
#define ENTRY_BYTES (FIRST_AT + 8)

#define SNAPSHOT_BYTES_MAX ((off_t)1 << 30)

static int read_whole(const char *path, uint8_t **out, size_t *len, const char **reason) {
    struct stat info;
    *out = NULL;
    int fd = lf_open_file(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return LF_E_IO;
    int rc = fstat(fd, &info) ? LF_E_IO : LF_OK;
    if (!rc && (info.st_size < ENTRIES_AT || info.st_size > SNAPSHOT_BYTES_MAX)) {
        *reason = "no snapshot of producers has this size";
        rc = LF_E_CORRUPT;
    }
    if (!rc && !(*out = malloc((size_t)info.st_size))) rc = LF_E_NOMEM;
    *len = rc ? 0 : (size_t)info.st_size;
    for (size_t at = 0; !rc && at < *len;) {
        ssize_t n = pread(fd, *out + at, *len - at, (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) rc = LF_E_IO;
        else if (!n) {
            *reason = "the snapshot became shorter while it was read";
            rc = LF_E_CORRUPT;
        } else at += (size_t)n;
    }
    int err = errno;
    close(fd);
    errno = err;
    return rc;
}

/* One entry; NULL: no memory. *good: it may be one. */
static lf_producer *put_entry(lf_producers *p, const uint8_t *e, bool *good) {
    int64_t id = (int64_t)lf_get64(e), offset = (int64_t)lf_get64(e + OFFSET_AT);
    int16_t epoch = (int16_t)lf_get16(e + EPOCH_AT);
    *good = id >= 0 && epoch >= 0 && !lf_producers_find(p, id);
    lf_producer *w = *good ? lf_producers_of(p, id) : NULL;
    if (!w) return NULL;
    w->epoch = epoch;
    w->last_timestamp = (int64_t)lf_get64(e + TIMESTAMP_AT);
    w->coordinator_epoch = (int32_t)lf_get32(e + COORDINATOR_AT);
    if (offset >= 0) {
        w->n_batches = 1;
        w->batches[0] = (lf_producer_batch){offset, w->last_timestamp, (int32_t)lf_get32(e + SEQUENCE_AT), (int32_t)lf_get32(e + DELTA_AT)};
        *good = w->batches[0].last_sequence >= 0 && w->batches[0].offset_delta >= 0;
    }
    return w;
}

static int put_entries(lf_producers *p, const uint8_t *data, size_t len, int64_t now_ms, int64_t expiration_ms, const char **reason) {
    *reason = "unknown version of a snapshot of producers";
    if (lf_get16(data) != VERSION) return LF_E_CORRUPT;
    *reason = "crc mismatch in a snapshot of producers";
    if (lf_get32(data + CRC_AT) != lf_crc32c(0, data + CRC_FROM, len - CRC_FROM)) return LF_E_CORRUPT;
    *reason = "a snapshot's number of producers does not fit its size";
    uint32_t count = lf_get32(data + COUNT_AT);
    if (len - ENTRIES_AT != (size_t)count * ENTRY_BYTES) return LF_E_CORRUPT;
    *reason = "an impossible producer in a snapshot";
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *e = data + ENTRIES_AT + (size_t)i * ENTRY_BYTES;
        int64_t first = (int64_t)lf_get64(e + FIRST_AT);
        bool good;
        if (first < 0 && (int64_t)lf_get64(e + TIMESTAMP_AT) <= now_ms - expiration_ms) continue; /* as Kafka does */
        lf_producer *w = put_entry(p, e, &good);
        if (!good) return LF_E_CORRUPT;
        if (!w || (first >= 0 && lf_producers_open_txn(p, w, first))) return LF_E_NOMEM;
    }
    return LF_OK;
}

int lf_snapshot_read(lf_producers *p, const char *path, int64_t now_ms, int64_t expiration_ms, const char **reason) {
    uint8_t *data;
    size_t len;
    int rc = read_whole(path, &data, &len, reason);
    if (!rc) rc = put_entries(p, data, len, now_ms, expiration_ms, reason);
    free(data);
    return rc;
}

static uint8_t *put_producer(uint8_t *e, const lf_producer *w) {
    const lf_producer_batch *last = w->n_batches ? &w->batches[w->n_batches - 1] : NULL;
    lf_put64(e, (uint64_t)w->id);
    lf_put16(e + EPOCH_AT, (uint16_t)w->epoch);
    lf_put32(e + SEQUENCE_AT, last ? (uint32_t)last->last_sequence : 0xffffffffu);
    lf_put64(e + OFFSET_AT, last ? (uint64_t)last->last_offset : UINT64_MAX);
    lf_put32(e + DELTA_AT, last ? (uint32_t)last->offset_delta : 0);
    lf_put64(e + TIMESTAMP_AT, (uint64_t)w->last_timestamp);
    lf_put32(e + COORDINATOR_AT, (uint32_t)w->coordinator_epoch);
    lf_put64(e + FIRST_AT, (uint64_t)w->txn_first);
    return e + ENTRY_BYTES;
}

int lf_snapshot_write(const lf_producers *p, const char *path) {
    uint32_t count = 0;
    for (size_t i = 0; i < p->cap_slots; i++) count += p->slots[i].id >= 0 && p->slots[i].epoch >= 0;
    size_t len = ENTRIES_AT + (size_t)count * ENTRY_BYTES;
    uint8_t *data = malloc(len), *at = data + ENTRIES_AT;
    if (!data) return ENOMEM;
    for (size_t i = 0; i < p->cap_slots; i++)
        if (p->slots[i].id >= 0 && p->slots[i].epoch >= 0) at = put_producer(at, &p->slots[i]);
    lf_put16(data, VERSION);
    lf_put32(data + COUNT_AT, count);
    lf_put32(data + CRC_AT, lf_crc32c(0, data + CRC_FROM, len - CRC_FROM));
    int fd = lf_open_file(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC), err = fd < 0 ? errno : 0;
    int point = LF_FAILPOINT("snapshot.write");
    size_t want = point == LF_FP_TORN ? len / 2 : len;
    if (point == LF_FP_RAISE) err = ENOSPC;
    for (size_t done = 0; !err && done < want;) {
        ssize_t n = pwrite(fd, data + done, want - done, (off_t)done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) err = n < 0 ? errno : ENOSPC;
        else done += (size_t)n;
    }
    if (point == LF_FP_TORN) raise(SIGKILL);
    if (fd >= 0) close(fd);
    free(data);
    return err;
}
