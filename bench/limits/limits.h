/* The functions of the module, by file. Each says in its comment what it bounds. */
#ifndef LIMITS_H
#define LIMITS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* encode.c */
PyObject *encode_list(PyObject *self, PyObject *args);
PyObject *encode_packed(PyObject *self, PyObject *args);
PyObject *copy_packed(PyObject *self, PyObject *args);
/* percall.c */
PyObject *send_open(PyObject *self, PyObject *args);
PyObject *send_call(PyObject *self, PyObject *const *args, Py_ssize_t n);
PyObject *send_close(PyObject *self, PyObject *args);
PyObject *append_open(PyObject *self, PyObject *args);
PyObject *append_call(PyObject *self, PyObject *value);
PyObject *append_close(PyObject *self, PyObject *args);
/* decode.c */
PyObject *decode(PyObject *self, PyObject *args);
PyObject *read_open(PyObject *self, PyObject *args);
PyObject *read_call(PyObject *self, PyObject *offset);
PyObject *read_first(PyObject *self, PyObject *offset);
extern PyTypeObject ValuesType;
/* disk.c */
PyObject *sync_times(PyObject *self, PyObject *args);
PyObject *group_open(PyObject *self, PyObject *args);
PyObject *group_append(PyObject *self, PyObject *value);
PyObject *group_close(PyObject *self, PyObject *args);
/* wakeup.c */
PyObject *wakeup_times(PyObject *self, PyObject *args);

#endif
