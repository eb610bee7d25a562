/* Looking up records one by one: the batch by the sparse index, the record in it by marks, which are set on the way there
 * before. A batch has no places of its records, and what lies before one is passed over by its lengths, each in a cache
 * line of its own. */
#include "lf/lookup.h"

#include <stdlib.h>
#include <string.h>

#include "lf/lost_pages.h"
#include "read_impl.h"

#define MARK_EVERY 128              /* bytes of records, about: so many are in the processor's next lines anyhow */
#define MARKS_BYTES_MAX (64 << 20)  /* of a partition's marks; then they are begun anew, half as many to a batch */

#define MARKED_FROM 8               /* records of a batch */

/* Of a batch whose checksum was right. */
typedef struct lf_marks {
    struct lf_marks *next;  /* of a batch near by: those that are smaller than the index's interval share an entry */
    lf_records first;       /* stand before the first record; `base` is that of each look-up */
    uint32_t checked_at;    /* lf_lost_pages, when that was so */
    int32_t stride;         /* records from one mark to the next */
    int32_t n;              /* set so far */
    uint32_t at[];
} lf_marks;

void lf_marks_drop(lf_segment *s) {
    for (int32_t i = 0; i < s->cap_marks; i++) {
        for (lf_marks *m = s->marks[i], *next; m; m = next) {
            next = m->next;
            free(m);
        }
    }
    free(s->marks);
    s->marks = NULL;
    s->cap_marks = 0;
}

/* Whether a record's index in the batch is its offset's distance, and its bytes are there as they were. Batches of few records
 * are better decoded with their neighbours. */
static bool is_plain(const lf_batch *b) {
    return !(b->attributes & (LF_ATTR_CODEC | LF_ATTR_CONTROL)) && b->count >= MARKED_FROM &&
           b->last_offset - b->base_offset == b->count - 1;
}

static void begin(const lf_segment *s, const lf_batch *b, lf_records *r) {
    lf_records_begin(r, b, s->map, (uint32_t)(b->position + LF_BATCH_RECORDS_AT), (uint32_t)(b->position + b->size));
}

static lf_marks *find_marks(const lf_segment *s, int32_t i, int64_t offset) {
    lf_marks *m = i < s->cap_marks ? s->marks[i] : NULL;
    while (m && (offset < m->first.base_offset || offset > m->first.last_offset)) m = m->next;
    return m;
}

/* NULL: no memory. */
static lf_marks *make_marks(lf_log *log, lf_segment *s, int32_t i, const lf_batch *b) {
    int64_t every = ((int64_t)MARK_EVERY << log->marks_dropped) * b->count / b->size;
    int32_t stride = every < 1 ? 1 : every < b->count ? (int32_t)every : b->count;
    size_t bytes = sizeof(lf_marks) + sizeof(uint32_t) * (size_t)(b->count / stride + 1);
    if (log->marks_bytes + bytes > MARKS_BYTES_MAX) {
        for (int32_t k = 0; k < log->n_segments; k++) lf_marks_drop(log->segments[k]);
        log->marks_bytes = 0;
        if (log->marks_dropped < 16) log->marks_dropped++;
    }
    if (i >= s->cap_marks) {
        void *more = realloc(s->marks, (size_t)s->cap_entries * sizeof *s->marks);
        if (!more) return NULL;
        s->marks = more;
        memset(s->marks + s->cap_marks, 0, (size_t)(s->cap_entries - s->cap_marks) * sizeof *s->marks);
        log->marks_bytes += (size_t)(s->cap_entries - s->cap_marks) * sizeof *s->marks;
        s->cap_marks = s->cap_entries;
    }
    lf_marks *m = malloc(bytes);
    if (!m) return NULL;
    begin(s, b, &m->first);
    m->stride = stride;
    m->n = 1;
    m->at[0] = m->first.at;
    m->next = s->marks[i];
    s->marks[i] = m;
    log->marks_bytes += bytes;
    return m;
}

/* Moves on to record `index`, from the mark before it, and sets marks on the way where there are none yet. */
static int walk(lf_marks *m, lf_records *r, int32_t index) {
    const char *reason;
    int32_t mark = index / m->stride, rc = LF_OK;
    r->index = (mark < m->n ? mark : m->n - 1) * m->stride;
    r->at = m->at[r->index / m->stride];
    while (!rc && r->index < index) {
        int32_t next = (r->index / m->stride + 1) * m->stride;
        rc = lf_records_skip(r, next < index ? next : index, &reason);
        if (!rc && r->index == m->n * m->stride) m->at[m->n++] = r->at;
    }
    return rc;
}

