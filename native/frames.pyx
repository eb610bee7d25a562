"""Requests out of a byte stream: size-prefixed frames, each in memory of its own, and the head that all have.

Nothing is trusted: a frame's size is held against the cap before anything is allocated, and what all connections
of a broker hold together is held against the budget of their FrameMemory. A large frame is received straight into
its own memory; small ones are copied out of a buffer that the connections of one event loop share.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memmove
from posix.mman cimport MAP_ANONYMOUS, MAP_FAILED, MAP_PRIVATE, PROT_READ, PROT_WRITE, mmap, munmap

cimport cython

from logflume._native.core cimport lf_get16, lf_get32
from logflume._native.wire cimport lf_wire, lf_wire_blob, lf_wire_tags

__all__ = ["Frame", "FrameFault", "FrameMemory", "FrameReader"]

# api key, version, correlation id, and the length of the client's name.
cdef int HEAD_BYTES_MIN = 10
# A frame of which at least this much is still to come is received in place.
cdef Py_ssize_t IN_PLACE_FROM = 16 * 1024
# Memory of frames from this size on is used again; so much of it is kept for frames to come. It comes from the kernel
# and goes back there: an allocator that has seen large frames come and go keeps a hundred megabytes for good.
cdef Py_ssize_t AGAIN_FROM = 64 * 1024
cdef Py_ssize_t KEPT_BYTES_MAX = 8 << 20


cdef Py_ssize_t room_of(Py_ssize_t size) noexcept:
    """Bytes that a frame takes: of large ones a few sizes only, so that one's memory fits the next. A fifth is lost at most."""
    cdef Py_ssize_t step = AGAIN_FROM // 4
    if size < AGAIN_FROM:
        return size
    while step * 8 <= size:
        step *= 2
    return (size + step - 1) // step * step


cdef uint8_t *allocated(Py_ssize_t room) noexcept:
    """Memory for a frame; NULL: there is none."""
    cdef void *found
    if room < AGAIN_FROM:
        return <uint8_t *>malloc(room)
    found = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    return NULL if found == MAP_FAILED else <uint8_t *>found


cdef void let_go(uint8_t *data, Py_ssize_t room) noexcept:
    if room < AGAIN_FROM:
        free(data)
    else:
        munmap(data, room)


class FrameFault(Exception):
    """The bytes are no frame that this broker takes; the connection has to go."""


@cython.final
cdef class FrameMemory:
    """What the frames of all connections may hold, and the buffer in which an event loop receives.

    Parameters: `receive_bytes` of the shared buffer; `limit` in bytes on all frames that are received or being
    served. One frame is always let through, so that a limit below the largest frame stops nobody for good.
    Belongs to one event loop.
    """

    def __cinit__(self, Py_ssize_t receive_bytes=256 * 1024, int64_t limit=1 << 30):
        if receive_bytes < 64:
            raise ValueError("receive_bytes must be 64 or more")
        self.receive = <uint8_t *>malloc(receive_bytes)
        if self.receive == NULL:
            raise MemoryError
        self.receive_bytes = receive_bytes
        self.limit = limit
        self.waiting = []

    def __dealloc__(self):
        cdef int i
        free(self.receive)
        for i in range(self.n_kept):
            let_go(self.kept[i].data, self.kept[i].size)

    cdef uint8_t *take(self, Py_ssize_t room) noexcept:
        """Memory for a frame, kept or new; NULL: there is none.

        A page that is touched for the first time costs more than receiving into it, checking it and writing it to a
        segment do. The last one first: the processor may still have it in its cache.
        """
        cdef int i
        cdef uint8_t *found
        for i in range(self.n_kept - 1, -1, -1):
            if self.kept[i].size == room:
                found = self.kept[i].data
                self._forget(i)
                return found
        return allocated(room)

    cdef void keep(self, uint8_t *data, Py_ssize_t room) noexcept:
        """Take back what a frame had, for the next one."""
        if room < AGAIN_FROM or room > KEPT_BYTES_MAX:
            let_go(data, room)
            return
        while self.n_kept == KEPT_MAX or self.kept_bytes + room > KEPT_BYTES_MAX:
            let_go(self.kept[0].data, self.kept[0].size)
            self._forget(0)
        self.kept[self.n_kept].data = data
        self.kept[self.n_kept].size = room
        self.n_kept += 1
        self.kept_bytes += room

    cdef void _forget(self, int i) noexcept:
        self.kept_bytes -= self.kept[i].size
        self.n_kept -= 1
        memmove(&self.kept[i], &self.kept[i + 1], (self.n_kept - i) * sizeof(Kept))

    cdef bint has_room(self, Py_ssize_t size) noexcept:
        return self.held == 0 or self.held + size <= self.limit

    def wait(self, told):
        """Have `told()` called, once, when a frame was freed."""
        self.waiting.append(told)

    cdef void give_back(self, Py_ssize_t size) noexcept:
        self.held -= size
        if self.waiting:
            self._tell()

    cdef void _tell(self) noexcept:
        try:
            waiting, self.waiting = self.waiting, []
            for told in waiting:
                told()
        except Exception as error:      # in a deallocation nobody could catch it
            import sys
            sys.unraisablehook(_Unraisable(error))


