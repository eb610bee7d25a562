/* The key map of a pass: each key's latest offset from first_dirty on, as far as the map reaches. */
#include "compact_impl.h"

/* Returns LF_E_END when the map is full; c->latest is then the last record that it knows. */
static int map_batch(lf_cleaner *c, const lf_piece *p, const lf_batch *b) {
    const uint8_t *base;
    bool aborted = false;
    if (lf_txn_walk_data(&c->walk, b, &aborted)) return lf_fail(c->e, LF_E_NOMEM, 0, c->log->dir, -1, "transactions");
    if (aborted || !b->count) return LF_OK;
    int rc = lf_items_parse(c, p, b, &base);
    if (rc) return rc;
    lf_items_hash(c, base, b->count);
    for (int32_t i = 0; i < b->count; i++) {
        const lf_item *item = &c->items[i];
        if (item->key_len < 0 || item->offset < c->job->first_dirty) continue;
        if (!lf_key_map_put(c->map, item->key, item->offset)) return LF_E_END;
        c->latest = item->offset;
    }
    return LF_OK;
}

static int map_piece(lf_cleaner *c, const lf_piece *p) {
    lf_batch b;
    int64_t expected = p->segment->base_offset;
    for (int64_t at = 0; at < p->end; at += b.size, expected = b.last_offset + 1) {
        /* What lies below first_dirty is not decoded, and so not checked: the rewrite will. */
        int rc = lf_piece_batch(c, p, at, expected, false, &b);
        if (rc) return rc;
        if (b.last_offset < c->job->first_dirty) continue;
        rc = lf_piece_batch(c, p, at, expected, true, &b);
        if (!rc && (b.attributes & LF_ATTR_CONTROL)) {
            bool empty;
            const lf_aborted *retained;
            lf_txn_walk_marker(&c->walk, &b, &empty, &retained);
        } else if (!rc) rc = map_batch(c, p, &b);
        if (!rc) rc = lf_cleaner_tick(c, b.size);
        if (rc) return rc;
        c->latest = b.last_offset;
    }
    c->latest = p->next_base - 1;
    return LF_OK;
}

int lf_build_map(lf_cleaner *c) {
    int rc = lf_txn_walk_begin(&c->walk, &c->history, c->job->first_dirty);
    if (rc) return lf_fail(c->e, rc, 0, c->log->dir, -1, "transactions");
    c->latest = c->job->first_dirty - 1;
    for (int32_t i = 0; !rc && i < c->n_clean; i++)
        if (c->pieces[i].next_base > c->job->first_dirty) rc = map_piece(c, &c->pieces[i]);
    c->job->keys = (int64_t)c->map->used;
    return rc == LF_E_END ? LF_OK : rc;
}
