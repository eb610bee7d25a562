#include "lf/fetch.h"

/* Stands at `offset`: where the last fetch stood, behind what it handed out, or anywhere. */
static void stand_at(lf_fetch_place *f, int64_t offset) {
    lf_cursor *c = &f->cursor;
    if (c->segment && c->next_offset == offset) return;
    if (c->segment && f->behind_position && f->behind_offset == offset) {
        c->position = f->behind_position;
        c->next_offset = c->expected = offset;
    } else {
        lf_cursor_release(c); /* the next look seeks */
        c->next_offset = offset;
    }
    f->behind_position = 0;
}

int lf_fetch_read(lf_log *log, lf_fetch_place *f, int64_t offset, int64_t upper, int64_t max_bytes, bool whole,
                  lf_fetch_slice *out, lf_error *e) {
    lf_cursor *c = &f->cursor;
    lf_batch b;
    const char *reason;
    *out = (lf_fetch_slice){0};
    stand_at(f, offset);
    int rc = lf_cursor_peek(log, c, false, &b, e);
    if (rc == LF_E_END) return LF_OK;
    if (rc) return rc;
    if (b.base_offset >= upper || (b.size > max_bytes && !whole)) return LF_OK;
    int64_t published = atomic_load_explicit(&log->state->end_offset, memory_order_acquire);
    int64_t begin = c->position, at = begin, end = lf_segment_end(log, c->segment);
    if (end < 0 || end > c->map_len) end = begin + b.size; /* rolled or grown this moment: the rest comes next time */
    for (;;) {
        at += b.size;
        f->behind_offset = b.last_offset + 1;
        if (at >= end || lf_batch_check(c->map + at, end - at, at, false, &b, &reason)) break;
        if (b.base_offset >= upper || b.last_offset >= published || at - begin + b.size > max_bytes) break;
        if (!lf_batch_follows(log, &b, f->behind_offset)) break; /* reported when it is asked for */
    }
    f->behind_position = at;
    *out = (lf_fetch_slice){.at = c->map + begin, .size = at - begin, .segment = c->segment};
    return LF_OK;
}

void lf_fetch_release(lf_fetch_place *f) {
    lf_cursor_release(&f->cursor);
    f->behind_position = 0;
}
