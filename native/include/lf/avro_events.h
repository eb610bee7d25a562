/* Flume's events as Avro encodes them: array<record{map<string> headers, bytes body}> (Avro 1.11 specification,
 * "Binary Encoding"). Finds where each event's headers and body lie; copies nothing. */
#ifndef LF_AVRO_EVENTS_H
#define LF_AVRO_EVENTS_H

#include <stdint.h>
#include <string.h>

#include "lf/status.h"
#include "lf/varint.h"

typedef struct {
    const uint8_t *headers; /* the map's blocks, its closing zero included */
    const uint8_t *body;
    int64_t headers_len;
    int64_t body_len;
} lf_avro_event;

/* A count of a block; a negative one is followed by the block's size in bytes, which readers may use to skip.
 * NULL when truncated. INT64_MIN has no positive twin and is refused. */
static inline const uint8_t *lf_avro_block(const uint8_t *p, const uint8_t *end, int64_t *count) {
    int64_t size;
    p = lf_get_varlong(p, end, count);
    if (!p) return NULL;
    if (*count < 0) {
        if (*count == INT64_MIN) return NULL;
        *count = -*count;
        p = lf_get_varlong(p, end, &size);
        if (!p || size < 0) return NULL;
    }
    return p;
}

/* Length-prefixed bytes (Avro's bytes and string): *at and *len; returns what follows, NULL when truncated. */
static inline const uint8_t *lf_avro_bytes(const uint8_t *p, const uint8_t *end, const uint8_t **at, int64_t *len) {
    p = lf_get_varlong(p, end, len);
    if (!p || *len < 0 || *len > end - p) return NULL;
    *at = p;
    return p + *len;
}

/* Behind a map of strings; NULL when truncated or malformed. */
static inline const uint8_t *lf_avro_skip_map(const uint8_t *p, const uint8_t *end) {
    int64_t count, len;
    const uint8_t *at;
    for (;;) {
        p = lf_avro_block(p, end, &count);
        if (!p) return NULL;
        if (count == 0) return p;
        if (count > (end - p) / 2) return NULL; /* an entry has two bytes at least */
        while (count-- > 0) {
            p = lf_avro_bytes(p, end, &at, &len);
            if (p) p = lf_avro_bytes(p, end, &at, &len);
            if (!p) return NULL;
        }
    }
}

/* One event; returns what follows it, NULL when truncated or malformed. */
static inline const uint8_t *lf_avro_event_at(const uint8_t *p, const uint8_t *end, lf_avro_event *out) {
    out->headers = p;
    p = lf_avro_skip_map(p, end);
    if (!p) return NULL;
    out->headers_len = p - out->headers;
    return lf_avro_bytes(p, end, &out->body, &out->body_len);
}

/* Counts the events of an array and the bytes of their bodies, checking all of it. Returns what follows the array,
 * NULL when it is truncated or malformed. */
static inline const uint8_t *lf_avro_measure(const uint8_t *p, const uint8_t *end, int64_t *events, int64_t *bytes) {
    lf_avro_event event;
    int64_t count;
    *events = *bytes = 0;
    for (;;) {
        p = lf_avro_block(p, end, &count);
        if (!p) return NULL;
        if (count == 0) return p;
        if (count > (end - p) / 2) return NULL; /* an event has two bytes at least */
        *events += count;
        while (count-- > 0) {
            p = lf_avro_event_at(p, end, &event);
            if (!p) return NULL;
            *bytes += event.body_len;
        }
    }
}

/* Copies the bodies of a measured array one behind the other, notes where each ends (offsets has one item more than
 * there are events) and where its headers lie. Returns whether all events have the same bytes as headers. */
static inline int lf_avro_fill(const uint8_t *p, const uint8_t *end, uint8_t *bodies, int64_t *offsets,
                               const uint8_t **headers) {
    lf_avro_event event;
    const uint8_t *first = NULL;
    int64_t count, first_len = 0, at = 0, i = 0;
    int same = 1;
    offsets[0] = 0;
    for (;;) {
        p = lf_avro_block(p, end, &count);
        if (!p || count == 0) return same;
        while (count-- > 0) {
            p = lf_avro_event_at(p, end, &event);
            if (!p) return same; /* cannot be: it was measured */
            memcpy(bodies + at, event.body, (size_t)event.body_len);
            at += event.body_len;
            headers[i++] = event.headers;
            offsets[i] = at;
            if (!first) {
                first = event.headers;
                first_len = event.headers_len;
            } else if (same) {
                same = event.headers_len == first_len && memcmp(event.headers, first, (size_t)first_len) == 0;
            }
        }
    }
}

#endif
