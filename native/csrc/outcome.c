#include "lf/outcome.h"

#include <stdlib.h>
#include <string.h>

#include "lf/marker.h"

static int push(lf_outcomes *o, lf_ending ending) {
    if (o->first && o->first * 2 >= o->n) {
        memmove(o->endings, o->endings + o->first, (size_t)(o->n - o->first) * sizeof *o->endings);
        o->n -= o->first;
        o->first = 0;
    }
    if (o->n == o->cap) {
        int32_t cap = o->cap ? o->cap * 2 : 16;
        lf_ending *more = realloc(o->endings, (size_t)cap * sizeof *more);
        if (!more) return LF_E_NOMEM;
        o->endings = more;
        o->cap = cap;
    }
    o->endings[o->n++] = ending;
    return LF_OK;
}

static bool answer(lf_outcomes *o, const lf_ending *ending, uint8_t *aborted) {
    o->recent[o->n_recent++ % LF_ENDINGS_RECENT] = *ending;
    if (o->n_recent == 2 * LF_ENDINGS_RECENT) o->n_recent = LF_ENDINGS_RECENT;
    *aborted = ending->aborted;
    return true;
}

static bool is_known(lf_outcomes *o, const lf_batch *b, uint8_t *aborted) {
    for (int32_t i = 0; i < LF_ENDINGS_RECENT && i < o->n_recent; i++) {
        const lf_ending *r = &o->recent[i];
        if (r->producer_id != b->producer_id || r->offset < b->base_offset) continue;
        *aborted = r->aborted;
        return true;
    }
    while (o->first < o->n && o->endings[o->first].offset < b->base_offset) o->first++;
    for (int32_t i = o->first; i < o->n; i++)
        if (o->endings[i].producer_id == b->producer_id) return answer(o, &o->endings[i], aborted);
    return false;
}

int lf_outcome_of(lf_log *log, lf_outcomes *o, const lf_batch *b, uint8_t *aborted, lf_error *e) {
    lf_batch ahead;
    if (is_known(o, b, aborted)) return LF_OK;
    if (o->cursor.next_offset <= b->last_offset) {
        lf_cursor_release(&o->cursor);
        o->cursor.next_offset = b->last_offset + 1;
    }
    for (;;) {
        int rc = lf_cursor_peek(log, &o->cursor, false, &ahead, e);
        if (rc == LF_E_END) {
            rc = lf_fail(e, LF_E_CORRUPT, 0, log->dir, -1, "a transaction that is decided has no marker");
            e->offset = b->base_offset;
        }
        if (rc) return rc;
        lf_cursor_advance(&o->cursor, &ahead);
        int kind = ahead.attributes & LF_ATTR_CONTROL ? lf_marker_parse(&ahead, NULL) : LF_MARKER_NONE;
        if (kind != LF_MARKER_ABORT && kind != LF_MARKER_COMMIT) continue;
        lf_ending ending = {ahead.producer_id, ahead.base_offset, kind == LF_MARKER_ABORT};
        if (push(o, ending)) return lf_fail(e, LF_E_NOMEM, 0, log->dir, -1, "transactions");
        if (ending.producer_id != b->producer_id) continue;
        answer(o, &ending, aborted);
        return LF_OK;
    }
}

void lf_outcomes_free(lf_outcomes *o) {
    lf_cursor_release(&o->cursor);
    free(o->endings);
    memset(o, 0, sizeof *o);
}
