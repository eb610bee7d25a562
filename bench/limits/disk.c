/* Durability: fdatasync on blocks that were written before, alone and shared by a group of threads. */
#include "limits.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "batch.h"

static int prewritten(const char *path, Py_ssize_t size) {
    int fd = open(path, O_RDWR | O_CREAT, 0644);
    static uint8_t zeros[1 << 20];
    for (Py_ssize_t at = 0; fd >= 0 && at < size; at += sizeof zeros)
        if (pwrite(fd, zeros, sizeof zeros, at) < 0) return -1;
    if (fd >= 0) fsync(fd);
    return fd;
}

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* sync_times(path, n, size) -> bytes of n int64: nanoseconds of pwrite(size bytes) and fdatasync. */
PyObject *sync_times(PyObject *self, PyObject *args) {
    (void)self;
    const char *path;
    Py_ssize_t n, size;
    if (!PyArg_ParseTuple(args, "snn", &path, &n, &size)) return NULL;
    int fd = open(path, O_RDWR), failed = 0;
    PyObject *out = PyBytes_FromStringAndSize(NULL, n * 8);
    uint8_t *block = calloc(1, (size_t)size);
    if (fd < 0 || out == NULL || block == NULL) return PyErr_SetFromErrnoWithFilename(PyExc_OSError, path);
    int64_t *times = (int64_t *)PyBytes_AS_STRING(out);
    off_t length = lseek(fd, 0, SEEK_END), at = 0;
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < n && !failed; i++) {
        int64_t began = now_ns();
        if (at + size > length) at = 0;
        memset(block, (int)i, (size_t)size);
        failed = pwrite(fd, block, (size_t)size, at) != size || fdatasync(fd);
        at += size;
        times[i] = now_ns() - began;
    }
    Py_END_ALLOW_THREADS
    close(fd);
    free(block);
    if (failed) return PyErr_SetFromErrno(PyExc_OSError);
    return out;
}

/* ---- group commit: every caller appends under a lock; one of them syncs for all that appended so far */

static struct {
    int fd, syncing;
    off_t at, length;
    int64_t appended, synced;
    pthread_mutex_t lock;
    pthread_cond_t done;
} group = {.lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};

/* group_open(path, bytes): makes a file whose blocks are written; with 0 bytes only opens it. */
PyObject *group_open(PyObject *self, PyObject *args) {
    (void)self;
    const char *path;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(args, "sn", &path, &size)) return NULL;
    group.fd = prewritten(path, size);
    if (group.fd < 0) return PyErr_SetFromErrnoWithFilename(PyExc_OSError, path);
    group.length = lseek(group.fd, 0, SEEK_END);
    group.at = 0;
    group.appended = group.synced = 0;
    group.syncing = 0;
    Py_RETURN_NONE;
}

static int group_wait(int64_t mine) {
    int failed = 0;
    while (group.synced < mine && !failed) {
        if (group.syncing) {
            pthread_cond_wait(&group.done, &group.lock);
            continue;
        }
        int64_t upto = group.appended;
        group.syncing = 1;
        pthread_mutex_unlock(&group.lock);
        failed = fdatasync(group.fd);
        pthread_mutex_lock(&group.lock);
        group.syncing = 0;
        if (!failed) group.synced = upto;
        pthread_cond_broadcast(&group.done);
    }
    return failed;
}

PyObject *group_append(PyObject *self, PyObject *value) {
    (void)self;
    uint8_t block[4096];
    size_t size = (size_t)PyBytes_GET_SIZE(value);
    int failed;
    if (size > sizeof block - HEADER - RECORD_MAX_EXTRA) return PyErr_Format(PyExc_ValueError, "too large");
    uint8_t *end = put_record(block + HEADER, (const uint8_t *)PyBytes_AS_STRING(value), (int64_t)size, 0);
    Py_BEGIN_ALLOW_THREADS
    pthread_mutex_lock(&group.lock);
    seal_batch(block, end, group.appended, 1, now_ms());
    if (group.at + (end - block) > group.length) group.at = 0;
    failed = pwrite(group.fd, block, (size_t)(end - block), group.at) < 0;
    group.at += end - block;
    failed = failed || group_wait(++group.appended);
    pthread_mutex_unlock(&group.lock);
    Py_END_ALLOW_THREADS
    if (failed) return PyErr_SetFromErrno(PyExc_OSError);
    Py_RETURN_NONE;
}

PyObject *group_close(PyObject *self, PyObject *args) {
    (void)self;
    (void)args;
    close(group.fd);
    Py_RETURN_NONE;
}
