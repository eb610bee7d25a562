/* The module `limits`: names of the functions that the other files define. */
#include "limits.h"

static PyMethodDef methods[] = {
    {"encode_list", encode_list, METH_VARARGS, NULL},
    {"encode_packed", encode_packed, METH_VARARGS, NULL},
    {"copy_packed", copy_packed, METH_VARARGS, NULL},
    {"send_open", send_open, METH_VARARGS, NULL},
    {"send_call", (PyCFunction)(void (*)(void))send_call, METH_FASTCALL, NULL},
    {"send_close", send_close, METH_NOARGS, NULL},
    {"append_open", append_open, METH_VARARGS, NULL},
    {"append_call", append_call, METH_O, NULL},
    {"append_close", append_close, METH_NOARGS, NULL},
    {"decode", decode, METH_VARARGS, NULL},
    {"read_open", read_open, METH_VARARGS, NULL},
    {"read_call", read_call, METH_O, NULL},
    {"read_first", read_first, METH_O, NULL},
    {"sync_times", sync_times, METH_VARARGS, NULL},
    {"group_open", group_open, METH_VARARGS, NULL},
    {"group_append", group_append, METH_O, NULL},
    {"group_close", group_close, METH_NOARGS, NULL},
    {"wakeup_times", wakeup_times, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "limits", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_limits(void) {
    PyObject *self = PyType_Ready(&ValuesType) < 0 ? NULL : PyModule_Create(&module);
    if (self != NULL && PyModule_AddObjectRef(self, "Values", (PyObject *)&ValuesType) < 0) Py_CLEAR(self);
    return self;
}
