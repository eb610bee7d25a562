/* Shared state of one partition: a 4 KiB file that every process with the partition open has mapped.
 * A hint: all of it can be rebuilt from the segments, and is, when the first process opens after an
 * unclean stop. While any process lives it is exact. */
#ifndef LF_STATE_H
#define LF_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lf/status.h"

#define LF_STATE_MAGIC 0x3230534c464cULL /* "LFLS02" */
#define LF_STATE_BYTES 4096

enum { LF_STATE_NEW = 0, LF_STATE_LIVE = 1, LF_STATE_CLEAN = 2 };

typedef struct lf_state {
    uint64_t magic;
    uint32_t phase;               /* LF_STATE_*; changed under the open lock only */
    _Atomic int32_t failed;       /* errno of a failed sync or write-back: sticky until recovery */
    uint8_t boot_id[16];          /* which boot of the machine wrote this */
    uint32_t crc;                 /* over the clean mark, see lf_state_clean_crc */

    /* Published: readers poll these. */
    _Alignas(64) _Atomic int64_t end_offset;      /* next offset to be written; a record is visible below it */
    _Atomic int64_t start_offset;
    _Atomic int64_t start_copy;                   /* the same again: after damage, the lower one counts */
    _Atomic int64_t durable_offset;               /* everything below is on disk */
    _Atomic uint64_t segments_version;            /* raised at each roll and each deletion */
    _Atomic uint64_t directory_version;           /* raised at each directory change ... */
    _Atomic uint64_t directory_synced;            /* ... and this when it is on disk */
    _Atomic int64_t first_unstable;               /* first offset of the earliest open transaction; INT64_MAX: none */

    _Alignas(64) _Atomic uint32_t wake_word;      /* futex */
    _Atomic uint32_t waiting;                     /* somebody sleeps, or is about to */
    _Atomic int64_t first_held;                   /* of committed transactions that wait for others elsewhere; INT64_MAX: none */
    _Atomic uint64_t held_table;                  /* of which table of held transactions that is true; 0: of none */

    /* Owned by the holder of the writer lock. */
    _Alignas(64) pthread_mutex_t writer;
    _Atomic uint32_t unrepaired;  /* an owner died, and nobody has made the tail whole since */
    _Atomic int64_t active_base;  /* base offset of the active segment */
    _Atomic int64_t end_position; /* bytes of batches in the active segment; stored before end_offset */
    int64_t prepared_position;    /* size of its file: zeroes behind end_position */
    int64_t first_timestamp;      /* of the active segment's first batch; LF_NO_TIMESTAMP when empty */
    int64_t created_ms;           /* when the active segment was created */

    _Atomic uint64_t swaps;       /* raised before and after compaction puts a segment in the place of others */
    _Atomic uint32_t compacted;   /* it ever did: offsets may skip, whatever the topic's settings say now */
    _Atomic int64_t producers_from; /* no batch below has a producer id; INT64_MAX: none at all */
} lf_state;

_Static_assert(sizeof(lf_state) <= LF_STATE_BYTES, "the state must fit its page");

/* The kernel's id of the running boot, 16 bytes; zeroes where there is none. */
void lf_boot_id(uint8_t out[16]);
/* Makes the lock and the counters new. What tells where the log ends stays as it was, so that being killed
 * while recovering loses none of it; zeroes where it was no state. Only while no other process has it open. */
int lf_state_reset(lf_state *st);
void lf_state_set_start(lf_state *st, int64_t offset);
/* Writer lock. LF_OK; LF_E_OWNER_DIED: held now, and an owner died with it since the last repair: the caller
 * repairs and clears `unrepaired`; LF_E_TIMEOUT. */
int lf_state_lock(lf_state *st, double timeout_s);
void lf_state_unlock(lf_state *st);
/* Publishes a new end and wakes those who wait. */
void lf_state_publish(lf_state *st, int64_t end_offset);
/* A transaction ended: the last stable offset may have risen. */
void lf_state_publish_unstable(lf_state *st, int64_t first_unstable);
/* Last stable offset: all below is decided, published, and part of no transaction that has to wait elsewhere. */
static inline int64_t lf_state_stable(const lf_state *st) {
    /* The end first: with a new end, the transaction that began below it is seen. */
    int64_t end = atomic_load_explicit(&st->end_offset, memory_order_acquire);
    int64_t unstable = atomic_load_explicit(&st->first_unstable, memory_order_acquire);
    int64_t held = atomic_load_explicit(&st->first_held, memory_order_acquire);
    int64_t start = atomic_load_explicit(&st->start_offset, memory_order_relaxed);
    if (held < unstable) unstable = held;
    if (unstable >= end) return end;
    return unstable > start ? unstable : start; /* deleted records are decided, as in Kafka */
}
void lf_state_wake(lf_state *st);
/* Sleeps until one of the logs has its end above `after[i]`, or the deadline passes.
 * LF_OK or LF_E_TIMEOUT. At most `seconds`; spins `spin_us` first. */
int lf_state_wait(lf_state *const *st, const int64_t *after, int n, double seconds, int spin_us);
/* The same, for the last stable offset instead of the end where stable[i]. */
int lf_state_wait_stable(lf_state *const *st, const int64_t *after, const uint8_t *stable, int n, double seconds, int spin_us);
uint32_t lf_state_clean_crc(const lf_state *st);

#endif
