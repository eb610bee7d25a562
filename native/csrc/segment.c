#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lf/log.h"
#include "lf/lost_pages.h"

#define BATCH_LIKE (128 * 1024)
#define PAGE 4096 /* the smallest there is: larger ones only make advice coarser */

int lf_fail(lf_error *e, int status, int err, const char *path, int64_t position, const char *reason) {
    if (status == LF_E_IO && (err == ENOSPC || err == EDQUOT)) status = LF_E_NO_SPACE;
    if (status == LF_E_IO && (err == EROFS || err == EACCES || err == EPERM)) status = LF_E_READ_ONLY;
    e->status = status;
    e->err = err;
    e->position = position;
    e->offset = -1;
    snprintf(e->reason, sizeof e->reason, "%s", reason ? reason : "");
    snprintf(e->path, sizeof e->path, "%s", path ? path : "");
    return status;
}

void lf_segment_path(const lf_log *log, int64_t base_offset, const char *suffix, char out[LF_PATH_MAX]) {
    /* lf_log_open refused directories that leave no room for the name. */
    snprintf(out, LF_PATH_MAX, "%.*s/%020" PRId64 "%s", LF_PATH_MAX - 40, log->dir, base_offset, suffix);
}

lf_segment *lf_segment_new(int64_t base_offset) {
    lf_segment *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    atomic_init(&s->refs, 1);
    atomic_init(&s->checked_at, atomic_load(&lf_lost_pages));
    s->fd = -1;
    s->base_offset = base_offset;
    s->indexed_offset = base_offset;
    s->max_timestamp = LF_NO_TIMESTAMP;
    s->max_timestamp_offset = base_offset;
    return s;
}

void lf_segment_unref(lf_segment *s) {
    if (!s || atomic_fetch_sub(&s->refs, 1) != 1) return;
    if (s->map) munmap((void *)s->map, s->map_len);
    if (s->write_map) munmap(s->write_map, s->write_len);
    for (lf_old_map *m = s->old_maps; m;) {
        lf_old_map *next = m->next;
        munmap(m->map, m->len);
        free(m);
        m = next;
    }
    if (s->fd >= 0) close(s->fd);
    lf_index_drop(s);
    free((void *)atomic_load(&s->checked));
    free(s);
}

/* Whether a file just opened is the segment's own. Compaction raises `swaps` before it replaces a file, which
 * tells it of segments that are in the list; of sealed ones the inode does. */
static bool is_own_file(const lf_log *log, lf_segment *s, const struct stat *info) {
    if (s->sealed && s->inode ? s->inode != info->st_ino : atomic_load(&log->state->swaps) != log->swaps) return false;
    if (s->sealed && info->st_size < s->size) return false;
    s->inode = info->st_ino;
    return true;
}

/* The kernel allows a process some 65,000 maps (vm.max_map_count): those of sealed segments that nobody reads go
 * first. True when any went. log->mu is held, so nobody begins to read one meanwhile. */
static bool unmap_idle(lf_log *log, const lf_segment *but) {
    bool any = false;
    for (int32_t i = 0; i < log->n_segments; i++) {
        lf_segment *s = log->segments[i];
        if (s == but || !s->map || !s->sealed || atomic_load(&s->refs) != 1) continue;
        munmap((void *)s->map, s->map_len);
        s->map = NULL;
        s->map_len = 0;
        any = true;
    }
    return any;
}

