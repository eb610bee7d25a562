#include "lf/arrow_import.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The comparisons have no early exit, so that the compiler may do many at once: good input is the rule. */
#define ORDERED(type, o, n, bad)                                                    \
    do {                                                                            \
        const type *at_ = (const type *)(o);                                        \
        for (int64_t i_ = 0; i_ < (n); i_++) (bad) |= at_[i_ + 1] < at_[i_];        \
        (bad) |= at_[0] < 0;                                                        \
    } while (0)

static int corrupt(const char **reason, const char *what) {
    *reason = what;
    return LF_E_CORRUPT;
}

static int check_offsets(lf_in_column *c, const void *offsets, int width, const char **reason) {
    int bad = 0;
    if (!offsets) return corrupt(reason, "the offsets are missing");
    if ((uintptr_t)offsets % (uintptr_t)width) return corrupt(reason, "the offsets are not aligned");
    if (width == 4) ORDERED(int32_t, offsets, c->n, bad);
    else ORDERED(int64_t, offsets, c->n, bad);
    if (bad) return corrupt(reason, "the offsets are negative or do not ascend");
    c->kind = width == 4 ? LF_IN_OFFSETS32 : LF_IN_OFFSETS64;
    c->offsets = offsets;
    return LF_OK;
}

static int64_t offset_at(const lf_in_column *c, int64_t i) {
    return c->kind == LF_IN_OFFSETS32 ? ((const int32_t *)c->offsets)[i] : ((const int64_t *)c->offsets)[i];
}

int lf_in_from_offsets(lf_in_column *out, const uint8_t *data, int64_t size, const void *offsets, int width, int64_t n,
                       const char **reason) {
    *out = (lf_in_column){.n = n, .data = data};
    int rc = check_offsets(out, offsets, width, reason);
    if (rc) return rc;
    return offset_at(out, n) > size ? corrupt(reason, "the offsets lead beyond the data") : LF_OK;
}

/* Bytes of an item of a fixed width, -1 for Arrow's null type, -2 for other layouts. */
static int64_t fixed_width(const char *format) {
    if (format[0] == 'w' && format[1] == ':') {
        char *end;
        long width = strtol(format + 2, &end, 10);
        return end == format + 2 || *end || width < 0 ? -2 : width;
    }
    if (!format[0] || format[1]) return -2;
    switch (format[0]) {
    case 'n': return -1;
    case 'c': case 'C': return 1;
    case 's': case 'S': case 'e': return 2;
    case 'i': case 'I': case 'f': return 4;
    case 'l': case 'L': case 'g': return 8;
    default: return -2;
    }
}

static bool is_null(const lf_in_column *c, int64_t i) {
    int64_t bit = c->first_bit + i;
    return c->validity && !(c->validity[bit >> 3] >> (bit & 7) & 1);
}

static int check_views(lf_in_column *c, const struct ArrowArray *a, const char **reason) {
    if (a->n_buffers < 3) return corrupt(reason, "a view array has no buffer of sizes");
    int64_t n_data = a->n_buffers - 3;
    const int64_t *sizes = (const int64_t *)a->buffers[a->n_buffers - 1];
    const lf_in_view *views = (const lf_in_view *)a->buffers[1];
    if (!views || (n_data && !sizes)) return corrupt(reason, "the views or their sizes are missing");
    if ((uintptr_t)views % 4 || (uintptr_t)sizes % 8) return corrupt(reason, "the views are not aligned");
    views += a->offset;
    c->kind = LF_IN_VIEWS;
    c->offsets = views;
    c->buffers = (const uint8_t *const *)(a->buffers + 2);
    for (int64_t i = 0; i < c->n; i++) {
        const lf_in_view *v = views + i;
        if (v->len >= 0 && v->len <= 12) continue;
        if (is_null(c, i)) continue; /* what lies in a null's place means nothing */
        if (v->len < 0) return corrupt(reason, "a view has a negative length");
        if (v->buffer < 0 || v->buffer >= n_data || !c->buffers[v->buffer] || v->at < 0 ||
            v->len > sizes[v->buffer] - v->at)
            return corrupt(reason, "a view leads out of its buffer");
    }
    return LF_OK;
}

int lf_in_from_arrow(lf_in_column *out, const struct ArrowSchema *schema, const struct ArrowArray *a, const char **reason) {
    const char *f = schema->format;
    bool views = !strcmp(f, "vz") || !strcmp(f, "vu");
    int offset_width = !strcmp(f, "z") || !strcmp(f, "u") ? 4 : !strcmp(f, "Z") || !strcmp(f, "U") ? 8 : 0;
    int64_t width = fixed_width(f);
    if (schema->dictionary || (!views && !offset_width && width == -2)) return LF_E_FORMAT;
    if (a->length < 0 || a->offset < 0 || a->length > (INT64_MAX >> 8) - a->offset)
        return corrupt(reason, "length or offset is impossible");
    *out = (lf_in_column){.kind = LF_IN_FIXED, .n = a->length, .first_bit = a->offset};
    if (!a->length) return LF_OK;
    if (width == -1) { /* the null type has no buffers at all */
        out->width = -1;
        return LF_OK;
    }
    if (a->n_buffers < (offset_width ? 3 : 2) || !a->buffers) return corrupt(reason, "buffers are missing");
    if (a->null_count) out->validity = (const uint8_t *)a->buffers[0];
    if (a->null_count > 0 && !out->validity) return corrupt(reason, "there are nulls but no validity bits");
    if (views) return check_views(out, a, reason);
    if (offset_width) {
        const uint8_t *offsets = (const uint8_t *)a->buffers[1];
        int rc = check_offsets(out, offsets ? offsets + a->offset * offset_width : NULL, offset_width, reason);
        if (rc) return rc;
        out->data = (const uint8_t *)a->buffers[2];
        if (!out->data && offset_at(out, out->n) > offset_at(out, 0)) return corrupt(reason, "the data is missing");
        return LF_OK;
    }
    if (width && !a->buffers[1]) return corrupt(reason, "the data is missing");
    if (width && a->offset + a->length > INT64_MAX / width) return corrupt(reason, "length or offset is impossible");
    out->width = out->stride = width;
    out->data = width ? (const uint8_t *)a->buffers[1] + a->offset * width : NULL;
    return LF_OK;
}
