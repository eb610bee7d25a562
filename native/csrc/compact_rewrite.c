/* What stays of each batch: Kafka's rules, one function for each question. */
#include <string.h>

#include "compact_impl.h"
#include "lf/crc32c.h"

enum verdict {
    KEEP,       /* as it is */
    DROP,
    EMPTY,      /* its header alone: it tells a producer's last sequence, or where the log ended */
    WRITE       /* the items that are kept */
};

/* A header must stay, even without records. */
static bool must_remain(const lf_cleaner *c, const lf_batch *b) {
    return lf_history_last_of_producer(c, b) || b->last_offset + 1 == c->job->uncleanable;
}

static inline bool horizon_set(const lf_batch *b) { return b->attributes & LF_ATTR_DELETE_HORIZON; }

/* With a delete horizon the base timestamp is it. */
static inline bool horizon_passed(const lf_cleaner *c, const lf_batch *b) {
    return horizon_set(b) && b->base_timestamp <= c->job->now_ms;
}

/* The latest of its key, and no tombstone whose time is over; without a key nothing can be the latest. */
static bool stays(const lf_cleaner *c, const lf_item *item, bool tombstones_go) {
    if (item->offset > c->latest) return true;
    if (item->key_len < 0) return false;
    if (item->tombstone && tombstones_go) return false;
    return item->offset >= lf_key_map_get(c->map, item->key);
}

/* Markers stay until nothing of their transaction is left, and then for as long as tombstones do. */
static int judge_marker(lf_cleaner *c, const lf_piece *p, const lf_batch *b, const uint8_t **base, int64_t *horizon, enum verdict *v) {
    bool empty;
    const lf_aborted *retained;
    lf_txn_walk_marker(&c->walk, b, &empty, &retained);
    if (retained && lf_output_aborted(c, retained)) return c->e->status;
    bool remains = must_remain(c, b);
    *v = KEEP;
    if (!b->count) *v = remains ? KEEP : DROP;
    else if (empty && horizon_passed(c, b)) *v = remains ? EMPTY : DROP;
    else if (empty && !horizon_set(b)) {
        *v = WRITE;
        *horizon = c->job->now_ms + c->job->delete_retention_ms;
        return lf_items_parse(c, p, b, base);
    }
    return LF_OK;
}

static int judge_records(lf_cleaner *c, const lf_piece *p, const lf_batch *b, const uint8_t **base, int64_t *horizon, enum verdict *v) {
    int32_t kept = 0;
    bool tombstones = false, go = horizon_passed(c, b);
    int rc = lf_items_parse(c, p, b, base);
    if (rc) return rc;
    lf_items_hash(c, *base, b->count);
    for (int32_t i = 0; i < b->count; i++) {
        lf_item *item = &c->items[i];
        item->keep = stays(c, item, go);
        kept += item->keep;
        tombstones |= item->keep && item->tombstone;
    }
    c->job->records_removed += b->count - kept;
    if (tombstones && !horizon_set(b)) *horizon = c->job->now_ms + c->job->delete_retention_ms;
    if (!kept) *v = must_remain(c, b) ? EMPTY : DROP;
    else *v = kept == b->count && *horizon < 0 ? KEEP : WRITE;
    return LF_OK;
}

static int judge(lf_cleaner *c, const lf_piece *p, const lf_batch *b, const uint8_t **base, int64_t *horizon, enum verdict *v) {
    bool aborted = false;
    *horizon = -1;
    c->job->records_read += b->count;
    if (b->attributes & LF_ATTR_CONTROL) return judge_marker(c, p, b, base, horizon, v);
    if (lf_txn_walk_data(&c->walk, b, &aborted)) return lf_fail(c->e, LF_E_NOMEM, 0, c->log->dir, -1, "transactions");
    if (!b->count) *v = must_remain(c, b) ? KEEP : DROP;
    else if (aborted) {
        c->job->records_removed += b->count;
        *v = must_remain(c, b) ? EMPTY : DROP;
    } else if (b->base_offset > c->latest) *v = KEEP;
    else return judge_records(c, p, b, base, horizon, v);
    return LF_OK;
}

static int write_verbatim(lf_cleaner *c, const lf_batch *b) {
    uint8_t *out = lf_output_room(c, (size_t)b->size);
    if (!out) return c->e->status;
    memcpy(out, b->at, (size_t)b->size);
    lf_output_put(c, out, b->size);
    return LF_OK;
}

/* As Kafka writes it: no codec, no delete horizon, no base timestamp; offsets, times and sequence as they were. */
static int write_empty(lf_cleaner *c, const lf_batch *b) {
    uint8_t *out = lf_output_room(c, LF_BATCH_RECORDS_AT);
    if (!out) return c->e->status;
    memcpy(out, b->at, LF_BATCH_RECORDS_AT);
    lf_put32(out + LF_BATCH_LENGTH_AT, LF_BATCH_MIN_LENGTH);
    lf_put16(out + LF_BATCH_ATTRIBUTES_AT,
             (uint16_t)(b->attributes & (LF_ATTR_APPEND_TIME | LF_ATTR_TRANSACTIONAL | LF_ATTR_CONTROL)));
    lf_put64(out + LF_BATCH_BASE_TIMESTAMP_AT, (uint64_t)LF_NO_TIMESTAMP);
    lf_put32(out + LF_BATCH_COUNT_AT, 0);
    lf_put32(out + LF_BATCH_CRC_AT, lf_crc32c(0, out + LF_BATCH_ATTRIBUTES_AT, LF_BATCH_RECORDS_AT - LF_BATCH_ATTRIBUTES_AT));
    lf_output_put(c, out, LF_BATCH_RECORDS_AT);
    return LF_OK;
}

int lf_output_begin_with(lf_cleaner *c, const lf_piece *p, int64_t end) {
    lf_batch b;
    int rc = lf_output_begin(c, p->segment->base_offset);
    for (int64_t at = 0; !rc && at < end; at += b.size) {
        lf_batch_parse(p->map + at, at, &b); /* checked when it was judged */
        rc = write_verbatim(c, &b);
    }
    return rc;
}

int lf_rewrite_piece(lf_cleaner *c, const lf_piece *p) {
    const uint8_t *base = NULL;
    int64_t horizon, expected = p->segment->base_offset;
    enum verdict v = KEEP;
    lf_batch b;
    for (int64_t at = 0; at < p->end; at += b.size, expected = b.last_offset + 1) {
        int rc = lf_piece_batch(c, p, at, expected, true, &b);
        if (!rc) rc = judge(c, p, &b, &base, &horizon, &v);
        if (!rc && v != KEEP && !c->out.segment) rc = lf_output_begin_with(c, p, at);
        if (!rc && c->out.segment) {
            if (v == KEEP) rc = write_verbatim(c, &b);
            else if (v == EMPTY) rc = write_empty(c, &b);
            else if (v == WRITE) rc = lf_items_write(c, p, &b, base, horizon);
        }
        if (!rc) rc = lf_cleaner_tick(c, b.size);
        if (rc) return rc;
    }
    return LF_OK;
}