class _Unraisable:
    """What sys.unraisablehook takes."""

    def __init__(self, error):
        self.exc_type = type(error)
        self.exc_value = error
        self.exc_traceback = error.__traceback__
        self.err_msg = "a connection could not go on reading"
        self.object = None


@cython.final
@cython.no_gc_clear     # its memory is counted back when it goes
cdef class Frame:
    """One request: its head parsed, its bytes as a read-only buffer. Its memory counts until it is dropped.

    `body_at` is where the message behind the head begins, once `open()` was called.
    """

    def __init__(self, *args, **kwargs):
        raise TypeError("frames come from a FrameReader")

    def __dealloc__(self):
        if self.memory is None:
            return
        self.memory.keep(self.data, self.room)
        self.memory.give_back(self.room)

    def __len__(self):
        return self.size

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, self.data, self.size, 1, flags)

    def open(self, bint flexible):
        """Parse what is behind the correlation id: `client_id`, and in a flexible head the tags. Raises FrameFault."""
        cdef lf_wire w
        cdef int32_t n = -1
        w.p = self.data + 8
        w.end = self.data + self.size
        w.bad = w.flexible = False
        # The name has the old form in every version. Its encoding is nobody's business: it is for logs and quotas.
        cdef const uint8_t *name = lf_wire_blob(&w, 2, &n)
        w.flexible = flexible
        lf_wire_tags(&w)
        if w.bad:
            raise FrameFault("the head goes beyond the frame")
        self.client_id = (<const char *>name)[:n].decode("utf-8", "replace") if name != NULL else None
        self.body_at = w.p - self.data


