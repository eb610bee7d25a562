/* Columns of values and keys become finished batches, in one go without the GIL. */
#ifndef LF_FILL_H
#define LF_FILL_H

#include "lf/builder.h"
#include "lf/in_column.h"

/* One call's input and how far it has come. */
typedef struct lf_fill {
    const lf_in_column *values, *keys;  /* chunks; keys NULL: no record has one */
    const int64_t *timestamps;          /* NULL: all are `now` */
    const uint8_t *headers;             /* that every record has, encoded behind their count */
    int64_t headers_len;
    int32_t headers_count;
    int64_t now, length;                /* length: records in all */
    int64_t batch_bytes;                /* a batch is closed before it grows beyond */
    int64_t message_bytes_max;          /* what the topic takes */
    size_t full_bytes;                  /* stop when so much is finished */
    lf_codec_ctx *codecs;
    int codec, level;

    int64_t at;                         /* the next record */
    int32_t value_chunk, key_chunk;
    int64_t value_at, key_at;           /* its place in those chunks */
    int64_t finished;                   /* records in batches that were finished */
    int64_t too_large;                  /* bytes of the record or batch that was refused */
} lf_fill;

/* Stands at record `at`. */
void lf_fill_seek(lf_fill *f, int64_t at);

/* Puts records until all are put (the last batch stays open) or full_bytes are finished.
 * LF_OK, LF_E_NOMEM, LF_E_TOO_LARGE with `too_large`, or what a codec says. */
int lf_fill_run(lf_fill *f, lf_builder *b);

#endif
