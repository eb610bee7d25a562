/* What cursors (log_read.c) and look-ups (lookup.c) share. log->mu is held. */
#ifndef LF_READ_IMPL_H
#define LF_READ_IMPL_H

#include "lf/log.h"

/* The segment that holds `offset`, and where its batches end. Refreshes the list until that is known. */
int lf_read_settle(lf_log *log, int64_t *end, lf_segment **s, int64_t offset, lf_error *e);
/* Whether entry `i` of the index names the batch that holds `offset`, as it does where batches are no smaller than the
 * index's interval. Then one header is looked at, instead of that of the batch before as well, on a page of its own. That
 * the last offset is the index's own confirms the base offset, which no CRC covers. */
bool lf_read_indexed(const lf_segment *s, int32_t i, int64_t offset, int64_t end, lf_batch *b);
/* Asks for a batch: of the disk, where it is not in memory, and of memory, while that question is answered. */
void lf_read_bring(const lf_log *log, lf_segment *s, const lf_batch *b);
/* The CRC of a batch whose header is good, checked once in this process. */
int lf_read_check_once(lf_segment *s, lf_batch *b, int64_t end, const char **reason);

#endif
