"""What send() returns: a record on its way, for threads that wait and for event loops."""

from functools import partial

cimport cython

from logflume import errors
from logflume.types import RecordMetadata

from logflume._native.accumulator cimport DONE, FAILED, PendingBatch

__all__ = ["Delivery"]

cdef object _async_waits = None
cdef object _running_loop = None
cdef object new_tuple = tuple.__new__


cdef object async_waits():
    """The module for event loops, imported when a loop is first met: asyncio costs as much as all the rest."""
    global _async_waits, _running_loop
    if _async_waits is None:
        from asyncio import get_running_loop
        from logflume._native import delivery_waits
        _running_loop = get_running_loop
        _async_waits = delivery_waits
    return _async_waits


@cython.final
@cython.freelist(2048)
@cython.no_gc
cdef class Delivery:
    """A record on its way: `result()` or `await` gives its RecordMetadata at the producer's durability."""

    def done(self):
        """bool: acknowledged or failed (or given up, see cancel())."""
        return self.batch.state >= DONE or self.given_up

    @property
    def offset(self):
        """int: the record's offset once it is acknowledged; -1 before, and with acks=0."""
        if self.batch.state != DONE or self.batch.base_offset < 0:
            return -1
        return self.batch.base_offset + self.index

    def result(self, timeout=None):
        """Wait until the record is acknowledged, `timeout` seconds at most.

        Asking closes the record's batch at once, without waiting for linger. Returns RecordMetadata.
        Raises Timeout, or what made the batch fail (DiskFull, SyncFailed, RecordTooLarge, ...).
        """
        cdef PendingBatch b = self.batch
        if self.given_up:
            raise self._make_cancelled_error()
        if b.state < DONE:
            b.owner.wait_for(b, -1.0 if timeout is None else timeout)
        return self.outcome()

    cdef object outcome(self):
        """What result() gives, once the batch is settled."""
        cdef PendingBatch b = self.batch
        error = self.failure()
        if error is not None:
            raise error
        # As RecordMetadata(...), without the call of its Python-level constructor.
        return new_tuple(RecordMetadata, (b.owner.topic, b.owner.partition,
                                          -1 if b.base_offset < 0 else b.base_offset + self.index,
                                          self.stamp if b.append_time < 0 else b.append_time))

    cdef object failure(self):
        """What exception() gives, once the batch is settled."""
        cdef PendingBatch b = self.batch
        if b.state != FAILED:
            return None
        if b.owner.core.failure is b.error:
            b.owner.core.failure = None     # told here: flush() need not tell it again
        return b.error

    def exception(self, timeout=None):
        """The error that made it fail, or None; waits like result()."""
        if self.batch.state >= DONE and not self.given_up:
            return self.failure()
        try:
            self.result(timeout)
        except errors.Timeout:
            raise
        except Exception as error:
            return error
        return None

    def add_done_callback(self, callback, *, context=None):
        """Call `callback(delivery)` once it is settled: inside a running event loop from that loop, else from
        the thread that settles it, or at once when it is settled already."""
        cdef PendingBatch b = self.batch
        if async_waits().add(self, callback, context):
            return
        if b.waiters is None:
            b.waiters = []
        b.waiters.append(partial(callback, self))     # no lambda: it is shown, should the callback raise
        if b.state >= DONE:     # settled before: this call, or whoever settled, finds it in the list
            b.settle()

    def __await__(self):
        """Wait for the record's acknowledgement, without a future or a task of its own; see result().

        The batches of what was sent are closed once all that is ready to run in this loop has run.
        Cancelling the wait leaves the record on its way.
        """
        self.given_up = False
        return async_waits().DeliveryWait(self)

    # What asyncio asks of a future, so that gather(), wait(), wait_for() and shield() need no task for each.

    @property
    def _asyncio_future_blocking(self):
        return False

    @property
    def _cancel_message(self):
        return None

    def _make_cancelled_error(self):
        from asyncio import CancelledError
        return CancelledError()

    def get_loop(self):
        """The running event loop: a delivery belongs to none."""
        if _running_loop is None:
            async_waits()
        return _running_loop()

    def remove_done_callback(self, callback):
        """Forget a callback added in an event loop; returns how often it was there."""
        return async_waits().remove(self, callback)

    def cancel(self, msg=None):
        """Have asyncio's waiters see this delivery as cancelled, until it is awaited anew. The record is sent
        all the same. False when it is settled already."""
        if self.given_up or self.batch.state >= DONE:
            return False
        self.given_up = True
        async_waits().wake(self)
        return True

    def cancelled(self):
        """bool: cancel() came before the acknowledgement."""
        return self.given_up

    def __repr__(self):
        cdef PendingBatch b = self.batch
        if b.state == DONE:
            return f"<Delivery at offset {self.offset}>"
        return f"<Delivery {'failed' if b.state == FAILED else 'pending'}>"