@cython.final
cdef class FrameReader:
    """The frames of one connection. Give its `buffer()` to whoever receives, then call `received`.

    Parameters: `memory`, shared by the connections of the loop; `frame_bytes_max`, the cap on one frame. Both may be
    changed (before authentication they are low).
    """

    def __init__(self, FrameMemory memory, int64_t frame_bytes_max):
        self.memory = memory
        self.frame_bytes_max = frame_bytes_max

    def __len__(self):
        return self.room()

    def count_with(self, FrameMemory memory, int64_t frame_bytes_max):
        """From the next frame on, have another budget and cap: those of clients that are known."""
        self.memory = memory
        self.frame_bytes_max = frame_bytes_max

    def wait(self, told):
        """Have `told()` called, once, when a frame of its budget was freed."""
        self.memory.wait(told)

    cdef Py_ssize_t room(self) noexcept:
        if self.partial is not None and self.partial.size - self.filled >= IN_PLACE_FROM:
            return self.partial.size - self.filled
        return self.memory.receive_bytes

    def __getbuffer__(self, Py_buffer *view, int flags):
        """Where to receive next: the rest of a large frame, else the loop's shared buffer."""
        self.in_place = self.partial is not None and self.partial.size - self.filled >= IN_PLACE_FROM
        cdef void *at = self.partial.data + self.filled if self.in_place else self.memory.receive
        PyBuffer_FillInfo(view, self, at, self.room(), 0, flags)

    @property
    def stalled(self):
        """bool: a frame waits for memory; nothing may be received until `go_on` was called and this is False."""
        return self.rest is not None

    @property
    def partial_bytes(self):
        """int: received of a frame that is not whole yet."""
        return self.filled if self.partial is not None else self.prefix_filled

    def received(self, Py_ssize_t n):
        """`n` bytes were received into the buffer: list[Frame] of those that are whole now. Raises FrameFault."""
        cdef list out = []
        if self.in_place:
            self.filled += n
            if self.filled == self.partial.size:
                self._finish(out)
        else:
            self._take(self.memory.receive, n, out)
        return out

    def feed(self, data):
        """The same for bytes that lie elsewhere."""
        cdef list out = []
        cdef Py_buffer view
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            if view.len:
                self._take(<const uint8_t *>view.buf, view.len, out)
        finally:
            PyBuffer_Release(&view)
        return out

    def close(self):
        """Nothing more is received: let go of what came of a frame."""
        self.partial = None
        self.rest = None
        self.in_place = False
        self.filled = self.prefix_filled = 0

    def go_on(self):
        """Try again after a stall: list[Frame]. `stalled` tells whether there was room."""
        cdef list out = []
        cdef bytes rest = self.rest
        if rest is not None:
            self.rest = None
            self._take(<const uint8_t *><const char *>rest, len(rest), out)
        return out

    cdef int _take(self, const uint8_t *p, Py_ssize_t n, list out) except -1:
        cdef const uint8_t *end = p + n
        cdef Py_ssize_t take
        while p < end:
            if self.partial is None:
                take = min(4 - self.prefix_filled, end - p)
                memcpy(self.prefix + self.prefix_filled, p, take)
                self.prefix_filled += take
                p += take
                if self.prefix_filled < 4:
                    break
                if not self._begin():
                    # The prefix is kept; what is behind it comes again when there is room.
                    self.rest = <bytes>(<const char *>p)[:end - p]
                    return 0
            take = min(self.partial.size - self.filled, end - p)
            memcpy(self.partial.data + self.filled, p, take)
            self.filled += take
            p += take
            if self.filled == self.partial.size:
                self._finish(out)
        if self.prefix_filled == 4 and self.partial is None:
            self._begin_or_stall()
        return 0

    cdef int _begin_or_stall(self) except -1:
        if not self._begin():
            self.rest = b""
        return 0

    cdef bint _begin(self) except -1:
        """Memory for the frame whose size is known; False when it has to wait."""
        cdef int32_t size = <int32_t>lf_get32(self.prefix)
        cdef Frame frame
        if size < HEAD_BYTES_MIN:
            raise FrameFault(f"a frame of {size} bytes")
        if size > self.frame_bytes_max:
            raise FrameFault(f"a frame of {size} bytes is more than {self.frame_bytes_max}")
        cdef Py_ssize_t room = room_of(size)
        if not self.memory.has_room(room):
            return False
        frame = Frame.__new__(Frame)
        frame.data = self.memory.take(room)
        if frame.data == NULL:
            raise MemoryError
        frame.size = size
        frame.room = room
        frame.memory = self.memory
        self.memory.held += room
        self.partial = frame
        self.filled = 0
        self.prefix_filled = 0
        return True

    cdef int _finish(self, list out) except -1:
        cdef Frame frame = self.partial
        self.partial = None
        self.in_place = False
        frame.api_key = <int16_t>lf_get16(frame.data)
        frame.version = <int16_t>lf_get16(frame.data + 2)
        frame.correlation_id = <int32_t>lf_get32(frame.data + 4)
        out.append(frame)
        return 0
