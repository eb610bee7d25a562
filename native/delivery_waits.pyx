"""Awaiting deliveries: one wake-up of the event loop for each batch, no future for each record.

A batch keeps one LoopWaits for each event loop in which somebody waits for it. Settling the batch calls it, from
whatever thread settles; it has its loop run all its callbacks in one go. Everything else here runs in the loop's
thread.
"""

from asyncio import CancelledError as _CancelledError
from asyncio import _get_running_loop
from asyncio import get_running_loop as _running_loop

cimport cython

from logflume._native.accumulator cimport DONE, PendingBatch
from logflume._native.delivery cimport Delivery

__all__ = ["DeliveryWait", "add", "remove", "wake"]


@cython.final
cdef class LoopWaits:
    """Who waits in one event loop for one batch. `calls`: {subject: [callback, its context or None, ...]}."""

    def __call__(self):
        """The batch is settled; from any thread."""
        try:
            self.loop.call_soon_threadsafe(self.run)
        except RuntimeError:
            pass        # the loop is closed: nobody waits any more

    def hasten(self):
        """Closes the batch without waiting for linger. Called once what was ready in the loop has run, so that
        records sent by other tasks meanwhile share the batch and its sync."""
        cdef PendingBatch b = self.batch
        if self.calls:
            b.owner.hasten(b)

    def run(self):
        """Calls all that wait, in the order in which they came."""
        cdef dict calls = self.calls
        cdef list what
        cdef Py_ssize_t i
        self.calls = None
        for subject in list(calls):
            what = <list>calls.pop(subject)
            for i in range(0, len(what), 2):
                try:
                    if what[i + 1] is None:
                        what[i](subject)
                    else:
                        what[i + 1].run(what[i], subject)
                except (SystemExit, KeyboardInterrupt):
                    # Ends the loop; should it be run again, the others are still told.
                    if i + 2 < len(what):
                        calls[subject] = what[i + 2:]
                    if calls:
                        self.calls = calls
                        self.loop.call_soon(self.run)
                    raise
                except BaseException as error:
                    said = f"Exception in callback {what[i]!r}"
                    self.loop.call_exception_handler({"message": said, "exception": error})


cdef LoopWaits waits_of(PendingBatch b, object loop):
    """The batch's LoopWaits of this loop, made when there is none."""
    cdef LoopWaits waits
    if b.waiters is not None:
        # Those of loops come first, and are few.
        for item in b.waiters:
            if type(item) is not LoopWaits:
                break
            waits = <LoopWaits>item
            if waits.loop is loop and waits.calls is not None:
                if not waits.calls:
                    # All gave up before the batch was closed; now there is somebody again.
                    loop.call_soon(waits.hasten)
                return waits
    waits = LoopWaits.__new__(LoopWaits)
    waits.batch = b
    waits.loop = loop
    waits.calls = {}
    loop.call_soon(waits.hasten)
    if b.waiters is None:
        b.waiters = []
    b.waiters.insert(0, waits)
    if b.state >= DONE:
        # Settled while the loop was asked: this call, or whoever settled it, finds it in the list.
        b.settle()
    return waits


cdef int enlist(PendingBatch b, object loop, object subject, object callback, object context) except -1:
    cdef LoopWaits waits = waits_of(b, loop)
    what = waits.calls.get(subject)
    if what is None:
        waits.calls[subject] = [callback, context]
    else:
        what += [callback, context]
    return 0


cdef list strike(PendingBatch b, object loop, object subject):
    """Takes out and returns the callbacks for `subject` and their contexts in turn; None when there are none."""
    cdef LoopWaits waits
    if b.waiters is not None:
        for item in b.waiters:
            if type(item) is LoopWaits:
                waits = <LoopWaits>item
                if waits.loop is loop and waits.calls is not None:
                    return waits.calls.pop(subject, None)
    return None


def add(Delivery delivery, callback, context):
    """Have the running loop call `callback(delivery)`; False without a running loop."""
    loop = _get_running_loop()
    if loop is None:
        return False
    delivery.given_up = False
    if delivery.batch.state >= DONE:
        loop.call_soon(callback, delivery, context=context)
    else:
        enlist(delivery.batch, loop, delivery, callback, context)
    return True


def remove(Delivery delivery, callback):
    """Forget `callback` in the running loop; returns how often it was there."""
    cdef Py_ssize_t i, removed = 0
    loop = _get_running_loop()
    if loop is None or delivery.batch.state >= DONE:
        return 0
    cdef list what = strike(delivery.batch, loop, delivery)
    if what is None:
        return 0
    for i in range(0, len(what), 2):
        if what[i] == callback:
            removed += 1
        else:
            enlist(delivery.batch, loop, delivery, what[i], what[i + 1])
    return removed


def wake(Delivery delivery):
    """Call what waits for the delivery in the running loop: it was cancelled."""
    cdef Py_ssize_t i
    cdef list what
    loop = _get_running_loop()
    if loop is None:
        return
    what = strike(delivery.batch, loop, delivery)
    if what is not None:
        for i in range(0, len(what), 2):
            loop.call_soon(what[i], delivery, context=what[i + 1])


@cython.final
@cython.freelist(256)
cdef class DeliveryWait:
    """One `await` of a delivery: the iterator that a coroutine is driven by, and the future that its task waits on.

    Cancelling the task ends the wait, not the delivery.
    """

    def __init__(self, Delivery delivery):
        self.delivery = delivery

    def __iter__(self):
        return self

    def __next__(self):
        if self.delivery.batch.state >= DONE:
            raise StopIteration(self.delivery.outcome())
        self._asyncio_future_blocking = True
        return self

    def get_loop(self):
        """The running event loop."""
        return _running_loop()

    def add_done_callback(self, callback, *, context=None):
        """How the task asks to be woken."""
        self.callback = callback
        self.context = context
        self.loop = _running_loop()
        if self.delivery.batch.state >= DONE:
            self.loop.call_soon(callback, self, context=context)
        else:
            enlist(self.delivery.batch, self.loop, self, callback, context)

    def done(self):
        """bool: the task was told to go on, or may be."""
        return self.is_cancelled or self.delivery.batch.state >= DONE

    def cancelled(self):
        """bool: cancel() came first."""
        return self.is_cancelled

    def result(self):
        """Called by the task when it is woken; the coroutine gets its value from __next__."""
        if self.is_cancelled:
            raise _CancelledError() if self.message is None else _CancelledError(self.message)

    def cancel(self, msg=None):
        """From task.cancel(): wake the task with CancelledError. False when it is being woken already."""
        if self.is_cancelled or self.loop is None:
            return False
        if strike(self.delivery.batch, self.loop, self) is None:
            return False
        self.is_cancelled = True
        self.message = msg
        self.loop.call_soon(self.callback, self, context=self.context)
        return True
