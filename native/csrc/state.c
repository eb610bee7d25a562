#include "lf/state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lf/crc32c.h"
#include "lf/robust_lock.h"

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449 /* the same number on all architectures; kernel 5.16 */
#endif
#define LF_WAITV_MAX 128
#define LF_FUTEX_32 2
#define LF_WAIT_MAX_S 1e6

struct lf_futex_waitv {
    uint64_t val;
    uint64_t uaddr;
    uint32_t flags;
    uint32_t reserved;
};

static int hex_digit(int c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

void lf_boot_id(uint8_t out[16]) {
    char text[64];
    memset(out, 0, 16);
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    ssize_t n = read(fd, text, sizeof text);
    close(fd);
    int nibbles = 0;
    for (ssize_t i = 0; i < n && nibbles < 32; i++) {
        int d = hex_digit(text[i]);
        if (d < 0) continue;
        out[nibbles / 2] = (uint8_t)((out[nibbles / 2] << 4) | d);
        nibbles++;
    }
}

uint32_t lf_state_clean_crc(const lf_state *st) {
    int64_t mark[8] = {atomic_load(&st->end_offset), atomic_load(&st->start_offset), st->active_base,
                       st->end_position, st->first_timestamp, st->created_ms,
                       atomic_load(&st->first_unstable), atomic_load(&st->producers_from)};
    return lf_crc32c(0, mark, sizeof mark);
}

int lf_state_reset(lf_state *st) {
    pthread_mutexattr_t attr;
    if (st->magic != LF_STATE_MAGIC) {
        memset((void *)st, 0, sizeof *st);
        st->magic = LF_STATE_MAGIC;
        atomic_store(&st->first_unstable, INT64_MAX);
        atomic_store(&st->first_held, INT64_MAX);
    }
    atomic_store(&st->segments_version, 0);
    /* Whether what is in the directory is on disk nobody knows: the first sync asks for it. */
    atomic_store(&st->directory_version, 1);
    atomic_store(&st->directory_synced, 0);
    st->wake_word = st->waiting = 0;
    st->unrepaired = 0;
    memset(&st->writer, 0, sizeof st->writer);
    if (pthread_mutexattr_init(&attr)) return LF_E_NOMEM;
    int rc = pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    if (!rc) rc = pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    if (!rc) rc = pthread_mutex_init(&st->writer, &attr);
    pthread_mutexattr_destroy(&attr);
    return rc ? LF_E_NOMEM : LF_OK;
}

int lf_state_lock(lf_state *st, double timeout_s) {
    int rc = lf_robust_lock(&st->writer, timeout_s);
    if (rc == 0) return atomic_load_explicit(&st->unrepaired, memory_order_relaxed) ? LF_E_OWNER_DIED : LF_OK;
    if (rc == EOWNERDEAD) {
        /* The caller repairs what the dead owner left half done; the lock itself is whole again. */
        atomic_store(&st->unrepaired, 1);
        pthread_mutex_consistent(&st->writer);
        return LF_E_OWNER_DIED;
    }
    return rc == ETIMEDOUT ? LF_E_TIMEOUT : LF_E_CORRUPT;
}

void lf_state_unlock(lf_state *st) { pthread_mutex_unlock(&st->writer); }

void lf_state_set_start(lf_state *st, int64_t offset) {
    atomic_store(&st->start_offset, offset);
    atomic_store(&st->start_copy, offset);
}

void lf_state_wake(lf_state *st) {
    atomic_store_explicit(&st->waiting, 0, memory_order_relaxed);
    atomic_fetch_add(&st->wake_word, 1);
    syscall(SYS_futex, &st->wake_word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void lf_state_publish(lf_state *st, int64_t end_offset) {
    /* Sequentially consistent on purpose: the store must be seen before `waiting` is read, as a
     * sleeper sets `waiting` before it reads the end. One of the two sees the other. */
    atomic_store(&st->end_offset, end_offset);
    if (atomic_load(&st->waiting)) lf_state_wake(st);
}

void lf_state_publish_unstable(lf_state *st, int64_t first_unstable) {
    if (atomic_exchange(&st->first_unstable, first_unstable) == first_unstable) return;
    if (atomic_load(&st->waiting)) lf_state_wake(st);
}

static double monotonic(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* `stable`: by the last stable offset, where it is true; NULL: by the end everywhere. */
static int any_ready(lf_state *const *st, const int64_t *after, const uint8_t *stable, int n) {
    for (int i = 0; i < n; i++)
        if (atomic_load(&st[i]->end_offset) > after[i] && (!stable || !stable[i] || lf_state_stable(st[i]) > after[i])) return 1;
    return 0;
}

static struct timespec to_timespec(double seconds) {
    struct timespec t;
    if (seconds < 0) seconds = 0;
    t.tv_sec = (time_t)seconds;
    t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
    return t;
}

/* One sleep of at most `seconds`. Falls back to a nap where the kernel has no futex_waitv. */
static void sleep_on(lf_state *const *st, const uint32_t *seen, int n, double seconds) {
    if (n == 1) {
        struct timespec rel = to_timespec(seconds);
        syscall(SYS_futex, &st[0]->wake_word, FUTEX_WAIT, seen[0], &rel, NULL, 0);
        return;
    }
    if (n <= LF_WAITV_MAX) {
        struct lf_futex_waitv w[LF_WAITV_MAX];
        for (int i = 0; i < n; i++)
            w[i] = (struct lf_futex_waitv){.val = seen[i],
                                           .uaddr = (uint64_t)(uintptr_t)&st[i]->wake_word,
                                           .flags = LF_FUTEX_32};
        struct timespec until = to_timespec(monotonic() + seconds);
        long rc = syscall(SYS_futex_waitv, w, n, 0, &until, CLOCK_MONOTONIC);
        if (rc >= 0 || (errno != ENOSYS && errno != EPERM && errno != EINVAL)) return;
    }
    /* Too many for one wait, or an older kernel: poll, well inside the promised millisecond. */
    struct timespec nap = to_timespec(seconds < 0.0005 ? seconds : 0.0005);
    nanosleep(&nap, NULL);
}

int lf_state_wait(lf_state *const *st, const int64_t *after, int n, double seconds, int spin_us) {
    return lf_state_wait_stable(st, after, NULL, n, seconds, spin_us);
}

int lf_state_wait_stable(lf_state *const *st, const int64_t *after, const uint8_t *stable, int n, double seconds, int spin_us) {
    if (any_ready(st, after, stable, n)) return LF_OK;
    if (!(seconds > 0)) return LF_E_TIMEOUT;
    if (seconds > LF_WAIT_MAX_S) seconds = LF_WAIT_MAX_S; /* infinity fits no timespec; the caller comes again */
    double start = monotonic(), end = start + seconds;
    if (spin_us > 0) {
        double until = start + spin_us * 1e-6;
        do {
            for (int i = 0; i < 64; i++) {
                if (any_ready(st, after, stable, n)) return LF_OK;
#if defined(__x86_64__)
                __builtin_ia32_pause();
#endif
            }
        } while (monotonic() < until);
    }
    uint32_t seen[LF_WAITV_MAX];
    seen[0] = 0;
    for (;;) {
        for (int i = 0; i < n; i++) {
            if (i < LF_WAITV_MAX) seen[i] = atomic_load(&st[i]->wake_word);
            atomic_store(&st[i]->waiting, 1);
        }
        if (any_ready(st, after, stable, n)) return LF_OK;
        double left = end - monotonic();
        if (left <= 0) return LF_E_TIMEOUT;
        sleep_on(st, seen, n, left);
        if (any_ready(st, after, stable, n)) return LF_OK;
        /* Woken without news (or EINTR): the caller looks at signals, and comes again. */
        return LF_E_INTERRUPTED;
    }
}