/* The batch of `offset`, from that of entry `i` - 1 of the index on: batches smaller than the index's interval share an entry. */
static int walk_to_batch(const lf_log *log, const lf_segment *s, int32_t i, int64_t offset, int64_t end, lf_batch *b) {
    const char *reason;
    int64_t at = i ? s->entries[i - 1].position : 0, expected = i ? -1 : s->base_offset;
    for (; at < end; at += b->size, expected = b->last_offset + 1) {
        if (lf_batch_check(s->map + at, end - at, at, false, b, &reason) || !lf_batch_follows(log, b, expected)) return LF_E_END;
        if (i && expected < 0 && b->last_offset != s->entries[i - 1].offset) return LF_E_END;
        if (b->last_offset >= offset) return b->base_offset <= offset ? LF_OK : LF_E_END;
    }
    return LF_E_END;
}

/* A batch where something is looked up for the first time, or again where bytes may have been lost since: its checksum, and
 * marks, which lie with entry `i` of the index, the first that is not before it. */
static int meet(lf_log *log, lf_segment *s, int32_t i, int64_t offset, int64_t end, uint32_t lost, lf_records *r) {
    lf_batch b;
    const char *reason;
    bool indexed = lf_read_indexed(s, i, offset, end, &b);
    if (!indexed && walk_to_batch(log, s, i, offset, end, &b)) return LF_E_END;
    if (!is_plain(&b) || b.last_offset >= atomic_load_explicit(&log->state->end_offset, memory_order_acquire)) return LF_E_END;
    lf_read_bring(log, s, &b);
    if (lf_read_check_once(s, &b, end, &reason)) return LF_E_END;
    lf_marks *m = find_marks(s, i, offset);
    if (!m && i < s->n_entries) m = make_marks(log, s, i, &b);
    if (m) m->checked_at = lost;
    begin(s, &b, r);
    return m ? walk(m, r, (int32_t)(offset - b.base_offset)) : lf_records_skip(r, (int32_t)(offset - b.base_offset), &reason);
}

/* Where the record would be, were all of its batch of one size: its page is on the way while the marks are. */
static void ask_for(const lf_segment *s, int32_t i, int64_t offset) {
    if (!i || i + 1 >= s->n_entries) return;
    const lf_index_entry *e = &s->entries[i];
    double share = (double)(offset - e[-1].offset - 1) / (double)(e->offset - e[-1].offset);
    const uint8_t *near = s->map + e->position + LF_BATCH_RECORDS_AT + (int64_t)(share * (e[1].position - e->position - LF_BATCH_RECORDS_AT));
    __builtin_prefetch(near);
    __builtin_prefetch(near + 64);
}

int32_t lf_lookup(lf_log *log, const int64_t *offsets, int32_t n, lf_place *places) {
    lf_segment *s = NULL;
    lf_error e; /* whatever it is, reading in order meets it */
    int64_t end = 0;
    int32_t i = 0, found = 0;
    uint32_t lost = atomic_load_explicit(&lf_lost_pages, memory_order_relaxed);
    bool met = false;
    int64_t start = atomic_load_explicit(&log->state->start_offset, memory_order_relaxed);
    int64_t published = atomic_load_explicit(&log->state->end_offset, memory_order_acquire);
    pthread_mutex_lock(&log->mu);
    for (; found < n && !met; found++) { /* who waits for the lock need not wait for more than one checksum */
        int64_t offset = offsets[found];
        lf_place *place = &places[found];
        if (offset < start || offset >= published) break;
        if (!s || i >= s->n_entries || offset > s->entries[i].offset || !i || offset <= s->entries[i - 1].offset) {
            if (lf_read_settle(log, &end, &s, offset, &e) || lf_index_ready(log, s, end, &e) || lf_segment_map(log, s, (size_t)end, &e)) break;
            i = lf_index_at(s, offset);
        }
        ask_for(s, i, offset);
        lf_marks *m = find_marks(s, i, offset);
        if (m && m->checked_at == lost) {
            place->records = m->first;
            place->records.base = s->map;
            if (walk(m, &place->records, (int32_t)(offset - m->first.base_offset))) break;
        } else {
            lf_segment_expect(s, true);
            met = true;
            if (meet(log, s, i, offset, end, lost, &place->records)) break;
        }
        place->segment = lf_segment_ref(s);
        const uint8_t *record = place->records.base + place->records.at;
        for (int line = 0; line < 3; line++) __builtin_prefetch(record + 64 * line);
    }
    pthread_mutex_unlock(&log->mu);
    return found;
}
