/* What the files of compaction share. One lf_cleaner is one pass, used by one thread. */
#ifndef LF_COMPACT_IMPL_H
#define LF_COMPACT_IMPL_H

#include "lf/codecs.h"
#include "lf/compact.h"
#include "lf/key_map.h"
#include "lf/marker.h"
#include "lf/transactions.h"

/* ---- the log as the pass found it ---- */
typedef struct lf_piece {
    lf_segment *segment;            /* referenced */
    const uint8_t *map;
    int64_t end;                    /* bytes of batches */
    int64_t next_base;              /* base offset of the next segment; the log's end behind the last */
} lf_piece;

/* ---- producers and transactions (compact_scan.c) ---- */
typedef struct lf_producer_seen {
    int64_t id;                     /* -1: free */
    int64_t last_data;              /* last offset of its last data batch in this epoch; -1: none */
    int64_t last_time;
    int16_t epoch;
} lf_producer_seen;

typedef struct lf_history {
    lf_producer_seen *producers;    /* open addressing by id */
    size_t n_producers, cap_producers;
    lf_open_txn *open;              /* by first offset */
    int32_t n_open, cap_open;
    lf_aborted *aborted;            /* by first offset */
    int32_t n_aborted, cap_aborted;
} lf_history;

/* Where a walk in offset order stands among the transactions. */
typedef struct lf_txn_walk {
    const lf_history *history;
    int32_t next_aborted;
    const lf_aborted **aborting;    /* begun, their marker not met yet */
    bool *has_data;                 /* beside `aborting` */
    int32_t n_aborting;
    int64_t *committing;            /* producers */
    int32_t n_committing, cap_committing;
} lf_txn_walk;

/* ---- records of one batch (compact_records.c) ---- */
typedef struct lf_item {
    uint32_t at, end;               /* the whole record, its length in front */
    uint32_t rest_at;               /* behind the timestamp delta */
    uint32_t key_at;
    int32_t key_len;                /* -1: none */
    int64_t offset;
    int64_t timestamp_delta;
    bool tombstone;
    bool keep;
    lf_key key;
} lf_item;

/* ---- the segment being written (compact_write.c) ---- */
typedef struct lf_output {
    lf_segment *segment;            /* its indexes; NULL: none begun */
    int fd;
    uint8_t *buf;
    size_t len, cap;
    int64_t position;               /* in the file, of buf[0] */
    lf_aborted *aborted;            /* its .txnindex */
    int32_t n_aborted, cap_aborted;
} lf_output;

typedef struct lf_cleaner {
    lf_log *log;
    lf_compaction *job;
    lf_error *e;
    lf_piece *pieces;
    int32_t n_pieces;               /* all of the log */
    int32_t n_clean;                /* of these the first are compacted */
    lf_history history;
    lf_key_map *map;
    int64_t latest;                 /* the map knows all offsets from first_dirty to here */
    lf_txn_walk walk;
    lf_codec_ctx *codecs;
    uint8_t *plain;                 /* of a decompressed batch */
    size_t plain_cap;
    lf_item *items;
    int32_t cap_items;
    uint8_t *kept;                  /* records that stay, before they are compressed */
    size_t kept_cap;
    lf_output out;
    int64_t ticked;                 /* bytes since `tick` was called */
} lf_cleaner;

/* `at` must lie below the piece's end. Checked with its CRC; LF_E_CORRUPT and others fill c->e. */
int lf_piece_batch(lf_cleaner *c, const lf_piece *p, int64_t at, int64_t expected, bool check_crc, lf_batch *b);
int lf_piece_fail(lf_cleaner *c, const lf_piece *p, int status, int64_t at, const char *reason);
int lf_cleaner_tick(lf_cleaner *c, int64_t bytes);

int lf_array_grow(void **array, int32_t *cap, size_t item);
int lf_history_scan(lf_cleaner *c);
void lf_history_free(lf_history *h);
bool lf_history_last_of_producer(const lf_cleaner *c, const lf_batch *b);
int lf_txn_walk_begin(lf_txn_walk *w, const lf_history *h, int64_t from);
void lf_txn_walk_free(lf_txn_walk *w);
/* True: the batch belongs to an aborted transaction. */
int lf_txn_walk_data(lf_txn_walk *w, const lf_batch *b, bool *aborted);
/* *empty: no batch of its transaction has been met, so that the marker may go. *retained: an aborted
 * transaction that has batches still, NULL otherwise. */
void lf_txn_walk_marker(lf_txn_walk *w, const lf_batch *b, bool *empty, const lf_aborted **retained);

int lf_build_map(lf_cleaner *c);

/* The batch's records in c->items; *base is what their positions count from. */
int lf_items_parse(lf_cleaner *c, const lf_piece *p, const lf_batch *b, const uint8_t **base);
void lf_items_hash(lf_cleaner *c, const uint8_t *base, int32_t n);
/* Appends the batch with the items that are kept. `horizon` >= 0: set as delete horizon. */
int lf_items_write(lf_cleaner *c, const lf_piece *p, const lf_batch *b, const uint8_t *base, int64_t horizon);

/* Writes what stays of a piece's batches to c->out, begun at the first batch that changes; a piece that does not
 * change at all is left out of it unless it has been begun. */
int lf_rewrite_piece(lf_cleaner *c, const lf_piece *p);
/* Begins the output with the piece's batches up to `end` as they are. */
int lf_output_begin_with(lf_cleaner *c, const lf_piece *p, int64_t end);

int lf_output_begin(lf_cleaner *c, int64_t base_offset);
/* Room for `n` bytes at the end of the buffer, which is written out first when it is full. NULL: c->e says why. */
uint8_t *lf_output_room(lf_cleaner *c, size_t n);
/* A whole batch of `size` bytes has been put where lf_output_room() said. */
void lf_output_put(lf_cleaner *c, const uint8_t *batch, int32_t size);
int lf_output_aborted(lf_cleaner *c, const lf_aborted *a);
/* On disk: log, indexes, all as `.cleaned`. */
int lf_output_finish(lf_cleaner *c, const lf_piece *last);
/* Lets go of it, and of its files when they still are there. */
void lf_output_drop(lf_cleaner *c);

/* The finished output takes the place of `n` pieces. */
int lf_swap_in(lf_cleaner *c, const lf_piece *pieces, int32_t n);
/* Its steps from `.swap` on, for who finishes what another began; each may have been taken already. */
int lf_swap_replace(lf_log *log, int64_t base, const int64_t *others, int32_t n, lf_error *e);
int lf_swap_finish(lf_log *log, int64_t base, lf_error *e);
/* <base><suffix><mark>, when it is there. */
int lf_swap_remove(lf_log *log, int64_t base, const char *suffix, const char *mark, lf_error *e);

#endif
