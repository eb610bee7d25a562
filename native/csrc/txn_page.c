#include "lf/txn_page.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lf/robust_lock.h"
#include "lf/shared_page.h"

_Static_assert(LF_TXN_PAGE_BYTES == LF_SHARED_PAGE_BYTES, "the page is one");

#define LOOKS 200           /* at a sequence that is odd or changes, before the caller is told to come again */

static int make_new(lf_txn_page *page) {
    pthread_mutexattr_t attr;
    memset((void *)page, 0, sizeof *page);
    page->magic = LF_TXN_PAGE_MAGIC;
    lf_boot_id(page->boot_id);
    page->held = 1;
    if (pthread_mutexattr_init(&attr)) return LF_E_NOMEM;
    int rc = pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    if (!rc) rc = pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    if (!rc) rc = pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
    if (!rc) rc = pthread_mutex_init(&page->coordinator, &attr);
    pthread_mutexattr_destroy(&attr);
    return rc ? LF_E_NOMEM : LF_OK;
}

int lf_txn_page_open(const char *path, int lock_fd, double timeout_s, lf_txn_page **out, uint8_t *alone, lf_error *e) {
    *out = NULL;
    *alone = 0;
    int err = lf_lock_byte(lock_fd, LF_TXN_PAGE_OPENING, F_WRLCK, timeout_s);
    if (err == EAGAIN) return lf_fail(e, LF_E_TIMEOUT, 0, path, -1, "another process is opening the transactions");
    if (err) return lf_fail(e, LF_E_LOCKED, err, path, -1, "lock");
    void *map;
    int rc = lf_map_shared_page(path, &map, e);
    lf_txn_page *page = map;
    if (!rc) *alone = !lf_lock_byte(lock_fd, LF_TXN_PAGE_PRESENT, F_WRLCK, 0);
    if (!rc && *alone && make_new(page)) rc = lf_fail(e, LF_E_NOMEM, 0, path, -1, "mutex");
    if (!rc && !*alone && (page->magic != LF_TXN_PAGE_MAGIC || !atomic_load(&page->live)))
        rc = lf_fail(e, LF_E_FORMAT, 0, path, -1, "another process has transactions open, but their shared state is gone");
    if (!rc && !*alone) rc = lf_txn_page_opened(page, path, lock_fd, true, e);
    else if (rc) {
        if (page) munmap(page, LF_TXN_PAGE_BYTES);
        lf_lock_byte(lock_fd, LF_TXN_PAGE_PRESENT, F_UNLCK, 0);
        lf_lock_byte(lock_fd, LF_TXN_PAGE_OPENING, F_UNLCK, 0);
    }
    *out = rc ? NULL : page;
    return rc;
}

int lf_txn_page_opened(lf_txn_page *page, const char *path, int lock_fd, bool ok, lf_error *e) {
    if (ok) {
        atomic_store(&page->live, 1);
        int err = lf_lock_byte(lock_fd, LF_TXN_PAGE_PRESENT, F_RDLCK, 0);
        lf_lock_byte(lock_fd, LF_TXN_PAGE_OPENING, F_UNLCK, 0);
        if (!err) return LF_OK;
        munmap(page, LF_TXN_PAGE_BYTES);
        return lf_fail(e, LF_E_LOCKED, err, path, -1, "lock");
    }
    lf_txn_page_close(page, lock_fd);
    lf_lock_byte(lock_fd, LF_TXN_PAGE_OPENING, F_UNLCK, 0);
    return LF_OK;
}

void lf_txn_page_close(lf_txn_page *page, int lock_fd) {
    munmap(page, LF_TXN_PAGE_BYTES);
    lf_lock_byte(lock_fd, LF_TXN_PAGE_PRESENT, F_UNLCK, 0);
}

void lf_txn_page_abandon(lf_txn_page *page) { munmap(page, LF_TXN_PAGE_BYTES); }

int lf_txn_page_lock(lf_txn_page *page, double timeout_s) {
    int rc = lf_robust_lock(&page->coordinator, timeout_s);
    if (rc == EOWNERDEAD) {
        atomic_store(&page->unsettled, 1);
        pthread_mutex_consistent(&page->coordinator);
        rc = 0;
    }
    return !rc ? LF_OK : rc == ETIMEDOUT ? LF_E_TIMEOUT : rc == EDEADLK ? LF_E_LOCKED : LF_E_CORRUPT;
}

int lf_txn_page_unlock(lf_txn_page *page) { return pthread_mutex_unlock(&page->coordinator) ? LF_E_LOCKED : LF_OK; }

bool lf_txn_stable_offsets(lf_txn_page *page, lf_state *const *states, int n, int64_t *out) {
    for (int look = 0; look < LOOKS; look++) {
        uint64_t before = page ? atomic_load(&page->sequence) : 0;
        if (before & 1) {
            sched_yield();
            continue;
        }
        for (int i = 0; i < n; i++) out[i] = lf_state_stable(states[i]);
        atomic_thread_fence(memory_order_seq_cst);
        if (!page || atomic_load(&page->sequence) == before) return true;
    }
    return false;
}
