/* The directory's page of transactions, `logflume-transactions.state`: one mutex for all who decide, and a sequence by
 * which readers of several partitions see a commit in all of them or in none. Shared like a partition's state. */
#ifndef LF_TXN_PAGE_H
#define LF_TXN_PAGE_H

#include "lf/transactions.h"

#define LF_TXN_PAGE_MAGIC 0x31305854464cULL /* "LFTX01" */
#define LF_TXN_PAGE_BYTES 4096

/* Bytes of the directory's lock file: of the first 64, which are the directory's. */
enum { LF_TXN_PAGE_OPENING = 8, LF_TXN_PAGE_PRESENT = 9 };

typedef struct lf_txn_page {
    uint64_t magic;
    _Atomic uint32_t live;                      /* whoever opened it first has done what was to be done */
    _Atomic uint32_t unsettled;                 /* an owner of the mutex died, and nobody has said since that it is settled */
    uint8_t boot_id[16];
    _Atomic uint32_t held;                      /* the table of held transactions may have something in it */
    _Alignas(64) _Atomic uint64_t sequence;     /* odd: a completion is being published */
    _Alignas(64) pthread_mutex_t coordinator;   /* robust */
} lf_txn_page;

_Static_assert(sizeof(lf_txn_page) <= LF_TXN_PAGE_BYTES, "the page must fit");

/* *alone: nobody else has it open, and it is new; the caller does what is to be done, and then calls
 * lf_txn_page_opened(). Until then other openers wait. */
int lf_txn_page_open(const char *path, int lock_fd, double timeout_s, lf_txn_page **out, uint8_t *alone, lf_error *e);
/* `ok`: it is good for others now; else it is closed. */
int lf_txn_page_opened(lf_txn_page *page, const char *path, int lock_fd, bool ok, lf_error *e);
void lf_txn_page_close(lf_txn_page *page, int lock_fd);
/* In a forked child: the locks are the parent's too, and stay. */
void lf_txn_page_abandon(lf_txn_page *page);
/* LF_OK, LF_E_TIMEOUT, or LF_E_LOCKED: this thread has it already. */
int lf_txn_page_lock(lf_txn_page *page, double timeout_s);
int lf_txn_page_unlock(lf_txn_page *page);

/* ---- completion (txn_complete.c) ---- */
/* A partition, and from where on committed transactions are hidden there, as they wait for others elsewhere. */
typedef struct lf_hold {
    lf_state *state;
    int64_t first;          /* INT64_MAX: none */
} lf_hold;
/* Ends a producer's transaction in all of `logs` at once: markers are written to each, then all are published. In a log
 * where the producer has none open nothing is written, so that it may be called again by whoever finishes what another
 * began. `page` may be NULL: readers then may see one before the other. offsets[i]: of the marker, -1 for none.
 * `holds`, of the table `held_table`, take effect at the same moment. After an error nothing is published; *failed: which
 * log. */
int lf_txn_complete(lf_txn_page *page, lf_log *const *logs, int32_t n, int64_t producer_id, int16_t epoch,
                    int32_t coordinator_epoch, bool commit, const lf_hold *holds, int32_t n_holds, uint64_t held_table,
                    int64_t *offsets, int32_t *failed, lf_error *e);
/* Where a producer's open transaction lies in a log, and the earliest of the others that are open there. */
typedef struct lf_extent {
    int64_t first, end;     /* of its records; -1: none is open */
    int64_t other;          /* first offset; INT64_MAX: none */
    int64_t held;           /* the log's first_held */
} lf_extent;
int lf_txn_extents(lf_log *const *logs, int32_t n, int64_t producer_id, lf_extent *out, int32_t *failed, lf_error *e);
/* Writes zeroes ahead for a marker in each: a full disk shows before the decision, not after it. */
int lf_txn_reserve(lf_log *const *logs, int32_t n, int32_t *failed, lf_error *e);

/* ---- reading (txn_snapshot in state of readers) ---- */
/* The last stable offsets of several logs, all before or all behind each completion. False: one is being published;
 * `out` is not to be used. */
bool lf_txn_stable_offsets(lf_txn_page *page, lf_state *const *states, int n, int64_t *out);

#endif
