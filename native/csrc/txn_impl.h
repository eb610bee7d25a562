/* What the files about transactions share. */
#ifndef LF_TXN_IMPL_H
#define LF_TXN_IMPL_H

#include "lf/transactions.h"

/* Writes the file of a segment [base, end) anew where it does not hold just these. The writer lock is held, or nobody
 * else has the partition open. */
int lf_txn_index_compare(lf_log *log, int64_t base, int64_t end, const lf_aborted *list, int32_t n, lf_error *e);

#endif
