"""The shape of a protocol message: where its lengths and counts stand, so that they can be held against the bytes.

A message is walked by its shape before anything is made of it. (kio, which makes it, reserves memory for as many items
as a count claims, and ends the process when there is not so much.)
"""

from libc.stdint cimport int32_t, int64_t, uint32_t

cimport cython

from logflume._native.frames cimport Frame
from logflume._native.wire cimport *

__all__ = ["Shape"]

cdef extern from "lf/wire.h" nogil:
    int64_t lf_wire_length(lf_wire *w, int fixed_bytes)

cdef enum Kind:
    FIXED           # `size` bytes
    STRING
    BLOB
    ARRAY           # of `inner`, or null
    ITEMS           # the same, but never null
    NULLABLE        # a byte, and `inner` unless it is negative
    STRUCT          # `inner`
    TAGS            # `tagged`: shapes of those that are known

_KINDS = {"fixed": FIXED, "string": STRING, "blob": BLOB, "array": ARRAY, "items": ITEMS, "nullable": NULLABLE,
          "struct": STRUCT, "tags": TAGS}


@cython.final
@cython.internal
cdef class _Step:
    cdef Kind kind
    cdef int size
    cdef Shape inner
    cdef dict tagged


cdef int least(_Step step, bint flexible) noexcept:
    """The fewest bytes that a step can take."""
    if step.kind == FIXED:
        return step.size
    if step.kind == STRING:
        return 1 if flexible else 2
    if step.kind == BLOB or step.kind == ARRAY or step.kind == ITEMS:
        return 1 if flexible else 4
    return step.inner.least if step.kind == STRUCT else 1


@cython.final
cdef class Shape:
    """A structure: its fields in order. Immutable.

    Parameters: `flexible`, which form lengths have; `steps`, pairs of a kind and what belongs to it: ("fixed", bytes),
    ("string", None), ("blob", None), ("array", Shape), ("items", Shape) for one that is never null, ("nullable", Shape),
    ("struct", Shape), ("tags", {tag: Shape}).
    """

    def __init__(self, bint flexible, list steps):
        cdef _Step step
        self.flexible = flexible
        self.steps = []
        for kind, belonging in steps:
            step = _Step.__new__(_Step)
            step.kind = _KINDS[kind]
            if step.kind == FIXED:
                step.size = belonging
            elif step.kind == TAGS:
                step.tagged = belonging
            else:
                step.inner = belonging
            self.steps.append(step)
            self.least += least(step, flexible)

    def fits(self, Frame frame):
        """bool: the frame's body begins with a message of this shape.

        Bytes behind it are left alone, as Kafka does: librdkafka sends three with a Metadata request of all topics.
        """
        cdef lf_wire w
        w.p = frame.data + frame.body_at
        w.end = frame.data + frame.size
        w.flexible = self.flexible
        w.bad = False
        self.walk(&w)
        return not w.bad

    cdef void walk(self, lf_wire *w) noexcept:
        cdef _Step step
        cdef int32_t n = 0, _i
        cdef lf_wire ahead
        for item in self.steps:
            step = <_Step>item
            if step.kind == FIXED:
                lf_wire_take(w, step.size)
            elif step.kind == STRING:
                lf_wire_blob(w, 2, &n)
            elif step.kind == BLOB:
                lf_wire_blob(w, 4, &n)
            elif step.kind == ARRAY or step.kind == ITEMS:
                if step.kind == ITEMS:
                    ahead = w[0]
                    if lf_wire_length(&ahead, 4) < 0:
                        w.bad = True
                        return
                for _i in range(lf_wire_count(w, max(step.inner.least, 1))):
                    step.inner.walk(w)
                    if w.bad:
                        return
            elif step.kind == NULLABLE:
                if lf_wire_i8(w) >= 0:
                    step.inner.walk(w)
            elif step.kind == STRUCT:
                step.inner.walk(w)
            else:
                self._walk_tags(w, step.tagged)
            if w.bad:
                return

    cdef void _walk_tags(self, lf_wire *w, dict tagged) noexcept:
        cdef uint32_t left = lf_wire_uvarint(w), tag
        cdef lf_wire inside
        while left and not w.bad:
            left -= 1
            tag = lf_wire_uvarint(w)
            inside.flexible = w.flexible
            inside.bad = False
            inside.p = lf_wire_take(w, <int64_t>lf_wire_uvarint(w))
            inside.end = w.p
            if inside.p != NULL and tag in tagged:
                (<Shape>tagged[tag]).walk(&inside)
                w.bad = w.bad or inside.bad or inside.p != inside.end
