/* Decoding the records of a batch into columns. Positions are relative to `base`: a segment's map, or the
 * buffer into which the batch was decompressed. */
#ifndef LF_RECORDS_H
#define LF_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "lf/batch_layout.h"
#include "lf/status.h"

typedef struct lf_columns {
    int64_t *offsets;
    int64_t *timestamps;
    uint32_t *value_at;     /* of a null value: where it would begin */
    int32_t *value_len;     /* -1: null */
    uint32_t *key_at;
    int32_t *key_len;
    int32_t n, cap;
    bool plain;             /* known: no row has headers; false says nothing */
} lf_columns;

/* Where decoding of a batch stands: records are decoded in order, some calls may share one batch. */
typedef struct lf_records {
    const uint8_t *base;
    uint32_t at, end;       /* bytes not decoded yet */
    int32_t index, count;   /* records decoded; records in all */
    int64_t base_offset, last_offset, base_timestamp, append_time;
} lf_records;

/* One record's. */
typedef struct lf_row {
    int64_t offset, timestamp;
    uint32_t value_at, key_at;
    int32_t value_len, key_len;
} lf_row;

int lf_columns_reserve(lf_columns *c, int32_t more);
void lf_columns_free(lf_columns *c);
void lf_records_begin(lf_records *r, const lf_batch *b, const uint8_t *base, uint32_t at, uint32_t end);
/* Appends up to `limit` records with offsets >= `from`. LF_OK, or LF_E_CORRUPT with *reason. */
int lf_records_decode(lf_records *r, int64_t from, int32_t limit, lf_columns *c, const char **reason);
/* The next record alone. LF_OK, or LF_E_CORRUPT with *reason. */
int lf_records_next(lf_records *r, lf_row *row, const char **reason);
/* Passes over records by their lengths alone, up to the one with index `index`. LF_OK, or LF_E_CORRUPT with *reason. */
int lf_records_skip(lf_records *r, int32_t index, const char **reason);
/* The first record not below `from` with a time at or after `timestamp`: LF_OK, LF_E_END when this batch has none,
 * LF_E_CORRUPT with *reason. Looks at what it needs of the records up to there, and consumes them. */
int lf_records_seek_time(lf_records *r, int64_t from, int64_t timestamp, int64_t *offset, int64_t *when, const char **reason);
/* Walks one record's headers, `p` at their count: calls nothing, checks everything; end or NULL. */
const uint8_t *lf_headers_skip(const uint8_t *p, const uint8_t *end);

#endif
