/* Delivery reports: whose they are, told by the opaque pointer that each message carries. */
#ifndef LF_RDKAFKA_SETTLE_H
#define LF_RDKAFKA_SETTLE_H

#include <stdatomic.h>

#include "lf/rdkafka.h"

/* Messages of one call that nobody asks for one by one. Counted: each message on its way, and whoever waits. */
typedef struct lf_rd_group {
    _Atomic int64_t open;
    _Atomic int64_t failed;
    _Atomic int error;          /* of the first that failed */
    _Atomic int64_t first;      /* lowest offset reported; -1: none known */
} lf_rd_group;

/* The report of a message that is an object of its own. */
typedef struct lf_rd_report {
    void *whose;
    int err;
    int32_t partition;
    int64_t offset;
    int64_t timestamp;
} lf_rd_report;

lf_rd_group *lf_rd_group_new(void);
/* The opaque pointer of a group's messages. */
void *lf_rd_group_tag(lf_rd_group *group);
/* `n` more messages on their way, or (negative) that many that will not be reported, or the waiter's own 1. */
void lf_rd_group_add(lf_rd_group *group, int64_t n);
/* True when only the waiter is left. */
int lf_rd_group_done(lf_rd_group *group);
int lf_rd_group_error(lf_rd_group *group);
int64_t lf_rd_group_first(lf_rd_group *group);
/* Takes reports out of an event: those of groups are counted, up to `cap` others are given. How many. */
int32_t lf_rd_settle(const lf_rd_api *api, rd_kafka_event_t *event, lf_rd_report *out, int32_t cap);

#endif
