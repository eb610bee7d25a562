/* Taking a mutex that lies in shared memory. */
#ifndef LF_ROBUST_LOCK_H
#define LF_ROBUST_LOCK_H

#include <errno.h>
#include <pthread.h>
#include <time.h>

/* 0; EOWNERDEAD: it is held now, and who had it died; ETIMEDOUT after `seconds`, or another errno. */
static inline int lf_robust_lock(pthread_mutex_t *mutex, double seconds) {
    int rc = pthread_mutex_trylock(mutex);
    if (rc != EBUSY) return rc;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)seconds;
    until.tv_nsec += (long)((seconds - (double)(time_t)seconds) * 1e9);
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    return pthread_mutex_timedlock(mutex, &until);
}

#endif
