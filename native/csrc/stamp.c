#include "lf/stamp.h"

#if defined(__x86_64__)
#include <cpuid.h>

#define MEASURED_NS 10000000
#define MS_NS 1000000

/* A counter that neither stops nor follows the processor's frequency. */
static int counts_evenly(void) {
    unsigned a, b, c, d = 0;
    return __get_cpuid(0x80000007, &a, &b, &c, &d) && d >> 8 & 1;
}

static int64_t steady_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The cycles are read between the two times, so that an interruption makes the rate lower and never higher. */
static void measure(lf_stamp *s) {
    if (!s->first_cycles) {
        s->first_ns = steady_ns();
        s->first_cycles = __builtin_ia32_rdtsc();
        if (!counts_evenly()) s->rate = -1;
        return;
    }
    uint64_t cycles = __builtin_ia32_rdtsc() - s->first_cycles;
    int64_t ns = steady_ns() - s->first_ns;
    if (ns >= MEASURED_NS) s->rate = 0.99 * (double)cycles / (double)ns;
}

int64_t lf_stamp_read(lf_stamp *s) {
    struct timespec t;
    if (s->rate == 0) measure(s);
    uint64_t since = __builtin_ia32_rdtsc();
    clock_gettime(CLOCK_REALTIME, &t);
    s->ms = (int64_t)t.tv_sec * 1000 + t.tv_nsec / MS_NS;
    s->since = since;
    s->span = s->rate > 0 ? (uint64_t)((double)(MS_NS - t.tv_nsec % MS_NS) * s->rate) : 0;
    return s->ms;
}
#endif
