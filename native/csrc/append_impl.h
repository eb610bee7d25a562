/* The steps of an append, for those who do more between writing and publishing. The writer lock is held. */
#ifndef LF_APPEND_IMPL_H
#define LF_APPEND_IMPL_H

#include "lf/producers.h"

/* Batches that lie in one segment and are published together. */
typedef struct lf_stretch {
    lf_segment *segment;
    uint8_t *batches;
    size_t len;
    int64_t position, offset, count;    /* in the file; of the first record; offsets taken */
    int64_t first_timestamp;
} lf_stretch;

static inline size_t lf_batch_size_at(const uint8_t *p) {
    return (size_t)lf_get32(p + LF_BATCH_LENGTH_AT) + LF_BATCH_LENGTH_OVERHEAD;
}

/* Bytes of the batches in front that go into one segment together. */
size_t lf_stretch_bytes(const lf_log *log, const uint8_t *batches, size_t len);
/* Stamps them (`now`: append time, LF_NO_TIMESTAMP for none), and rolls when they do not fit. */
int lf_stretch_begin(lf_log *log, uint8_t *batches, size_t len, int64_t now, lf_stretch *out, lf_error *e);
int lf_stretch_write(lf_log *log, const lf_stretch *s, bool ahead, lf_error *e);
/* Instead of publishing: nothing may lie behind the end that looks like a batch. */
void lf_stretch_cut(lf_log *log, const lf_stretch *s);
/* Index and end position; then the caller publishes the end. */
void lf_stretch_settle(lf_log *log, const lf_stretch *s);
/* Some batch has a producer: LF_E_TOO_LARGE when one is larger than a segment. */
int lf_stretch_look_over(const lf_log *log, const uint8_t *batches, size_t len, bool *produced, lf_error *e);

/* ---- with producers (log_produce.c) ---- */
int lf_produce(lf_log *log, uint8_t *batches, size_t len, bool prepare, lf_origin origin, int64_t now, lf_append_info *info, lf_error *e);
/* A stretch that is written, and taken in between lf_producers_begin() and its end: before and after it is published. */
void lf_produce_announce(lf_log *log, const lf_stretch *s);
void lf_produce_settle(lf_log *log, const lf_stretch *s);

#endif
