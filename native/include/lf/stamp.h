/* The wall clock for who asks for it millions of times a second (decision 016).
 *
 * Reading it takes 15 to 20 ns, a quarter of a send. Within one millisecond its answer is known: whoever has read it
 * knows how long it stays, and the processor's cycle counter tells in 7 ns whether that time has passed. The rate of
 * the counter is measured and taken 1 % too low, so that a millisecond ends early, never late. Only a clock that is
 * set meanwhile is noticed up to a millisecond later. */
#ifndef LF_STAMP_H
#define LF_STAMP_H

#include <stdint.h>

#include "lf/clock.h"

/* All zeroes at first. Not thread-safe: its owner has a lock. */
typedef struct lf_stamp {
    uint64_t since, span;       /* `ms` is right for `span` cycles from `since` on */
    int64_t ms;
    double rate;                /* cycles a nanosecond; 0 while it is not known, -1 when there is no such counter */
    uint64_t first_cycles;      /* where measuring the rate began; 0: not yet */
    int64_t first_ns;
} lf_stamp;

/* Milliseconds since 1970. */
#if defined(__x86_64__)
int64_t lf_stamp_read(lf_stamp *s);
static inline int64_t lf_stamp_ms(lf_stamp *s) {
    return __builtin_ia32_rdtsc() - s->since < s->span ? s->ms : lf_stamp_read(s);
}
#else
static inline int64_t lf_stamp_ms(lf_stamp *s) {
    (void)s;
    return lf_now_ms();
}
#endif

#endif
