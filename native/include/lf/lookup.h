/* Looking up records one by one. */
#ifndef LF_LOOKUP_H
#define LF_LOOKUP_H

#include "lf/log.h"
#include "lf/records.h"

typedef struct lf_place {
    lf_segment *segment;    /* a reference that is the caller's */
    lf_records records;     /* stand before the record, in the segment's map */
} lf_place;

/* Where the records at `offsets` lie: of how many, counted from the front. After 0, reading the first one's batch in order
 * tells why it was not found: it is compressed, small, damaged, a marker, has gaps, or is not in the log. Thread-safe. */
int32_t lf_lookup(lf_log *log, const int64_t *offsets, int32_t n, lf_place *places);

#endif
