/* Control batches that end a transaction (FORMAT.md, "Control batches"). */
#ifndef LF_MARKER_H
#define LF_MARKER_H

#include <stdbool.h>
#include <stdint.h>

#include "lf/batch_layout.h"

enum { LF_MARKER_NONE = -1, LF_MARKER_ABORT = 0, LF_MARKER_COMMIT = 1, LF_MARKER_OTHER = 2 };

/* Header, then one record: length, attributes, two deltas, key of 4 bytes, value of 6, no headers. */
#define LF_MARKER_BYTES (LF_BATCH_RECORDS_AT + 17)

/* The kind of a control batch; LF_MARKER_NONE for one that compaction emptied. *coordinator_epoch: -1 when there
 * is none; may be NULL. */
int lf_marker_parse(const lf_batch *b, int32_t *coordinator_epoch);
/* A whole batch at `p` but for its base offset and leader epoch. */
void lf_marker_put(uint8_t p[LF_MARKER_BYTES], int64_t producer_id, int16_t producer_epoch, int32_t coordinator_epoch,
                   bool commit, int64_t timestamp);

#endif
