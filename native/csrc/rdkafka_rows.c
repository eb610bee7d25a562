#include "lf/rdkafka_rows.h"

#include <string.h>

#include "lf/varint.h"

#define RUN_BYTES_MAX ((size_t)1 << 30)     /* positions in a part have 32 bits */

/* Bytes of the headers with their count; written to `to` unless that is NULL. */
static size_t put_headers(const lf_rd_api *api, const rd_kafka_message_t *m, uint8_t *to) {
    rd_kafka_headers_t *headers;
    const char *name;
    const void *value;
    size_t length, count = 0, size, name_length;
    if (api->message_headers(m, &headers)) {
        if (to) *to = 0;
        return 1;
    }
    while (!api->header_get_all(headers, count, &name, &value, &length)) count++;
    size = (size_t)lf_varint_size((int64_t)count);
    if (to) to = lf_put_varint(to, (int64_t)count);
    for (size_t i = 0; i < count; i++) {
        api->header_get_all(headers, i, &name, &value, &length);
        name_length = strlen(name);
        size += (size_t)lf_varint_size((int64_t)name_length) + name_length;
        size += (size_t)lf_varint_size(value ? (int64_t)length : -1) + (value ? length : 0);
        if (!to) continue;
        to = lf_put_varint(to, (int64_t)name_length);
        memcpy(to, name, name_length);
        to = lf_put_varint(to + name_length, value ? (int64_t)length : -1);
        if (value) {
            memcpy(to, value, length);
            to += length;
        }
    }
    return size;
}

static size_t plain_size(const rd_kafka_message_t *m) {
    return (m->payload ? m->len : 0) + (m->key ? m->key_len : 0);
}

size_t lf_rd_rows_size(const lf_rd_api *api, rd_kafka_message_t **messages, int32_t n) {
    size_t size = 0;
    for (int32_t i = 0; i < n; i++)
        if (!messages[i]->err) size += plain_size(messages[i]) + put_headers(api, messages[i], NULL);
    return size;
}

int32_t lf_rd_run_end(rd_kafka_message_t **messages, int32_t first, int32_t n) {
    const rd_kafka_message_t *m = messages[first];
    size_t size = plain_size(m);
    int32_t i = first + 1;
    for (; i < n; i++) {
        if (messages[i]->err || messages[i]->rkt != m->rkt || messages[i]->partition != m->partition) break;
        size += plain_size(messages[i]);
        if (size > RUN_BYTES_MAX) break;
    }
    return i;
}

uint8_t *lf_rd_rows_put(const lf_rd_api *api, rd_kafka_message_t **messages, int32_t first, int32_t end, lf_columns *c,
                        uint8_t *to) {
    const uint8_t *base = to;
    for (int32_t i = first; i < end; i++) {
        const rd_kafka_message_t *m = messages[i];
        int32_t row = c->n++;
        int kind;
        c->offsets[row] = m->offset;
        c->timestamps[row] = api->message_timestamp(m, &kind);
        c->key_at[row] = (uint32_t)(to - base);
        c->key_len[row] = m->key ? (int32_t)m->key_len : -1;
        if (m->key) {
            memcpy(to, m->key, m->key_len);
            to += m->key_len;
        }
        c->value_at[row] = (uint32_t)(to - base);
        c->value_len[row] = m->payload ? (int32_t)m->len : -1;
        if (m->payload) {
            memcpy(to, m->payload, m->len);
            to += m->len;
        }
        to += put_headers(api, m, to);
    }
    return to;
}