int lf_segment_map(lf_log *log, lf_segment *s, size_t at_least, lf_error *e) {
    char path[LF_PATH_MAX];
    struct stat info;
    if (s->map && s->map_len >= at_least) return LF_OK;
    lf_segment_path(log, s->base_offset, ".log", path);
    int fd = lf_open_file(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return lf_fail(e, errno == ENOENT ? LF_E_INTERRUPTED : LF_E_IO, errno, path, -1, "open");
    if (fstat(fd, &info)) {
        int err = errno;
        close(fd);
        return lf_fail(e, LF_E_IO, err, path, -1, "stat");
    }
    if (!is_own_file(log, s, &info)) {
        close(fd);
        return lf_fail(e, LF_E_INTERRUPTED, 0, path, -1, "the segment's file was replaced");
    }
    size_t len = (size_t)info.st_size;
    /* The active segment is mapped to where it may grow; pages behind the published end are never touched. */
    if (!s->sealed && (int64_t)len < log->config.segment_bytes) len = (size_t)log->config.segment_bytes;
    if (len < at_least) len = at_least;
    /* Another process lets the segment grow larger than this one would: not a new map with every batch. */
    if (!s->sealed && s->map && len < 2 * s->map_len) len = 2 * s->map_len;
    if (!len) {
        close(fd);
        return LF_OK;
    }
    lf_lost_pages_watch();
    void *map = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
    int err = errno;
    if (map == MAP_FAILED && err == ENOMEM && unmap_idle(log, s)) {
        map = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
        err = errno;
    }
    close(fd);
    if (map == MAP_FAILED) return lf_fail(e, LF_E_IO, err, path, -1, "mmap");
    if (s->map) {
        lf_old_map *old = malloc(sizeof *old);
        if (!old) {
            munmap(map, len);
            return lf_fail(e, LF_E_NOMEM, 0, path, -1, "old map");
        }
        *old = (lf_old_map){s->old_maps, (void *)s->map, s->map_len};
        s->old_maps = old;
    }
    s->map = map;
    s->map_len = len;
    s->scattered = false;
    return LF_OK;
}

void lf_segment_expect(lf_segment *s, bool scattered) {
    /* The kernel reads ahead, and behind, at every touch of a map: 128 KiB by default, megabytes on some machines. */
    if (!s->map || s->scattered == scattered) return;
    if (!madvise((void *)s->map, s->map_len, scattered ? MADV_RANDOM : MADV_NORMAL)) s->scattered = scattered;
}

static bool in_memory(const lf_log *log, uintptr_t at) {
    unsigned char page = 0;
    /* Of files that belong to somebody else the kernel says nothing, which is to say that they are there. */
    return !log->config.read_only && !mincore((void *)(at & ~(uintptr_t)(PAGE - 1)), PAGE, &page) && page & 1;
}

void lf_segment_fetch(const lf_log *log, const uint8_t *map, int64_t from, int64_t to) {
    uintptr_t first = (uintptr_t)(map + from), last = (uintptr_t)(map + to) - 1, page = first & ~(uintptr_t)(PAGE - 1);
    if (to - from <= 0) return;
    /* A batch comes and goes as a whole; of a longer stretch a look-up may have brought the end alone. */
    if (in_memory(log, last) && (to - from < BATCH_LIKE || in_memory(log, first))) return;
    madvise((void *)page, last + 1 - page, MADV_WILLNEED); /* advice: reading works without it */
}

int lf_segment_open_for_write(lf_log *log, lf_segment *s, lf_error *e) {
    char path[LF_PATH_MAX];
    if (s->fd >= 0) return LF_OK;
    lf_segment_path(log, s->base_offset, ".log", path);
    s->fd = lf_open_file(path, O_RDWR | O_CLOEXEC);
    return s->fd < 0 ? lf_fail(e, LF_E_IO, errno, path, -1, "open for writing") : LF_OK;
}

static int parse_log_name(const char *name, int64_t *base) {
    size_t digits = strspn(name, "0123456789");
    if (digits != 20 || strcmp(name + 20, ".log")) return 0;
    errno = 0;
    *base = strtoll(name, NULL, 10);
    return errno == 0;
}

static int by_number(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int list_bases(lf_log *log, int64_t **out, int32_t *count, lf_error *e) {
    DIR *d = opendir(log->dir);
    if (!d) return lf_fail(e, LF_E_IO, errno, log->dir, -1, "list");
    int64_t *bases = NULL, base;
    int32_t n = 0, cap = 0;
    for (struct dirent *entry; (entry = readdir(d));) {
        if (!parse_log_name(entry->d_name, &base)) continue;
        if (n == cap) {
            cap = cap ? cap * 2 : 16;
            int64_t *more = realloc(bases, (size_t)cap * sizeof *bases);
            if (!more) {
                free(bases);
                closedir(d);
                return lf_fail(e, LF_E_NOMEM, 0, log->dir, -1, "segment list");
            }
            bases = more;
        }
        bases[n++] = base;
    }
    closedir(d);
    if (n) qsort(bases, (size_t)n, sizeof *bases, by_number);
    *out = bases;
    *count = n;
    return LF_OK;
}

static lf_segment *known_segment(const lf_log *log, int64_t base) {
    int32_t i = lf_segment_find(log, base);
    return i >= 0 && log->segments[i]->base_offset == base ? log->segments[i] : NULL;
}

static int seal_from_file(lf_log *log, lf_segment *s, lf_error *e) {
    char path[LF_PATH_MAX];
    struct stat info;
    if (s->sealed) return LF_OK;
    lf_segment_path(log, s->base_offset, ".log", path);
    if (stat(path, &info)) return lf_fail(e, LF_E_IO, errno, path, -1, "stat");
    s->size = info.st_size;
    s->inode = info.st_ino;
    s->sealed = true;
    if (s->fd >= 0) close(s->fd); /* another process rolled what this one wrote to */
    s->fd = -1;
    return LF_OK;
}

int lf_segments_scan(lf_log *log, lf_error *e) {
    int64_t *bases = NULL;
    int32_t n = 0;
    uint64_t swaps = atomic_load(&log->state->swaps);
    /* After a compaction all are taken up anew but the active one, which is never compacted. */
    bool anew = log->stale || swaps != log->swaps;
    int rc = list_bases(log, &bases, &n, e);
    if (rc) return rc;
    lf_segment **list = calloc((size_t)n + 1, sizeof *list);
    if (!list) {
        free(bases);
        return lf_fail(e, LF_E_NOMEM, 0, log->dir, -1, "segment list");
    }
    for (int32_t i = 0; i < n && !rc; i++) {
        lf_segment *s = anew && i < n - 1 ? NULL : known_segment(log, bases[i]);
        list[i] = s ? lf_segment_ref(s) : lf_segment_new(bases[i]);
        if (!list[i]) rc = lf_fail(e, LF_E_NOMEM, 0, log->dir, -1, "segment");
        else if (i < n - 1) rc = seal_from_file(log, list[i], e);
        /* A deletion by another process between listing and looking: the next version says so. */
        if (rc == LF_E_IO && e->err == ENOENT) rc = LF_OK;
    }
    lf_segment **drop = rc ? list : log->segments;
    int32_t n_drop = rc ? n : log->n_segments;
    if (!rc) {
        log->segments = list;
        log->n_segments = n;
        log->cap_segments = n + 1;
        log->swaps = swaps;
        log->stale = false;
    }
    for (int32_t i = 0; i < n_drop; i++) lf_segment_unref(drop[i]);
    free(drop);
    free(bases);
    return rc;
}

int lf_segments_refresh(lf_log *log, lf_error *e) {
    uint64_t version = atomic_load_explicit(&log->state->segments_version, memory_order_acquire);
    if (version == log->segments_version && log->n_segments) return LF_OK;
    int rc = lf_segments_scan(log, e);
    if (rc) return rc;
    if (!log->n_segments) return lf_fail(e, LF_E_CLOSED, 0, log->dir, -1, "the partition was deleted");
    log->segments_version = version;
    return LF_OK;
}

int32_t lf_segment_find(const lf_log *log, int64_t offset) {
    int32_t low = 0, high = log->n_segments;
    while (low < high) {
        int32_t mid = (low + high) / 2;
        if (log->segments[mid]->base_offset <= offset) low = mid + 1;
        else high = mid;
    }
    return low - 1;
}

int64_t lf_segment_end(lf_log *log, lf_segment *s) {
    if (s->sealed) return s->size;
    lf_state *st = log->state;
    /* Nothing is published in it, though a roll that is under way may have named it the active one already. */
    if (s->base_offset >= atomic_load_explicit(&st->end_offset, memory_order_acquire)) return 0;
    for (int tries = 0; tries < 4; tries++) {
        int64_t base = atomic_load(&st->active_base), end = atomic_load(&st->end_position);
        if (base == s->base_offset && base == atomic_load(&st->active_base)) return end;
        if (base != s->base_offset) return -1; /* rolled by another process: refresh */
    }
    return -1;
}

int lf_segment_sync_dir(lf_log *log, lf_error *e) {
    uint64_t version = atomic_load(&log->state->directory_version);
    if (atomic_load(&log->state->directory_synced) >= version) return LF_OK;
    int fd = open(log->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return lf_fail(e, LF_E_IO, errno, log->dir, -1, "open directory");
    int rc = fsync(fd), err = errno;
    close(fd);
    if (rc) return lf_fail(e, LF_E_SYNC_FAILED, err, log->dir, -1, "fsync of the directory");
    uint64_t seen = atomic_load(&log->state->directory_synced);
    while (seen < version && !atomic_compare_exchange_weak(&log->state->directory_synced, &seen, version)) {}
    return LF_OK;
}
