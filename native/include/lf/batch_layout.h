/* The 61-byte header of a record batch v2 (FORMAT.md, "Batch header"). All integers are big-endian. */
#ifndef LF_BATCH_LAYOUT_H
#define LF_BATCH_LAYOUT_H

#include <stdint.h>
#include <string.h>

#define LF_BATCH_BASE_OFFSET_AT 0
#define LF_BATCH_LENGTH_AT (LF_BATCH_BASE_OFFSET_AT + 8)
#define LF_BATCH_LEADER_EPOCH_AT (LF_BATCH_LENGTH_AT + 4)
#define LF_BATCH_MAGIC_AT (LF_BATCH_LEADER_EPOCH_AT + 4)
#define LF_BATCH_CRC_AT (LF_BATCH_MAGIC_AT + 1)
#define LF_BATCH_ATTRIBUTES_AT (LF_BATCH_CRC_AT + 4)
#define LF_BATCH_LAST_OFFSET_DELTA_AT (LF_BATCH_ATTRIBUTES_AT + 2)
#define LF_BATCH_BASE_TIMESTAMP_AT (LF_BATCH_LAST_OFFSET_DELTA_AT + 4)
#define LF_BATCH_MAX_TIMESTAMP_AT (LF_BATCH_BASE_TIMESTAMP_AT + 8)
#define LF_BATCH_PRODUCER_ID_AT (LF_BATCH_MAX_TIMESTAMP_AT + 8)
#define LF_BATCH_PRODUCER_EPOCH_AT (LF_BATCH_PRODUCER_ID_AT + 8)
#define LF_BATCH_BASE_SEQUENCE_AT (LF_BATCH_PRODUCER_EPOCH_AT + 2)
#define LF_BATCH_COUNT_AT (LF_BATCH_BASE_SEQUENCE_AT + 4)
#define LF_BATCH_RECORDS_AT (LF_BATCH_COUNT_AT + 4)

/* The length field counts the bytes behind itself. */
#define LF_BATCH_LENGTH_OVERHEAD LF_BATCH_LEADER_EPOCH_AT
#define LF_BATCH_MIN_LENGTH (LF_BATCH_RECORDS_AT - LF_BATCH_LENGTH_OVERHEAD)
#define LF_BATCH_MAX_BYTES 0x7fffff00

#define LF_ATTR_CODEC 0x07
#define LF_ATTR_APPEND_TIME 0x08
#define LF_ATTR_TRANSACTIONAL 0x10
#define LF_ATTR_CONTROL 0x20
#define LF_ATTR_DELETE_HORIZON 0x40

#define LF_NO_TIMESTAMP (-1)

static inline uint16_t lf_get16(const uint8_t *p) {
    uint16_t v;
    memcpy(&v, p, 2);
    return __builtin_bswap16(v);
}
static inline uint32_t lf_get32(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, 4);
    return __builtin_bswap32(v);
}
static inline uint64_t lf_get64(const uint8_t *p) {
    uint64_t v;
    memcpy(&v, p, 8);
    return __builtin_bswap64(v);
}
static inline void lf_put16(uint8_t *p, uint16_t v) {
    v = __builtin_bswap16(v);
    memcpy(p, &v, 2);
}
static inline void lf_put32(uint8_t *p, uint32_t v) {
    v = __builtin_bswap32(v);
    memcpy(p, &v, 4);
}
static inline void lf_put64(uint8_t *p, uint64_t v) {
    v = __builtin_bswap64(v);
    memcpy(p, &v, 8);
}

/* A batch header in host order, with its place. */
typedef struct lf_batch {
    const uint8_t *at;      /* first byte of the batch */
    int64_t position;       /* byte position in its file */
    int64_t base_offset;
    int64_t last_offset;
    int64_t base_timestamp;
    int64_t max_timestamp;
    int64_t producer_id;
    int32_t size;           /* whole batch, header included */
    int32_t count;
    int32_t base_sequence;
    int32_t leader_epoch;
    uint32_t crc;
    int16_t attributes;
    int16_t producer_epoch;
    int8_t magic;
} lf_batch;

static inline void lf_batch_parse(const uint8_t *p, int64_t position, lf_batch *b) {
    b->at = p;
    b->position = position;
    b->base_offset = (int64_t)lf_get64(p + LF_BATCH_BASE_OFFSET_AT);
    b->size = (int32_t)(lf_get32(p + LF_BATCH_LENGTH_AT) + LF_BATCH_LENGTH_OVERHEAD);
    b->leader_epoch = (int32_t)lf_get32(p + LF_BATCH_LEADER_EPOCH_AT);
    b->magic = (int8_t)p[LF_BATCH_MAGIC_AT];
    b->crc = lf_get32(p + LF_BATCH_CRC_AT);
    b->attributes = (int16_t)lf_get16(p + LF_BATCH_ATTRIBUTES_AT);
    /* Unsigned: a wrong base may be near the largest, and lf_batch_check() finds the result negative. */
    b->last_offset = (int64_t)((uint64_t)b->base_offset + (uint64_t)(int32_t)lf_get32(p + LF_BATCH_LAST_OFFSET_DELTA_AT));
    b->base_timestamp = (int64_t)lf_get64(p + LF_BATCH_BASE_TIMESTAMP_AT);
    b->max_timestamp = (int64_t)lf_get64(p + LF_BATCH_MAX_TIMESTAMP_AT);
    b->producer_id = (int64_t)lf_get64(p + LF_BATCH_PRODUCER_ID_AT);
    b->producer_epoch = (int16_t)lf_get16(p + LF_BATCH_PRODUCER_EPOCH_AT);
    b->base_sequence = (int32_t)lf_get32(p + LF_BATCH_BASE_SEQUENCE_AT);
    b->count = (int32_t)lf_get32(p + LF_BATCH_COUNT_AT);
}

#endif
