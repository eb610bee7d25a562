/* Compaction: of each key the latest record stays, at its offset (FORMAT.md, "Compacted logs").
 *
 * A pass reads sealed segments below `uncleanable`, writes `.cleaned` files beside them without any lock that
 * writers or readers want, and swaps each in under the writer lock. One pass per partition at a time, in all
 * processes: the cleaning lock (a byte of the directory's lock file) sees to it. */
#ifndef LF_COMPACT_H
#define LF_COMPACT_H

#include "lf/log.h"

typedef struct lf_compaction {
    /* What to do */
    int64_t first_dirty;            /* below it earlier passes have been */
    int64_t uncleanable;            /* this and what follows stays as it is; lowered to whole, decided segments */
    int64_t now_ms;
    int64_t delete_retention_ms;    /* of tombstones and of markers of empty transactions */
    int64_t producer_expiration_ms; /* a producer silent for so long needs no last batch any more */
    int64_t map_bytes;              /* memory of the key map */
    int64_t max_decompressed;       /* of one batch */
    int (*tick)(void *);            /* called now and then; nonzero: stop with LF_E_INTERRUPTED. May be NULL */
    void *tick_arg;

    /* What was done */
    int64_t next_dirty;             /* where the next pass begins; below `uncleanable`: the map was too small */
    int64_t keys;                   /* in the map */
    int64_t bytes_read;             /* of the segments that were looked at, once */
    int64_t bytes_removed;          /* by which the log became smaller */
    int64_t records_read, records_removed;
    int32_t segments_read, segments_removed;
} lf_compaction;

/* One pass. LF_E_LOCKED: another is at it; LF_E_INTERRUPTED: stopped, or retention took segments away meanwhile.
 * After an error the log holds what it held, though some groups of segments may be compacted already. */
int lf_compact(lf_log *log, lf_compaction *job, lf_error *e);

/* Finishes or undoes what a dead compaction left. `owner`: nobody else compacts (the caller opens the partition
 * alone, or holds the cleaning lock), so that half-written files can go too. The writer lock is held, or nobody
 * else has the partition open. */
int lf_compact_settle(lf_log *log, bool owner, lf_error *e);

/* The same for a log that is only read, where nothing can be finished: LF_E_FORMAT when records are missing. */
int lf_compact_refuse_halves(lf_log *log, lf_error *e);

/* For policies: the largest timestamp of the first batch at or behind `offset`; LF_NO_TIMESTAMP at the end. */
int lf_compact_first_timestamp(lf_log *log, int64_t offset, int64_t *timestamp, lf_error *e);

#endif
