/* Batches from elsewhere, looked at as closely as Kafka's LogValidator does before they are appended. */
#ifndef LF_BATCH_VALIDATE_H
#define LF_BATCH_VALIDATE_H

#include <stdbool.h>
#include <stddef.h>

#include "lf/batch_layout.h"
#include "lf/codecs.h"
#include "lf/records.h"
#include "lf/status.h"

/* Reused from batch to batch; zeroed at first. */
typedef struct lf_validator {
    bool keys_required;         /* the topic is compacted */
    size_t max_decompressed;
    lf_codec_ctx *codecs;
    uint8_t *plain;
    size_t plain_cap;
    lf_columns columns;
} lf_validator;

/* `b` has passed lf_batch_check(). LF_OK; LF_E_CORRUPT, LF_E_CODEC, LF_E_BOMB or LF_E_NOMEM with *reason. A max
 * timestamp that is not the records' is put right, as Kafka does, which needs `p` and a new CRC. */
int lf_validate_client_batch(lf_validator *v, uint8_t *p, lf_batch *b, const char **reason);
void lf_validator_free(lf_validator *v);

#endif
