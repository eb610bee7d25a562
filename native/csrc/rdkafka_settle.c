#include "lf/rdkafka_settle.h"

#include <stdlib.h>

#define GROUP_BIT ((uintptr_t)1)

lf_rd_group *lf_rd_group_new(void) {
    lf_rd_group *group = (lf_rd_group *)malloc(sizeof *group);
    if (!group) return NULL;
    atomic_init(&group->open, 1);
    atomic_init(&group->failed, 0);
    atomic_init(&group->error, 0);
    atomic_init(&group->first, -1);
    return group;
}

void *lf_rd_group_tag(lf_rd_group *group) { return (void *)((uintptr_t)group | GROUP_BIT); }

void lf_rd_group_add(lf_rd_group *group, int64_t n) {
    if (atomic_fetch_add(&group->open, n) == -n) free(group);
}

int lf_rd_group_done(lf_rd_group *group) { return atomic_load(&group->open) == 1; }

int lf_rd_group_error(lf_rd_group *group) { return atomic_load(&group->error); }

int64_t lf_rd_group_first(lf_rd_group *group) { return atomic_load(&group->first); }

/* Only one thread takes reports out of events, so that nobody else writes `first`. */
static void count(lf_rd_group *group, const rd_kafka_message_t *m) {
    int64_t first = atomic_load(&group->first);
    if (m->err) {
        if (!atomic_fetch_add(&group->failed, 1)) atomic_store(&group->error, m->err);
    } else if (m->offset >= 0 && (first < 0 || m->offset < first)) {
        atomic_store(&group->first, m->offset);
    }
    lf_rd_group_add(group, -1);
}

int32_t lf_rd_settle(const lf_rd_api *api, rd_kafka_event_t *event, lf_rd_report *out, int32_t cap) {
    const rd_kafka_message_t *m;
    int32_t n = 0;
    while (n < cap && (m = api->event_message_next(event))) {
        int kind;
        if ((uintptr_t)m->_private & GROUP_BIT) {
            count((lf_rd_group *)((uintptr_t)m->_private & ~GROUP_BIT), m);
        } else if (m->_private) {
            out[n++] = (lf_rd_report){m->_private, m->err, m->partition, m->offset, api->message_timestamp(m, &kind)};
        }
    }
    return n;
}
