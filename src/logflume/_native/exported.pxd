"""Read-only memory of some object as memoryviews and numpy arrays, without a copy."""


# The object stays alive as long as any of the views of its memory does. `format` as in the struct module.
cdef object memory_view(object owner, const void *base, Py_ssize_t n, Py_ssize_t itemsize, const char *format)
cdef object numpy_array(object owner, const void *base, Py_ssize_t n, Py_ssize_t itemsize, const char *format)
