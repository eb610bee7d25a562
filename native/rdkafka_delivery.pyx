"""What send() to a cluster returns: the same names as logflume.Delivery's, each record with a report of its own."""

from asyncio import CancelledError as _CancelledError
from asyncio import _get_running_loop
from asyncio import get_running_loop as _running_loop

from libc.stdint cimport int32_t, int64_t

cimport cython

from logflume.types import RecordMetadata

__all__ = ["RemoteDelivery", "tell"]


@cython.final
@cython.freelist(1024)
cdef class RemoteDelivery:
    """A record on its way: `result()` or `await` gives its RecordMetadata once the cluster has acknowledged it."""

    def done(self):
        """bool: acknowledged or failed (or given up, see cancel())."""
        return self.state >= DONE or self.given_up

    @property
    def offset(self):
        """int: the record's offset once it is acknowledged; -1 before, and with acks=0."""
        return self.at if self.state == DONE else -1

    def result(self, timeout=None):
        """Wait until the record is acknowledged, `timeout` seconds at most; returns RecordMetadata.

        Raises Timeout, or what made it fail.
        """
        if self.given_up:
            raise self._make_cancelled_error()
        if self.state < DONE:
            self.producer.wait_for(self, timeout)
        return self.outcome()

    cdef object outcome(self):
        if self.state == FAILED:
            self.producer.forget_failure(self.error)    # told here: flush() need not tell it again
            raise self.error
        return RecordMetadata(self.topic, self.partition, self.at, self.stamp)

    def exception(self, timeout=None):
        """The error that made it fail, or None; waits like result()."""
        try:
            self.result(timeout)
        except Exception as error:
            if self.state < DONE:
                raise
            return error
        return None

    cdef int settle(self, object error, int32_t partition, int64_t offset, int64_t stamp, dict loops) except -1:
        cdef list callbacks = self.callbacks
        self.error = error
        self.partition = partition
        self.at = max(offset, -1)       # with acks=0 none is known
        self.stamp = stamp
        self.state = DONE if error is None else FAILED
        self.callbacks = None
        if callbacks is not None:
            for loop, callback, context in callbacks:
                if loop is None:
                    callback(self)
                else:
                    loops.setdefault(loop, []).append((callback, context, self))
        return 0

    def add_done_callback(self, callback, *, context=None):
        """Call `callback(delivery)` once it is settled: inside a running event loop from that loop, else from
        the thread that settles it, or at once when it is settled already."""
        loop = _get_running_loop()
        if self.state >= DONE:
            if loop is None:
                callback(self)
            else:
                loop.call_soon(callback, self, context=context)
            return
        if self.callbacks is None:
            self.callbacks = []
        self.callbacks.append((loop, callback, context))

    def remove_done_callback(self, callback):
        """Forget a callback; returns how often it was there."""
        if self.callbacks is None:
            return 0
        kept = [item for item in self.callbacks if item[1] != callback]
        removed = len(self.callbacks) - len(kept)
        self.callbacks = kept
        return removed

    def __await__(self):
        """Wait for the record's acknowledgement; see result(). Cancelling the wait leaves the record on its way."""
        self.given_up = False
        if self.state < DONE:
            loop = _running_loop()
            future = loop.create_future()
            self.add_done_callback(lambda _: None if future.done() else future.set_result(None))
            yield from future
        return self.outcome()

    def get_loop(self):
        """The running event loop: a delivery belongs to none."""
        return _running_loop()

    def cancel(self, msg=None):
        """Have those who wait see this delivery as cancelled, until it is awaited anew. The record is sent all the
        same. False when it is settled already."""
        if self.given_up or self.state >= DONE:
            return False
        self.given_up = True
        return True

    def cancelled(self):
        """bool: cancel() came before the acknowledgement."""
        return self.given_up

    def _make_cancelled_error(self):
        return _CancelledError()

    def __repr__(self):
        if self.state == DONE:
            return f"<Delivery at offset {self.at}>"
        return f"<Delivery {'failed' if self.state == FAILED else 'pending'}>"


def tell(waiting):
    """In an event loop: call [(callback, context, delivery)]."""
    for callback, context, delivery in waiting:
        try:
            if context is None:
                callback(delivery)
            else:
                context.run(callback, delivery)
        except Exception as error:
            said = f"Exception in callback {callback!r}"
            _running_loop().call_exception_handler({"message": said, "exception": error})
