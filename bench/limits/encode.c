/* Many records at once: batches of 64 KiB in a 256 KiB buffer, which is written when full (fd >= 0) or begun
 * again (fd -1: the encoding alone, in RAM that stays in the cache). */
#include "limits.h"

#include <unistd.h>

#include "batch.h"

enum { BUFFER_BYTES = 256 << 10, VALUE_BYTES_MAX = 1 << 20 };

typedef struct {
    int fd;
    uint8_t *buffer, *batch, *at;
    int64_t base_offset;
    int32_t count;
    int64_t time_ms;
    int failed;
} Writer;

static int writer_open(Writer *w, int fd) {
    memset(w, 0, sizeof *w);
    w->fd = fd;
    w->buffer = malloc(BUFFER_BYTES + VALUE_BYTES_MAX + 2 * BATCH_BYTES);
    w->batch = w->buffer;
    w->at = w->buffer + HEADER;
    w->time_ms = now_ms();
    return w->buffer != NULL;
}

static void writer_drain(Writer *w) {
    uint8_t *from = w->buffer;
    while (w->fd >= 0 && from < w->batch) {
        ssize_t n = write(w->fd, from, (size_t)(w->batch - from));
        if (n < 0) {
            w->failed = 1;
            break;
        }
        from += n;
    }
    w->batch = w->buffer;
    w->at = w->buffer + HEADER;
}

static void writer_seal(Writer *w) {
    if (!w->count) return;
    seal_batch(w->batch, w->at, w->base_offset, w->count, w->time_ms);
    w->base_offset += w->count;
    w->count = 0;
    w->batch = w->at;
    w->at += HEADER;
    if (w->batch - w->buffer >= BUFFER_BYTES) writer_drain(w);
}

static inline void writer_put(Writer *w, const uint8_t *value, int64_t size) {
    w->at = put_record(w->at, value, size, w->count++);
    if (w->at - w->batch >= BATCH_BYTES) writer_seal(w);
}

static PyObject *writer_close(Writer *w) {
    writer_seal(w);
    writer_drain(w);
    free(w->buffer);
    if (w->failed) return PyErr_SetFromErrno(PyExc_OSError);
    return PyLong_FromLongLong(w->base_offset);
}

/* encode_list(values: list[bytes], fd) -> records: bounds send_many(list). */
PyObject *encode_list(PyObject *self, PyObject *args) {
    (void)self;
    PyObject *list;
    int fd;
    Writer w;
    if (!PyArg_ParseTuple(args, "O!i", &PyList_Type, &list, &fd)) return NULL;
    if (!writer_open(&w, fd)) return PyErr_NoMemory();
    for (Py_ssize_t i = 0, n = PyList_GET_SIZE(list); i < n; i++) {
        PyObject *value = PyList_GET_ITEM(list, i);
        if (!PyBytes_CheckExact(value) || PyBytes_GET_SIZE(value) > VALUE_BYTES_MAX) {
            free(w.buffer);
            return PyErr_Format(PyExc_TypeError, "bytes of at most 1 MiB are needed");
        }
        writer_put(&w, (const uint8_t *)PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value));
    }
    return writer_close(&w);
}

/* encode_packed(data, offsets: int64[], fd) -> records: bounds columns. */
PyObject *encode_packed(PyObject *self, PyObject *args) {
    (void)self;
    Py_buffer data, offsets;
    int fd;
    Writer w;
    if (!PyArg_ParseTuple(args, "y*y*i", &data, &offsets, &fd)) return NULL;
    if (!writer_open(&w, fd)) return PyErr_NoMemory();
    const int64_t *at = offsets.buf;
    Py_ssize_t n = offsets.len / 8 - 1;
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < n; i++) writer_put(&w, (const uint8_t *)data.buf + at[i], at[i + 1] - at[i]);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&data);
    PyBuffer_Release(&offsets);
    return writer_close(&w);
}

/* copy_packed(data, offsets: int64[], fd): an 8-byte header and the bytes of each record, no checksum: memcpy with
 * records in it; with a file, the `c-write` of performance.md. */
PyObject *copy_packed(PyObject *self, PyObject *args) {
    (void)self;
    Py_buffer data, offsets;
    int fd, failed = 0;
    if (!PyArg_ParseTuple(args, "y*y*i", &data, &offsets, &fd)) return NULL;
    const int64_t *at = offsets.buf;
    Py_ssize_t n = offsets.len / 8 - 1;
    uint8_t *buffer = malloc(BUFFER_BYTES + VALUE_BYTES_MAX + 8), *to = buffer;
    if (buffer == NULL) return PyErr_NoMemory();
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < n && !failed; i++) {
        int64_t size = at[i + 1] - at[i];
        memcpy(to, &size, 8);
        memcpy(to + 8, (const uint8_t *)data.buf + at[i], (size_t)size);
        to += 8 + size;
        if (to - buffer < BUFFER_BYTES && i + 1 < n) continue;
        if (fd >= 0) failed = write(fd, buffer, (size_t)(to - buffer)) != to - buffer;
        to = buffer;
    }
    Py_END_ALLOW_THREADS
    free(buffer);
    PyBuffer_Release(&data);
    PyBuffer_Release(&offsets);
    if (failed) return PyErr_SetFromErrno(PyExc_OSError);
    return PyLong_FromSsize_t(n);
}
