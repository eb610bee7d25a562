/* The segment that a pass writes: `.cleaned` files, which nobody else reads. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compact_impl.h"

#define FLUSH_BYTES (1 << 20)

static int fail_file(lf_cleaner *c, int status, int err, const char *suffix, const char *reason) {
    char path[LF_PATH_MAX];
    lf_segment_path(c->log, c->out.segment->base_offset, suffix, path);
    return lf_fail(c->e, status, err, path, -1, reason);
}

int lf_output_begin(lf_cleaner *c, int64_t base_offset) {
    char path[LF_PATH_MAX];
    lf_output *o = &c->out;
    LF_FAILPOINT_RAISE("compact.before_write", c->log, c->e);
    if (!(o->segment = lf_segment_new(base_offset))) return lf_fail(c->e, LF_E_NOMEM, 0, c->log->dir, -1, "segment");
    lf_segment_path(c->log, base_offset, ".log.cleaned", path);
    o->fd = lf_open_file(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC);
    o->len = 0;
    o->position = 0;
    return o->fd < 0 ? fail_file(c, LF_E_IO, errno, ".log.cleaned", "create") : LF_OK;
}

static int flush(lf_cleaner *c) {
    lf_output *o = &c->out;
    int err = LF_FAILPOINT("compact.write") == LF_FP_RAISE ? ENOSPC : lf_write_all(o->fd, o->buf, o->len, o->position);
    if (err) return fail_file(c, LF_E_IO, err, ".log.cleaned", "write");
    o->position += (int64_t)o->len;
    o->len = 0;
    return LF_OK;
}

uint8_t *lf_output_room(lf_cleaner *c, size_t n) {
    lf_output *o = &c->out;
    if (o->len >= FLUSH_BYTES && flush(c)) return NULL;
    if (o->position + (int64_t)(o->len + n) > INT32_MAX) {
        /* Positions in indexes are 32-bit. What was compacted may be a little larger than it was: other deltas. */
        fail_file(c, LF_E_TOO_LARGE, 0, ".log.cleaned", "segment.bytes");
        c->e->position = o->position + (int64_t)(o->len + n);
        return NULL;
    }
    if (o->len + n > o->cap) {
        size_t cap = o->len + n > 2 * FLUSH_BYTES ? o->len + n : 2 * FLUSH_BYTES;
        uint8_t *p = realloc(o->buf, cap);
        if (!p) {
            fail_file(c, LF_E_NOMEM, 0, ".log.cleaned", "buffer");
            return NULL;
        }
        o->buf = p;
        o->cap = cap;
    }
    return o->buf + o->len;
}

void lf_output_put(lf_cleaner *c, const uint8_t *batch, int32_t size) {
    lf_output *o = &c->out;
    lf_batch b;
    lf_batch_parse(batch, o->position + (int64_t)o->len, &b);
    lf_index_note(c->log, o->segment, b.position, size, b.last_offset, b.max_timestamp);
    o->len += (size_t)size;
}

int lf_output_aborted(lf_cleaner *c, const lf_aborted *a) {
    lf_output *o = &c->out;
    if (o->n_aborted == o->cap_aborted && lf_array_grow((void **)&o->aborted, &o->cap_aborted, sizeof *a))
        return lf_fail(c->e, LF_E_NOMEM, 0, c->log->dir, -1, "transactions");
    o->aborted[o->n_aborted++] = *a;
    return LF_OK;
}

static int sync_file(lf_cleaner *c, int fd, const char *suffix) {
    if (LF_FAILPOINT("compact.sync") == LF_FP_RAISE) return fail_file(c, LF_E_SYNC_FAILED, EIO, suffix, "fdatasync");
    return fdatasync(fd) ? fail_file(c, LF_E_SYNC_FAILED, errno, suffix, "fdatasync") : LF_OK;
}

static int write_transactions(lf_cleaner *c) {
    lf_output *o = &c->out;
    char path[LF_PATH_MAX];
    if (!o->n_aborted) return LF_OK;
    size_t n = (size_t)o->n_aborted * LF_TXN_ENTRY_BYTES;
    uint8_t *data = malloc(n), *p = data;
    if (!data) return lf_fail(c->e, LF_E_NOMEM, 0, c->log->dir, -1, "transactions");
    for (int32_t i = 0; i < o->n_aborted; i++, p += LF_TXN_ENTRY_BYTES) lf_txn_entry_put(p, &o->aborted[i]);
    lf_segment_path(c->log, o->segment->base_offset, ".txnindex.cleaned", path);
    int fd = lf_open_file(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC), rc = LF_OK;
    if (fd < 0) rc = fail_file(c, LF_E_IO, errno, ".txnindex.cleaned", "create");
    else {
        int err = lf_write_all(fd, data, n, 0);
        rc = err ? fail_file(c, LF_E_IO, err, ".txnindex.cleaned", "write") : sync_file(c, fd, ".txnindex.cleaned");
        close(fd);
    }
    free(data);
    return rc;
}

/* Retention by time looks at a file's age where records have no time: the last original's. */
static void keep_age(lf_cleaner *c, const lf_piece *last) {
    char path[LF_PATH_MAX];
    struct stat info;
    lf_segment_path(c->log, last->segment->base_offset, ".log", path);
    if (stat(path, &info)) return;
    struct timespec times[2] = {info.st_mtim, info.st_mtim};
    futimens(c->out.fd, times);
}

int lf_output_finish(lf_cleaner *c, const lf_piece *last) {
    lf_output *o = &c->out;
    int rc = o->len ? flush(c) : LF_OK;
    if (!rc) LF_FAILPOINT_RAISE("compact.before_sync", c->log, c->e);
    keep_age(c, last);
    if (!rc) rc = sync_file(c, o->fd, ".log.cleaned");
    if (!rc) rc = lf_index_write_as(c->log, o->segment, ".cleaned", true, c->e);
    if (!rc) rc = write_transactions(c);
    if (!rc) LF_FAILPOINT_RAISE("compact.after_sync", c->log, c->e);
    return rc;
}

void lf_output_drop(lf_cleaner *c) {
    static const char *const SUFFIXES[] = {".log.cleaned", ".index.cleaned", ".timeindex.cleaned", ".txnindex.cleaned", NULL};
    char path[LF_PATH_MAX];
    lf_output *o = &c->out;
    o->n_aborted = 0;
    if (!o->segment) return;
    for (int i = 0; SUFFIXES[i]; i++) {
        lf_segment_path(c->log, o->segment->base_offset, SUFFIXES[i], path);
        unlink(path);
    }
    if (o->fd >= 0) close(o->fd);
    o->fd = -1;
    lf_segment_unref(o->segment);
    o->segment = NULL;
}
