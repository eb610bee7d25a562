/* What a partition knows of its idempotent and transactional producers: Kafka's ProducerStateManager.
 *
 * Derived from the log and rebuilt from it: the newest `<offset>.snapshot`, then the batch headers behind it. Local to
 * a process; other processes' batches are taken in before it is used. Plain batches (producer id -1) never touch it.
 * lf_producers.mu guards all of it, taken after the writer lock and before log->mu. */
#ifndef LF_PRODUCERS_H
#define LF_PRODUCERS_H

#include "lf/log.h"

#define LF_PRODUCER_BATCHES 5           /* remembered of each producer, as by Kafka: a client has no more under way */

typedef struct lf_producer_batch {
    int64_t last_offset, timestamp;
    int32_t last_sequence, offset_delta;
} lf_producer_batch;

typedef struct lf_producer {
    int64_t id;                         /* -1: a free place */
    int64_t last_timestamp;
    int64_t txn_first;                  /* first offset of its open transaction; -1: none */
    int32_t coordinator_epoch;          /* of its last marker; -1: none */
    int16_t epoch;                      /* -1: nothing is known of it */
    int16_t n_batches;
    lf_producer_batch batches[LF_PRODUCER_BATCHES];     /* the newest last */
} lf_producer;

typedef struct lf_open_txn {
    int64_t producer_id, first;
    bool empty;                         /* compaction: no batch with records has been met */
} lf_open_txn;

typedef struct lf_aborted {
    int64_t producer, first, last;      /* first data offset, offset of the marker */
    int64_t stable;                     /* last stable offset behind it */
} lf_aborted;

/* Where batches come from decides what is checked, as Kafka's AppendOrigin. */
typedef enum lf_origin {
    LF_FROM_CLIENT,                     /* all of it */
    LF_FROM_COORDINATOR,                /* markers: epochs */
    LF_FROM_LOG                         /* nothing: they were accepted once (recovery, a mirror, another process) */
} lf_origin;

typedef struct lf_producers {
    pthread_mutex_t mu;
    bool built;
    lf_cursor cursor;                   /* what lies before it has been taken in */
    lf_producer *slots;                 /* open addressing by id */
    size_t n_slots, cap_slots;
    int64_t expired_ms;                 /* when those that were idle for too long were last forgotten */
    lf_open_txn *open;                  /* by first offset */
    int32_t n_open, cap_open;
    /* Of the append under way: how to take it back, and what goes into .txnindex. */
    lf_producer *undo;
    int32_t n_undo, cap_undo;
    lf_open_txn *open_before;
    int32_t n_open_before, cap_open_before;
    lf_aborted *aborted;
    int32_t n_aborted, cap_aborted;
    bool recording;                     /* between begin and end */
    bool collecting;                    /* aborted transactions */
} lf_producers;

/* ---- the table (producers.c): memory only ---- */
int lf_producers_new(lf_producers **out);
void lf_producers_free(lf_producers *p);
void lf_producers_clear(lf_producers *p);
lf_producer *lf_producers_find(const lf_producers *p, int64_t id);     /* NULL: not known */
/* The place of `id`, made when it is new. NULL: no memory. */
lf_producer *lf_producers_of(lf_producers *p, int64_t id);
/* Forgets who has been silent for `expiration_ms` and has no open transaction. */
int lf_producers_expire(lf_producers *p, int64_t now_ms, int64_t expiration_ms);
/* First offset of the earliest open transaction, INT64_MAX when there is none. */
static inline int64_t lf_producers_unstable(const lf_producers *p) { return p->n_open ? p->open[0].first : INT64_MAX; }
/* Opens the transaction of `w`, which has none; for batches and for entries of a snapshot. */
int lf_producers_open_txn(lf_producers *p, lf_producer *w, int64_t first);
/* Takes in a batch whose offsets are set; one without a producer is none of its business. LF_OK, LF_E_NOMEM, or
 * LF_E_OUT_OF_SEQUENCE, LF_E_FENCED, LF_E_COORDINATOR, LF_E_TXN_STATE with `why` (of `n` bytes). */
int lf_producers_take(lf_producers *p, const lf_batch *b, lf_origin origin, char *why, size_t n);
/* Whether it is one of its producer's last five, and where that lies. */
bool lf_producers_duplicate(const lf_producers *p, const lf_batch *b, int64_t *base_offset, int64_t *last_offset);
/* Between begin and end, all that was taken in can be taken back. Aborted transactions are in p->aborted. */
int lf_producers_begin(lf_producers *p);
void lf_producers_rollback(lf_producers *p);
void lf_producers_commit(lf_producers *p);
/* The sequence `delta` records before or behind. */
static inline int32_t lf_sequence_add(int32_t sequence, int64_t delta) {
    int64_t span = (int64_t)INT32_MAX + 1;
    return (int32_t)(((int64_t)sequence + delta % span + span) % span);
}

/* ---- beside a log (producers_log.c); p->mu held ---- */
/* log->producers: builds it at first, then takes in what has been published since. */
int lf_producers_catch_up(lf_log *log, lf_error *e);
/* A copy of all that are known; the caller frees it. Takes the lock itself. */
int lf_producers_list(lf_log *log, lf_producer **out, size_t *n, lf_error *e);
/* A copy of the one with `id`; out->id is -1 when it is not known. Takes the lock itself. */
int lf_producers_get(lf_log *log, int64_t id, lf_producer *out, lf_error *e);
/* Writes `<offset>.snapshot` for what lies below `offset`, where it stands; older ones of no segment go. */
int lf_producers_snapshot(lf_log *log, int64_t offset, lf_error *e);
/* Kafka's bytes (FORMAT.md, "Producer snapshot"). LF_E_CORRUPT with `reason`, LF_E_IO with errno. */
int lf_snapshot_read(lf_producers *p, const char *path, int64_t now_ms, int64_t expiration_ms, const char **reason);
int lf_snapshot_write(const lf_producers *p, const char *path);

#endif
