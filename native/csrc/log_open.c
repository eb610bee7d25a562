/* Opening and closing: who is first recovers, who is last leaves the directory clean. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lf/compact.h"
#include "lf/shared_page.h"
#include "lf/transactions.h"

_Static_assert(LF_STATE_BYTES == LF_SHARED_PAGE_BYTES, "the state is one page");

/* Bytes of the directory's lock file belong to each partition, found by its inode: one is held while opening or
 * closing, one (shared) as long as the partition is open, one while it is compacted. The first 64 are the
 * directory's. */
int lf_lock_byte(int fd, int64_t byte, short type, double wait_s) {
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    const struct timespec nap = {0, 1000000};
    for (double waited = 0;; waited += 0.001) {
        if (!fcntl(fd, F_OFD_SETLK, &l)) return 0;
        if (errno != EAGAIN && errno != EACCES && errno != EINTR) return errno;
        /* Polled, because a blocking wait could not be bounded: the holder may be stopped. */
        if (waited >= wait_s) return EAGAIN;
        nanosleep(&nap, NULL);
    }
}

static int map_state(lf_log *log, lf_error *e) {
    char path[LF_PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/logflume.state", log->dir);
    if (log->config.read_only) {
        /* Nothing may be written here, not even the state: a private copy, good for a stopped log. */
        log->state = mmap(NULL, LF_STATE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        log->state_private = true;
        if (log->state == MAP_FAILED) return log->state = NULL, lf_fail(e, LF_E_NOMEM, 0, log->dir, -1, "state");
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) return LF_OK;
        if (read(fd, log->state, LF_STATE_BYTES) != LF_STATE_BYTES) memset((void *)log->state, 0, LF_STATE_BYTES);
        close(fd);
        return LF_OK;
    }
    void *page;
    int rc = lf_map_shared_page(path, &page, e);
    log->state = page;
    return rc;
}

/* The clean mark counts only if the files still look as they did: any later write made the last one longer. */
static bool is_clean(lf_log *log) {
    const lf_state *st = log->state;
    char path[LF_PATH_MAX];
    struct stat info;
    if (st->magic != LF_STATE_MAGIC || st->phase != LF_STATE_CLEAN || st->crc != lf_state_clean_crc(st)) return false;
    if (!log->n_segments || lf_segment_active(log)->base_offset != st->active_base) return false;
    /* Whoever deletes the oldest segments by hand moves the start, as a Kafka's does. */
    if (log->segments[0]->base_offset > atomic_load(&st->start_offset)) return false;
    lf_segment_path(log, st->active_base, ".log", path);
    return !stat(path, &info) && info.st_size == st->end_position;
}

static int first_open(lf_log *log, lf_error *e) {
    int rc = log->config.read_only ? lf_compact_refuse_halves(log, e) : lf_compact_settle(log, true, e);
    if (!rc) rc = lf_segments_scan(log, e);
    if (rc) return rc;
    if (is_clean(log)) {
        lf_state *st = log->state;
        rc = lf_state_reset(st);
        atomic_store(&st->durable_offset, atomic_load(&st->end_offset));
        lf_state_set_start(st, atomic_load(&st->start_offset));
        st->prepared_position = atomic_load(&st->end_position);
        atomic_store(&st->failed, 0);
    } else {
        rc = lf_log_recover(log, e);
        if (!rc) rc = lf_txn_recover(log, e);
    }
    if (rc) return rc;
    atomic_store(&log->state->segments_version, 1);
    log->segments_version = 1;
    log->swaps = atomic_load(&log->state->swaps);
    if (log->gaps) atomic_store(&log->state->compacted, 1);
    /* What a table that is gone held back, nobody would ever let go. */
    if (!log->config.held_table || atomic_load(&log->state->held_table) != log->config.held_table)
        atomic_store(&log->state->first_held, INT64_MAX);
    LF_FAILPOINT("recover.before_live");
    lf_boot_id(log->state->boot_id);
    log->state->phase = LF_STATE_LIVE;
    return LF_OK;
}

static int attach(lf_log *log, lf_error *e) {
    const lf_state *st = log->state;
    if (st->magic != LF_STATE_MAGIC || st->phase != LF_STATE_LIVE)
        return lf_fail(e, LF_E_FORMAT, 0, log->dir, -1, "another process has the partition open, but its shared state is gone");
    return lf_segments_refresh(log, e);
}

static int open_shared(lf_log *log, lf_error *e) {
    int err = lf_lock_byte(log->lock_fd, log->lock_byte + LF_LOCK_OPENING, F_WRLCK, log->config.lock_timeout_s);
    if (err == EAGAIN) return lf_fail(e, LF_E_TIMEOUT, 0, log->dir, -1, "another process is opening or closing it");
    if (err) return lf_fail(e, LF_E_LOCKED, err, log->dir, -1, "lock");
    int rc = map_state(log, e);
    if (!rc) {
        bool alone = !lf_lock_byte(log->lock_fd, log->lock_byte + LF_LOCK_PRESENT, F_WRLCK, 0);
        rc = alone ? first_open(log, e) : LF_OK;
        err = lf_lock_byte(log->lock_fd, log->lock_byte + LF_LOCK_PRESENT, rc ? F_UNLCK : F_RDLCK, 0);
        if (!rc && err) rc = lf_fail(e, LF_E_LOCKED, err, log->dir, -1, "lock");
        if (!rc && !alone) rc = attach(log, e);
    }
    lf_lock_byte(log->lock_fd, log->lock_byte + LF_LOCK_OPENING, F_UNLCK, 0);
    return rc;
}

static void free_log(lf_log *log) {
    for (int32_t i = 0; i < log->n_segments; i++) lf_segment_unref(log->segments[i]);
    free(log->segments);
    if (log->state) munmap(log->state, LF_STATE_BYTES);
    lf_producers_free(log->producers);
    pthread_mutex_destroy(&log->mu);
    pthread_mutex_destroy(&log->sync_mu);
    pthread_cond_destroy(&log->synced);
    free(log->sync_failure);
    free(log);
}

/* An inode's number is given anew soon after a topic is deleted, while others may still hold that topic's locks:
 * the time of birth tells the two apart. Where a file system has none, the number alone has to do. */
static int64_t lock_byte_of(const char *dir, uint64_t inode) {
    struct statx info;
    uint64_t birth = 0;
    if (!statx(AT_FDCWD, dir, 0, STATX_BTIME, &info) && info.stx_mask & STATX_BTIME)
        birth = ((uint64_t)info.stx_btime.tv_sec * 1000000000u + info.stx_btime.tv_nsec) * 0x9e3779b97f4a7c15u >> 44;
    return 64 + (int64_t)(((inode & 0xffffffff) << 20 | birth) * LF_LOCK_BYTES);
}

int lf_log_open(lf_log **out, const char *dir, int lock_fd, const lf_log_config *config, lf_error *e) {
    struct stat info;
    *out = NULL;
    if (strlen(dir) + 40 > LF_PATH_MAX) return lf_fail(e, LF_E_IO, ENAMETOOLONG, dir, -1, "path");
    if (stat(dir, &info)) return lf_fail(e, LF_E_IO, errno, dir, -1, "stat");
    lf_log *log = calloc(1, sizeof *log);
    if (!log) return lf_fail(e, LF_E_NOMEM, 0, dir, -1, "log");
    snprintf(log->dir, sizeof log->dir, "%s", dir);
    log->config = *config;
    log->trimmed_offset = -1;
    log->lock_fd = lock_fd;
    log->lock_byte = lock_byte_of(dir, (uint64_t)info.st_ino);
    pthread_mutex_init(&log->mu, NULL);
    pthread_mutex_init(&log->sync_mu, NULL);
    pthread_cond_init(&log->synced, NULL);
    int rc = lf_producers_new(&log->producers) ? lf_fail(e, LF_E_NOMEM, 0, dir, -1, "producers") : LF_OK;
    if (rc) {
        free(log);
        return rc;
    }
    if (config->read_only) {
        rc = map_state(log, e);
        if (!rc) rc = first_open(log, e);
    } else rc = open_shared(log, e);
    if (rc) {
        free_log(log);
        return rc;
    }
    *out = log;
    return LF_OK;
}

int lf_log_trim(lf_log *log, lf_error *e) {
    lf_state *st = log->state;
    int rc = lf_log_lock(log, e);
    if (rc) return rc;
    lf_segment *s = lf_segment_active(log);
    int64_t end = atomic_load(&st->end_position), end_offset = atomic_load(&st->end_offset);
    LF_FAILPOINT("close.before_trim");
    if (st->prepared_position != end && ftruncate(s->fd, end)) rc = lf_fail(e, LF_E_IO, errno, log->dir, end, "trim");
    else st->prepared_position = end;
    LF_FAILPOINT("close.before_index");
    if (!rc && log->trimmed_offset != end_offset) {
        pthread_mutex_lock(&log->mu);
        rc = lf_index_ready(log, s, end, e);
        if (!rc) rc = lf_index_write(log, s, false, e);
        pthread_mutex_unlock(&log->mu);
        if (!rc && atomic_load(&st->producers_from) != INT64_MAX) rc = lf_txn_seal(log, s->base_offset, end_offset, e);
        if (!rc) log->trimmed_offset = end_offset;
    }
    lf_log_unlock(log);
    return rc;
}

/* Trim, index, sync, mark: in this order, so that a crash between leaves a log that recovers. */
static int leave_clean(lf_log *log, lf_error *e) {
    if (atomic_load(&log->state->failed)) return LF_OK; /* recovery decides */
    int rc = lf_log_trim(log, e);
    return rc ? rc : lf_log_sync(log, atomic_load(&log->state->end_offset), e);
}

int lf_log_close(lf_log *log, lf_error *e) {
    int rc = LF_OK;
    lf_state *st = log->state;
    if (!log->config.read_only) {
        /* Without the lock nobody may tell who is last: then this one just leaves, and the next opener recovers. */
        int err = lf_lock_byte(log->lock_fd, log->lock_byte + LF_LOCK_OPENING, F_WRLCK, log->config.lock_timeout_s);
        bool last = !err && !lf_lock_byte(log->lock_fd, log->lock_byte + LF_LOCK_PRESENT, F_WRLCK, 0);
        if (last) {
            char path[LF_PATH_MAX];
            struct stat info;
            lf_segment_path(log, atomic_load(&st->active_base), ".log", path);
            /* Untouched since it was opened clean: nothing to write, nothing to sync. */
            bool touched = log->wrote || log->recovery.ran || stat(path, &info) || info.st_size != atomic_load(&st->end_position) ||
                           atomic_load(&st->durable_offset) < atomic_load(&st->end_offset);
            if (touched) rc = leave_clean(log, e);
            LF_FAILPOINT("close.before_mark");
            if (!rc && !atomic_load(&st->failed)) {
                st->crc = lf_state_clean_crc(st);
                st->phase = LF_STATE_CLEAN;
            }
            LF_FAILPOINT("close.after_mark");
        }
        lf_lock_byte(log->lock_fd, log->lock_byte + LF_LOCK_PRESENT, F_UNLCK, 0);
        lf_lock_byte(log->lock_fd, log->lock_byte + LF_LOCK_OPENING, F_UNLCK, 0);
    }
    free_log(log);
    return rc;
}

void lf_log_abandon(lf_log *log) {
    /* The mutexes may be held by a thread that does not exist here, so none is waited for or destroyed; maps
     * that views still use are counted and stay. A list that was being changed when this process was forked is
     * left as it is: half of it may be freed. */
    if (!pthread_mutex_trylock(&log->mu)) {
        for (int32_t i = 0; i < log->n_segments; i++) lf_segment_unref(log->segments[i]);
        free(log->segments);
    }
    if (!pthread_mutex_trylock(&log->producers->mu)) {
        pthread_mutex_unlock(&log->producers->mu);
        lf_producers_free(log->producers);
    }
    munmap(log->state, LF_STATE_BYTES);
    free(log);
}
