#include "lf/lines.h"

#include <stdlib.h>
#include <string.h>

#include "lf/record.h"
#include "lf/status.h"

static int put(lf_lines *out, const uint8_t *at, int64_t length, int64_t end) {
    if (out->n == out->cap) {
        int64_t cap = out->cap ? out->cap * 2 : 1024;
        lf_in_bytes *items = realloc(out->items, (size_t)cap * sizeof *items);
        if (!items) return LF_E_NOMEM;
        out->items = items;
        int64_t *ends = realloc(out->ends, (size_t)cap * sizeof *ends);
        if (!ends) return LF_E_NOMEM;
        out->ends = ends;
        out->cap = cap;
    }
    out->items[out->n] = (lf_in_bytes){at, length};
    out->ends[out->n++] = end;
    return LF_OK;
}

/* One line, start..stop, that ends at `end` with its newline. */
static int put_line(lf_lines *out, const uint8_t *data, int64_t start, int64_t stop, int64_t end, int64_t piece_max) {
    if (stop > start && end > stop && data[stop - 1] == '\r') stop--;
    int64_t at = start;
    for (; stop - at > piece_max; at += piece_max) {
        /* The place behind a piece is the line's start: whoever goes on there reads the line again as a whole. */
        int rc = put(out, data + at, piece_max, start);
        if (rc) return rc;
    }
    return put(out, data + at, stop - at, end);
}

int lf_lines_split(lf_lines *out, const uint8_t *data, int64_t size, bool last, int64_t whole_max, int64_t piece_max) {
    int64_t at = 0;
    while (at < size) {
        const uint8_t *newline = memchr(data + at, '\n', (size_t)(size - at));
        if (!newline) break;
        int64_t stop = newline - data;
        int rc = put_line(out, data, at, stop, stop + 1, piece_max);
        if (rc) return rc;
        at = stop + 1;
    }
    if (at < size && (last || size - at >= whole_max)) return put_line(out, data, at, size, size, piece_max);
    return LF_OK;
}

void lf_lines_free(lf_lines *lines) {
    free(lines->items);
    free(lines->ends);
    lines->items = NULL;
    lines->ends = NULL;
    lines->n = lines->cap = 0;
}

/* Whether a line ends with item `stop` - 1. A piece that is not its line's last has the end of the line before. */
static bool is_line_end(const int64_t *ends, int64_t stop) {
    return ends[stop - 1] > (stop > 1 ? ends[stop - 2] : 0);
}

int64_t lf_lines_cut(const int64_t *ends, int64_t n, int64_t at, int64_t most) {
    if (n - at <= most) return n;
    int64_t stop = at + most;
    while (stop > at && !is_line_end(ends, stop)) stop--;
    if (stop > at) return stop;
    for (stop = at + most; stop < n && !is_line_end(ends, stop); stop++) {}
    return stop;
}

const uint8_t *lf_lines_as_they_lie(const lf_in_bytes *items, const int64_t *ends, int64_t n, const uint8_t *data,
                                    int64_t *size) {
    if (!n) return NULL;
    /* One byte between two can only be a newline: pieces of a line have none, a carriage return makes two. */
    for (int64_t i = 0; i + 1 < n; i++) {
        if (items[i].at + items[i].length + 1 != items[i + 1].at) return NULL;
    }
    const uint8_t *stop = items[n - 1].at + items[n - 1].length;
    if (data + ends[n - 1] != stop + 1) return NULL;
    *size = stop + 1 - items[0].at;
    return items[0].at;
}

int64_t lf_joined_size(const lf_in_column *c, int64_t end_len) {
    int64_t total = 0;
    const uint8_t *p;
    for (int64_t i = 0; i < c->n; i++) {
        int64_t n = lf_in_get(c, i, &p);
        total += (n > 0 ? n : 0) + end_len;
    }
    return total;
}

uint8_t *lf_join(uint8_t *to, const lf_in_column *c, const uint8_t *end, int64_t end_len) {
    const uint8_t *p = NULL;
    for (int64_t i = 0; i < c->n; i++) {
        int64_t n = lf_in_get(c, i, &p);
        if (n > 0) {
            lf_copy(to, p, (size_t)n);
            to += n;
        }
        if (end_len == 1) {
            *to++ = *end;
        } else if (end_len) {
            memcpy(to, end, (size_t)end_len);
            to += end_len;
        }
    }
    return to;
}
