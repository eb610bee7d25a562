/* Latency between two processes: a word in shared memory, seen by spinning or by a futex. */
#include "limits.h"

#include <linux/futex.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef struct {
    uint32_t published, waiters;
    int64_t sent_ns[1024];
} Shared;

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Waits as bench/programs/ticker.py does, mostly awake: behind a writer that sleeps, the kernel wakes the reader on the
 * writer's processor, for a tenth of what it costs to wake another. */
static void wait_until(int64_t due) {
    static const struct timespec nap = {0, 20000};
    for (int64_t now; (now = now_ns()) < due;)
        if (due - now > 90000) nanosleep(&nap, NULL);
}

static void write_all(Shared *s, uint32_t n, int64_t interval_ns) {
    int64_t due = now_ns();
    for (uint32_t i = 0; i < n; i++) {
        due += interval_ns;
        wait_until(due);
        s->sent_ns[i % 1024] = now_ns();
        __atomic_store_n(&s->published, i + 1, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&s->waiters, __ATOMIC_SEQ_CST)) syscall(SYS_futex, &s->published, FUTEX_WAKE, 1, NULL, NULL, 0);
    }
    _exit(0);
}

static void read_all(Shared *s, uint32_t n, int spin, int64_t *times) {
    for (uint32_t seen = 0; seen < n;) {
        uint32_t published = __atomic_load_n(&s->published, __ATOMIC_SEQ_CST);
        if (published == seen && !spin) {
            struct timespec most = {1, 0};
            __atomic_store_n(&s->waiters, 1, __ATOMIC_SEQ_CST);
            syscall(SYS_futex, &s->published, FUTEX_WAIT, seen, &most, NULL, 0);
            __atomic_store_n(&s->waiters, 0, __ATOMIC_SEQ_CST);
            continue;
        }
        for (; seen < published; seen++) times[seen] = now_ns() - s->sent_ns[seen % 1024];
    }
}

/* wakeup_times(n, interval_ns, spin) -> bytes of n int64: nanoseconds from store to sight. */
PyObject *wakeup_times(PyObject *self, PyObject *args) {
    (void)self;
    unsigned int n;
    long long interval_ns;
    int spin;
    if (!PyArg_ParseTuple(args, "ILp", &n, &interval_ns, &spin)) return NULL;
    PyObject *out = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)n * 8);
    Shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (out == NULL || s == MAP_FAILED) return PyErr_NoMemory();
    pid_t child = fork();
    if (child < 0) return PyErr_SetFromErrno(PyExc_OSError);
    if (child == 0) write_all(s, n, interval_ns);
    Py_BEGIN_ALLOW_THREADS
    read_all(s, n, spin, (int64_t *)PyBytes_AS_STRING(out));
    waitpid(child, NULL, 0);
    Py_END_ALLOW_THREADS
    munmap(s, sizeof *s);
    return out;
}
