/* Transactions of one partition: what was aborted (.txnindex), what is undecided, how a log comes to know it again. */
#ifndef LF_TRANSACTIONS_H
#define LF_TRANSACTIONS_H

#include "lf/producers.h"

#define LF_TXN_ENTRY_BYTES 34

/* ---- .txnindex (txn_index.c) ---- */
void lf_txn_entry_put(uint8_t e[LF_TXN_ENTRY_BYTES], const lf_aborted *a);
/* Behind what is there; the writer lock is held, nothing of it is published yet. Entries of markers that were never
 * published, at or behind the first of these, go. */
int lf_txn_index_append(lf_log *log, int64_t base_offset, const lf_aborted *list, int32_t n, lf_error *e);
/* Entries whose marker lies at or behind `end` go. */
int lf_txn_index_cut(lf_log *log, int64_t base_offset, int64_t end, lf_error *e);
int lf_txn_index_sync(lf_log *log, int64_t base_offset, lf_error *e);
/* Aborted transactions that overlap [from, to), for a reader of these offsets: Kafka's collectAbortedTxns. The
 * caller frees *out. A file of a sealed segment that is missing, short or wrong is written anew, once in a process. */
int lf_log_aborted(lf_log *log, int64_t from, int64_t to, lf_aborted **out, int32_t *n, lf_error *e);

/* ---- recovery (txn_recover.c) ---- */
/* After lf_log_recover(): what lies behind the end is forgotten; first_unstable and the active segments' .txnindex
 * are derived from the log. */
int lf_txn_recover(lf_log *log, lf_error *e);
/* With the writer lock of a dead owner, its tail cut: the same for what it had begun. */
int lf_txn_take_over(lf_log *log, lf_error *e);
/* A segment that ends at `offset` is sealed, or closed: a snapshot is written, its .txnindex synced. */
int lf_txn_seal(lf_log *log, int64_t base_offset, int64_t offset, lf_error *e);
/* The aborted transactions whose markers lie in [from, to), from the log alone; `from` is a segment's beginning. */
int lf_txn_replay(lf_log *log, int64_t from, int64_t to, lf_aborted **out, int32_t *n, lf_error *e);

/* ---- beside lf_producers (producers_log.c) ---- */
/* Into `p`, from the newest snapshot at or below `limit`. */
int lf_producers_build(lf_log *log, lf_producers *p, int64_t limit, lf_error *e);
/* Takes in published batches below `to`. */
int lf_producers_walk(lf_log *log, lf_producers *p, int64_t to, lf_error *e);
/* Snapshots behind `end` are deleted. *any: others are there. */
int lf_snapshots_cut(lf_log *log, int64_t end, bool *any, lf_error *e);

#endif
