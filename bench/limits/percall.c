/* One C function called from CPython for each record: bounds Producer.send and Partition.append. */
#include "limits.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "batch.h"

/* ---- send: into a batch in memory, written when 64 KiB are full */

static struct {
    int fd;
    uint8_t *buffer, *at;
    int64_t base_offset, time_ms;
    int32_t count;
} out;

static int send_flush(void) {
    if (!out.count) return 1;
    seal_batch(out.buffer, out.at, out.base_offset, out.count, out.time_ms);
    out.base_offset += out.count;
    ssize_t size = out.at - out.buffer;
    out.count = 0;
    out.at = out.buffer + HEADER;
    return out.fd < 0 || write(out.fd, out.buffer, (size_t)size) == size;
}

/* send_open(fd); fd -1: nothing is written. */
PyObject *send_open(PyObject *self, PyObject *args) {
    (void)self;
    if (!PyArg_ParseTuple(args, "i", &out.fd)) return NULL;
    if (out.buffer == NULL) out.buffer = malloc(BATCH_BYTES + (1 << 20));
    if (out.buffer == NULL) return PyErr_NoMemory();
    out.at = out.buffer + HEADER;
    out.base_offset = out.count = 0;
    Py_RETURN_NONE;
}

/* The clock that a record is stamped with: the coarse one lags by up to 4 ms. */
static inline int64_t exact_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* send_call(topic, value) -> offset */
PyObject *send_call(PyObject *self, PyObject *const *args, Py_ssize_t n) {
    (void)self;
    if (n != 2 || !PyUnicode_CheckExact(args[0]) || !PyBytes_CheckExact(args[1]))
        return PyErr_Format(PyExc_TypeError, "send_call(topic: str, value: bytes)");
    int64_t time_ms = exact_ms(), offset = out.base_offset + out.count;
    if (!out.count) out.time_ms = time_ms;
    out.at = put_record(out.at, (const uint8_t *)PyBytes_AS_STRING(args[1]), PyBytes_GET_SIZE(args[1]), out.count++);
    if (out.at - out.buffer >= BATCH_BYTES && !send_flush()) return PyErr_SetFromErrno(PyExc_OSError);
    return PyLong_FromLongLong(offset);
}

PyObject *send_close(PyObject *self, PyObject *args) {
    (void)self;
    (void)args;
    if (!send_flush()) return PyErr_SetFromErrno(PyExc_OSError);
    Py_RETURN_NONE;
}

/* ---- append: a whole batch of one record into a mapped file whose pages were written before */

static struct {
    uint8_t *map, *at;
    size_t size;
    int64_t offset;
} mapped;

/* append_open(path, bytes): makes the file, writes every page and maps it. */
PyObject *append_open(PyObject *self, PyObject *args) {
    (void)self;
    const char *path;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(args, "sn", &path, &size)) return NULL;
    int fd = open(path, O_RDWR | O_CREAT, 0644);
    if (fd < 0 || posix_fallocate(fd, 0, size)) return PyErr_SetFromErrnoWithFilename(PyExc_OSError, path);
    mapped.map = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    close(fd);
    if (mapped.map == MAP_FAILED) return PyErr_SetFromErrnoWithFilename(PyExc_OSError, path);
    memset(mapped.map, 0, (size_t)size);
    mapped.at = mapped.map;
    mapped.size = (size_t)size;
    mapped.offset = 0;
    Py_RETURN_NONE;
}

/* append_call(value) -> offset */
PyObject *append_call(PyObject *self, PyObject *value) {
    (void)self;
    Py_ssize_t size = PyBytes_GET_SIZE(value);
    if ((size_t)(mapped.at - mapped.map) + (size_t)size + HEADER + RECORD_MAX_EXTRA > mapped.size) mapped.at = mapped.map;
    uint8_t *end = put_record(mapped.at + HEADER, (const uint8_t *)PyBytes_AS_STRING(value), size, 0);
    seal_batch(mapped.at, end, mapped.offset, 1, exact_ms());
    mapped.at = end;
    return PyLong_FromLongLong(__atomic_fetch_add(&mapped.offset, 1, __ATOMIC_RELEASE));
}

PyObject *append_close(PyObject *self, PyObject *args) {
    (void)self;
    (void)args;
    munmap(mapped.map, mapped.size);
    Py_RETURN_NONE;
}
