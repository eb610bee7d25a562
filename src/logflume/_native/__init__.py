"""The native core. Buffers and integers enter; status codes, views or native objects leave.

One module per noun, each with its .pxd (others may cimport it) and .pyi; the sources lie in native/.
Knows no logging, no configuration, and starts no threads of its own.
"""
