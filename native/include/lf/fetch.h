/* Whole batches out of a partition's map, for sending them as they are. */
#ifndef LF_FETCH_H
#define LF_FETCH_H

#include "lf/log.h"

/* A place in a partition from which somebody fetches again and again. Zeroes to begin with. */
typedef struct lf_fetch_place {
    lf_cursor cursor;           /* at the offset that was asked for last */
    int64_t behind_position;    /* behind what was handed out then, in the cursor's segment; 0: nothing was */
    int64_t behind_offset;
} lf_fetch_place;

typedef struct lf_fetch_slice {
    const uint8_t *at;
    int64_t size;
    lf_segment *segment;        /* holds the map; not referenced by this struct. NULL: nothing to hand out */
} lf_fetch_slice;

/* Batches from the one that holds `offset` on, up to `upper` (an offset, exclusive) and about `max_bytes`: the
 * first batch is handed out even when it is larger, unless `whole` is false. LF_OK, also with nothing to read;
 * LF_E_OUT_OF_RANGE and what reading raises. The CRC is left to who receives. */
int lf_fetch_read(lf_log *log, lf_fetch_place *place, int64_t offset, int64_t upper, int64_t max_bytes, bool whole,
                  lf_fetch_slice *out, lf_error *e);
void lf_fetch_release(lf_fetch_place *place);

#endif
