"""librdkafka's library, and what its producers and consumers share: settings, metadata, lists of partitions, errors.

The library is the one that confluent-kafka brings or is linked to. Nothing here waits with the GIL held; all
callbacks run in the thread of the call that serves the handle's queue, never in librdkafka's own.
"""

from cpython.ref cimport Py_INCREF
from libc.stdlib cimport malloc
from libc.string cimport memcpy
from posix.unistd cimport usleep

cimport cython

from logflume import errors

__all__ = ["Handle", "Librdkafka"]

cdef enum:
    TEXT_MAX = 512

# Options whose values no error shows.
SECRETS = ("password", "secret", ".key", "pem", "token", "oauthbearer", "username")


@cython.final
cdef class Librdkafka:
    """The functions, found in the shared object at `path`. Raises OSError naming what is missing."""

    def __init__(self, str path):
        global loaded
        cdef char text[TEXT_MAX]
        cdef const char *missing = lf_rd_load(&self.api, path.encode(), text, TEXT_MAX)
        if missing != NULL:
            raise OSError(missing.decode(errors="replace"))
        loaded = &self.api
        Py_INCREF(self)     # what it loaded stays loaded

    @property
    def version(self):
        """(major, minor, revision)."""
        cdef int v = self.api.version()
        return (v >> 24, (v >> 16) & 0xff, (v >> 8) & 0xff)

    def error_name(self, int code):
        """Its name for an error code, as "TOPIC_ALREADY_EXISTS" or "_TIMED_OUT"."""
        return self.api.err2name(code).decode()

    def error_text(self, int code):
        """What it says of an error code."""
        return self.api.err2str(code).decode(errors="replace")

    def options(self):
        """dict[str, str]: all options that have a value by default, and what it is."""
        cdef size_t n = 0, i
        cdef rd_kafka_conf_t *conf = self.api.conf_new()
        cdef const char **dump = self.api.conf_dump(conf, &n)
        out = {dump[2 * i].decode(): dump[2 * i + 1].decode() for i in range(n // 2)}
        self.api.conf_dump_free(dump, n)
        self.api.conf_destroy(conf)
        cdef rd_kafka_topic_conf_t *topic_conf = self.api.topic_conf_new()
        dump = self.api.topic_conf_dump(topic_conf, &n)
        out.update({dump[2 * i].decode(): dump[2 * i + 1].decode() for i in range(n // 2)})
        self.api.conf_dump_free(dump, n)
        self.api.topic_conf_destroy(topic_conf)
        return out

    cdef rd_kafka_conf_t *_fill(self, dict settings) except NULL:
        """A configuration. Raises UnknownConfig, InvalidConfig."""
        cdef char text[TEXT_MAX]
        cdef int rc
        cdef rd_kafka_conf_t *conf = self.api.conf_new()
        for name, value in settings.items():
            rc = self.api.conf_set(conf, name.encode(), str(value).encode(), text, TEXT_MAX)
            if rc != LF_RD_CONF_OK:
                self.api.conf_destroy(conf)
                if rc == LF_RD_CONF_UNKNOWN:
                    raise errors.UnknownConfig(name=name, table="cluster", suggestion=self._nearest(name))
                shown = "(not shown)" if any(word in name for word in SECRETS) else value
                raise errors.InvalidConfig(name=name, value=shown, reason=text.decode(errors="replace"))
        return conf

    def _nearest(self, name):
        import difflib
        return next(iter(difflib.get_close_matches(name, list(self.options()), n=1)), None)

    def check(self, dict settings):
        """Raises UnknownConfig or InvalidConfig for settings that it does not take."""
        self.api.conf_destroy(self._fill(settings))


cdef lf_rd_api *loaded = NULL       # a log callback has no argument to find it by; one library a process


cdef void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text) noexcept with gil:
    cdef void *opaque = loaded.opaque(rk)
    if opaque != NULL:
        (<Handle>opaque).on_log(level, facility.decode(errors="replace"), text.decode(errors="replace"))


cdef void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque) noexcept with gil:
    cdef Handle handle = <Handle>opaque
    handle.on_error(code, reason.decode(errors="replace"))


cdef class Handle:
    """A producer or consumer of librdkafka. Thread-safe; closing it waits for nobody's call: see close()."""

    cdef int prepare(self, rd_kafka_conf_t *conf) except -1:
        """Callbacks and events of the kind of handle."""
        return 0

    cdef int open(self, int kind, dict settings, object made) except -1:
        cdef char text[TEXT_MAX]
        cdef rd_kafka_conf_t *conf
        self.library, self.fail, self.on_log, self.on_error = made
        self.api = &self.library.api
        conf = self.library._fill(settings)
        self.api.conf_set_opaque(conf, <void *>self)
        self.api.conf_set(conf, "log.queue", "true", text, TEXT_MAX)
        self.api.conf_set_error_cb(conf, <void (*)(rd_kafka_t *, int, const char *, void *) noexcept nogil>on_error)
        self.api.conf_set_log_cb(conf, <void (*)(const rd_kafka_t *, int, const char *, const char *) noexcept nogil>on_log)
        self.prepare(conf)
        with nogil:
            self.rk = self.api.make(kind, conf, text, TEXT_MAX)
        if self.rk == NULL:
            self.api.conf_destroy(conf)
            raise errors.InvalidConfig(name="kafka", value="(address and options)", reason=text.decode(errors="replace"))
        return 0

    cdef int free(self, int flags) except -1:
        """Refuse calls from now on, wait for those under way (whoever waits for the queue wakes up), and free everything.
        Idempotent. `flags`: of rd_kafka_destroy_flags."""
        cdef rd_kafka_t *rk = self.rk
        if self.closed:
            return 0
        self.closed = True
        while self.users:
            if self.queue != NULL:
                self.api.queue_yield(self.queue)
            with nogil:
                usleep(1000)
        self.api.queue_destroy(self.queue)
        self.queue = NULL
        self.rk = NULL
        with nogil:
            self.api.destroy_flags(rk, flags)
        return 0

    cdef int enter(self) except -1:
        if self.closed or self.rk == NULL:
            raise errors.Closed(what="the connection to the cluster")
        self.users += 1
        return 0

    cdef int leave(self) noexcept:
        self.users -= 1
        return 0

    cdef int check(self, int code) except -1:
        if code:
            raise self.fail(code, self.library.error_text(code), False, False)
        return 0

    cdef int check_error(self, rd_kafka_error_t *error) except -1:
        if error == NULL:
            return 0
        told = (self.api.error_code(error), self.api.error_string(error).decode(errors="replace"),
                bool(self.api.error_is_retriable(error)), bool(self.api.error_txn_requires_abort(error)))
        self.api.error_destroy(error)
        raise self.fail(*told)

    cdef rd_kafka_topic_partition_list_t *to_list(self, object places) except NULL:
        """From (topic, partition[, offset[, metadata]]) tuples; the caller destroys it."""
        cdef rd_kafka_topic_partition_list_t *out = self.api.topic_partition_list_new(<int>len(places))
        cdef rd_kafka_topic_partition_t *at
        cdef bytes note
        try:
            for place in places:
                at = self.api.topic_partition_list_add(out, place[0].encode(), place[1])
                if len(place) > 2:
                    at.offset = place[2]
                if len(place) > 3 and place[3]:
                    note = place[3].encode()
                    at.metadata = malloc(len(note))
                    if at.metadata == NULL:
                        raise MemoryError
                    memcpy(at.metadata, <const char *>note, len(note))
                    at.metadata_size = len(note)
        except BaseException:
            self.api.topic_partition_list_destroy(out)
            raise
        return out

    cdef list from_list(self, rd_kafka_topic_partition_list_t *places):
        """As (topic, partition, offset, error code, metadata)."""
        cdef int i
        cdef rd_kafka_topic_partition_t *at
        cdef list out = []
        for i in range(places.cnt):
            at = &places.elems[i]
            note = (<char *>at.metadata)[:at.metadata_size].decode(errors="replace") if at.metadata != NULL else ""
            out.append((at.topic.decode(), at.partition, at.offset, at.err, note))
        return out

    def offsets_for_times(self, places, int timeout_ms):
        """ListOffsets: (topic, partition, timestamp) tuples, -2 being the start and -1 the end; gives
        (topic, partition, offset or -1, error code, "") tuples."""
        cdef rd_kafka_topic_partition_list_t *asked = self.to_list(places)
        cdef int rc
        try:
            self.enter()
            try:
                with nogil:
                    rc = self.api.offsets_for_times(self.rk, asked, timeout_ms)
            finally:
                self.leave()
            self.check(rc)
            return self.from_list(asked)
        finally:
            self.api.topic_partition_list_destroy(asked)

    def metadata(self, str topic, int timeout_ms):
        """{topic: (error code, [(partition, leader, replicas, in sync)])} of one topic, or of all (None)."""
        cdef const rd_kafka_metadata_t *found = NULL
        cdef rd_kafka_topic_t *one = NULL
        cdef const rd_kafka_metadata_topic_t *t
        cdef const rd_kafka_metadata_partition_t *p
        cdef int rc, i, k, r
        self.enter()
        try:
            if topic is not None:
                one = self.api.topic_new(self.rk, topic.encode(), NULL)
            with nogil:
                rc = self.api.metadata(self.rk, 1 if one == NULL else 0, one, &found, timeout_ms)
            if one != NULL:
                self.api.topic_destroy(one)
        finally:
            self.leave()
        self.check(rc)
        out = {}
        for i in range(found.topic_cnt):
            t = &found.topics[i]
            rows = []
            for k in range(t.partition_cnt):
                p = &t.partitions[k]
                rows.append((p.id, p.leader, [p.replicas[r] for r in range(p.replica_cnt)],
                             [p.isrs[r] for r in range(p.isr_cnt)]))
            out[t.topic.decode()] = (t.err, sorted(rows))
        self.api.metadata_destroy(found)
        return out

    def fatal(self):
        """(code, text) of the error after which nothing works any more, or None."""
        cdef char text[TEXT_MAX]
        cdef int code
        self.enter()
        try:
            code = self.api.fatal_error(self.rk, text, TEXT_MAX)
        finally:
            self.leave()
        return (code, text.decode(errors="replace")) if code else None
