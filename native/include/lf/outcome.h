/* How transactions ended, for a reader that goes through a log: found by looking ahead for their markers.
 *
 * The log decides, not `.txnindex`: a file that is lost or stale changes nothing for those who read here. A batch's
 * transaction was committed if the next marker of its producer says so; below the last stable offset there is one. */
#ifndef LF_OUTCOME_H
#define LF_OUTCOME_H

#include "lf/log.h"

typedef struct lf_ending {
    int64_t producer_id, offset;    /* of the marker */
    bool aborted;
} lf_ending;

#define LF_ENDINGS_RECENT 8         /* the last answers: batches of one transaction mostly come together */

/* Not thread-safe; belongs to a reader. Zeroes to begin with, and again when the reader goes back. */
typedef struct lf_outcomes {
    lf_cursor cursor;               /* headers before it have been looked at */
    lf_ending *endings;             /* markers ahead of the reader, by offset */
    int32_t first, n, cap;
    lf_ending recent[LF_ENDINGS_RECENT];
    int32_t n_recent;
} lf_outcomes;

/* Of a transactional data batch below the last stable offset; the batches asked for rise. LF_E_CORRUPT: damage lies
 * between it and its marker. */
int lf_outcome_of(lf_log *log, lf_outcomes *o, const lf_batch *b, uint8_t *aborted, lf_error *e);
void lf_outcomes_free(lf_outcomes *o);

#endif
