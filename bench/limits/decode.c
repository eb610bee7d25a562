/* Reading: every batch's checksum is checked, every record's place is found. */
#include "limits.h"

#include "batch.h"

enum { ROWS = 100000 };

typedef struct {
    int64_t offset, timestamp;
    uint32_t at, size;
} Row;

static Row rows[ROWS];

/* Skips to the value of the record at `p`: its size in *size (-1 for null), the next record in *next. */
static inline const uint8_t *value_of(const uint8_t *p, int64_t *time_delta, int64_t *delta, int64_t *size, const uint8_t **next) {
    int64_t body, key;
    p = get_varint(p, &body);
    *next = p + body;
    p = get_varint(p + 1, time_delta);
    p = get_varint(p, delta);
    p = get_varint(p, &key);
    if (key > 0) p += key;
    return get_varint(p, size);
}

static int batch_good(const uint8_t *batch, const uint8_t *end) {
    if (end - batch < HEADER) return 0;
    int64_t size = (int64_t)get32(batch + 8) + OVERHEAD;
    if (size < HEADER || size > end - batch) return 0;
    return get32(batch + 17) == ~crc32_iscsi((unsigned char *)batch + CRC_FROM, (int)(size - CRC_FROM), 0xffffffffu);
}

/* decode(log: buffer) -> records: bounds reading as columns. The rows are overwritten every 100,000. */
PyObject *decode(PyObject *self, PyObject *args) {
    (void)self;
    Py_buffer log;
    int64_t total = 0;
    if (!PyArg_ParseTuple(args, "y*", &log)) return NULL;
    const uint8_t *batch = log.buf, *end = batch + log.len;
    Py_BEGIN_ALLOW_THREADS
    while (batch_good(batch, end)) {
        int64_t base = (int64_t)get64(batch), time = (int64_t)get64(batch + 27), delta, time_delta, size;
        const uint8_t *p = batch + HEADER;
        for (uint32_t i = 0, n = get32(batch + 57); i < n; i++) {
            const uint8_t *value = value_of(p, &time_delta, &delta, &size, &p);
            rows[total++ % ROWS] = (Row){base + delta, time + time_delta, (uint32_t)(value - batch), (uint32_t)size};
        }
        batch += get32(batch + 8) + OVERHEAD;
    }
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&log);
    return PyLong_FromLongLong(total);
}

/* ---- Values(log): an iterator of bytes: bounds `for record in consumer` */

typedef struct {
    PyObject_HEAD
    Py_buffer log;
    const uint8_t *batch, *record;
    uint32_t left;
} Values;

static PyObject *values_new(PyTypeObject *type, PyObject *args, PyObject *named) {
    (void)named;
    Values *self = (Values *)type->tp_alloc(type, 0);
    if (self != NULL && !PyArg_ParseTuple(args, "y*", &self->log)) {
        Py_DECREF(self);
        return NULL;
    }
    if (self != NULL) self->batch = self->log.buf;
    return (PyObject *)self;
}

static void values_free(PyObject *object) {
    if (((Values *)object)->log.obj != NULL) PyBuffer_Release(&((Values *)object)->log);
    Py_TYPE(object)->tp_free(object);
}

static PyObject *values_next(PyObject *object) {
    Values *self = (Values *)object;
    const uint8_t *end = (const uint8_t *)self->log.buf + self->log.len;
    int64_t time_delta, delta, size;
    if (!self->left) {
        if (self->record != NULL) self->batch += get32(self->batch + 8) + OVERHEAD;
        if (!batch_good(self->batch, end)) return NULL;
        self->record = self->batch + HEADER;
        self->left = get32(self->batch + 57);
    }
    self->left--;
    const uint8_t *value = value_of(self->record, &time_delta, &delta, &size, &self->record);
    return PyBytes_FromStringAndSize((const char *)value, size);
}

PyTypeObject ValuesType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "limits.Values",
    .tp_basicsize = sizeof(Values),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = values_new,
    .tp_dealloc = values_free,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = values_next,
};

/* ---- read_call(offset) -> bytes: a sparse index (an entry every 4 KiB or batch) and a walk from there */

typedef struct {
    int64_t offset;
    const uint8_t *record, *batch;
} Entry;

static struct {
    Py_buffer log;
    Entry *entries;
    int64_t n;
} index_;

/* read_open(log: buffer): builds the index, untimed. */
PyObject *read_open(PyObject *self, PyObject *args) {
    (void)self;
    if (index_.entries != NULL) PyBuffer_Release(&index_.log);
    free(index_.entries);
    index_.n = 0;
    index_.entries = NULL;
    if (!PyArg_ParseTuple(args, "y*", &index_.log)) return NULL;
    const uint8_t *batch = index_.log.buf, *end = batch + index_.log.len;
    index_.entries = malloc(((size_t)index_.log.len / 4096 + 2) * 2 * sizeof(Entry));
    if (index_.entries == NULL) return PyErr_NoMemory();
    while (batch_good(batch, end)) {
        const uint8_t *p = batch + HEADER, *last = batch - 4096;
        int64_t time_delta, delta, size;
        for (uint32_t i = 0, n = get32(batch + 57); i < n; i++) {
            const uint8_t *record = p;
            value_of(record, &time_delta, &delta, &size, &p);
            if (record - last < 4096) continue;
            index_.entries[index_.n++] = (Entry){(int64_t)get64(batch) + delta, record, batch};
            last = record;
        }
        batch += get32(batch + 8) + OVERHEAD;
    }
    Py_RETURN_NONE;
}

/* The last entry at or before `wanted`. */
static const Entry *entry_of(int64_t wanted) {
    int64_t low = 0, high = index_.n;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (index_.entries[middle].offset <= wanted) low = middle + 1;
        else high = middle;
    }
    if (!low) PyErr_SetString(PyExc_IndexError, "no such offset");
    return low ? &index_.entries[low - 1] : NULL;
}

static PyObject *walk(const uint8_t *p, int64_t offset, int64_t wanted) {
    const uint8_t *value = NULL;
    int64_t time_delta, delta, size = 0;
    for (; offset <= wanted; offset++) value = value_of(p, &time_delta, &delta, &size, &p);
    return PyBytes_FromStringAndSize((const char *)value, size);
}

PyObject *read_call(PyObject *self, PyObject *number) {
    (void)self;
    int64_t wanted = PyLong_AsLongLong(number);
    if (wanted == -1 && PyErr_Occurred()) return NULL;
    const Entry *e = entry_of(wanted);
    return e == NULL ? NULL : walk(e->record, e->offset, wanted);
}

/* read_first(offset) -> bytes: bounds the first look-up in a batch: it is summed, and walked from its first record. */
PyObject *read_first(PyObject *self, PyObject *number) {
    (void)self;
    int64_t wanted = PyLong_AsLongLong(number);
    if (wanted == -1 && PyErr_Occurred()) return NULL;
    const Entry *e = entry_of(wanted);
    if (e == NULL) return NULL;
    if (!batch_good(e->batch, (const uint8_t *)index_.log.buf + index_.log.len)) return PyErr_Format(PyExc_ValueError, "damaged");
    return walk(e->batch + HEADER, (int64_t)get64(e->batch), wanted);
}
