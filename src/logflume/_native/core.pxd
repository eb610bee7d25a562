"""The C core's declarations (native/include/lf) for every Cython module; nothing to import at run time."""

from libc.stdint cimport int16_t, int32_t, int64_t, int8_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from "lf/status.h" nogil:
    enum:
        LF_OK
        LF_E_IO
        LF_E_CORRUPT
        LF_E_TRUNCATED
        LF_E_MAGIC
        LF_E_CODEC
        LF_E_TOO_LARGE
        LF_E_BOMB
        LF_E_OUT_OF_RANGE
        LF_E_SYNC_FAILED
        LF_E_NOMEM
        LF_E_TIMEOUT
        LF_E_CLOSED
        LF_E_READ_ONLY
        LF_E_NO_SPACE
        LF_E_FAILPOINT
        LF_E_END
        LF_E_OWNER_DIED
        LF_E_INTERRUPTED
        LF_E_LOCKED
        LF_E_FORMAT
        LF_E_OUT_OF_SEQUENCE
        LF_E_FENCED
        LF_E_COORDINATOR
        LF_E_TXN_STATE


cdef extern from "lf/clock.h" nogil:
    int64_t lf_now_ms() noexcept


cdef extern from "lf/varint.h" nogil:
    int lf_varint_size(int64_t v) noexcept
    uint8_t *lf_put_varint(uint8_t *p, int64_t v) noexcept
    const uint8_t *lf_get_varint(const uint8_t *p, const uint8_t *end, int32_t *out) noexcept


cdef extern from "lf/batch_layout.h" nogil:
    enum:
        LF_BATCH_PRODUCER_ID_AT
        LF_BATCH_BASE_SEQUENCE_AT
        LF_BATCH_RECORDS_AT
        LF_ATTR_CODEC
        LF_ATTR_APPEND_TIME
        LF_ATTR_TRANSACTIONAL
        LF_ATTR_CONTROL
    ctypedef struct lf_batch:
        const uint8_t *at
        int64_t position, base_offset, last_offset, base_timestamp, max_timestamp, producer_id
        int32_t size, count, base_sequence, leader_epoch
        uint32_t crc
        int16_t attributes, producer_epoch
        int8_t magic
    uint32_t lf_get32(const uint8_t *p) noexcept
    void lf_batch_parse(const uint8_t *p, int64_t position, lf_batch *b) noexcept
    uint16_t lf_get16(const uint8_t *p) noexcept
    uint32_t lf_get32(const uint8_t *p) noexcept
    uint64_t lf_get64(const uint8_t *p) noexcept
    void lf_put16(uint8_t *p, uint16_t v) noexcept
    void lf_put32(uint8_t *p, uint32_t v) noexcept
    void lf_put64(uint8_t *p, uint64_t v) noexcept


cdef extern from "lf/state.h" nogil:
    ctypedef struct lf_state:
        int64_t end_offset, start_offset, durable_offset, active_base, end_position, first_unstable, producers_from
        int64_t first_held
        uint64_t held_table
        int failed
        uint64_t magic
        uint32_t waiting, phase, crc
        uint64_t swaps
    int lf_state_wait(lf_state **st, const int64_t *after, int n, double seconds, int spin_us) noexcept
    int lf_state_wait_stable(lf_state **st, const int64_t *after, const uint8_t *stable, int n, double seconds,
                             int spin_us) noexcept
    int64_t lf_state_stable(const lf_state *st) noexcept
    void lf_state_wake(lf_state *st) noexcept


cdef extern from "lf/log.h" nogil:
    enum:
        LF_PATH_MAX
    ctypedef struct lf_error:
        int status, err
        int64_t position, offset
        char reason[128]
        char path[1024]
    ctypedef struct lf_segment:
        int64_t base_offset, size, max_timestamp
        bint sealed
        const uint8_t *map
    ctypedef struct lf_log_config:
        int64_t segment_bytes, segment_ms, index_interval_bytes, segment_index_bytes
        bint append_time, allow_gaps, read_only
        int32_t leader_epoch
        int64_t recovery_offset, start_offset, producer_expiration_ms
        uint64_t held_table
        double lock_timeout_s
    ctypedef struct lf_recovery:
        bint ran
        int64_t scanned_bytes, cut_bytes, cut_position, end_offset
        int32_t deleted_segments
        char cut_path[1024]
        char reason[128]
        char bad_snapshot[1024]
        char bad_snapshot_reason[128]
    ctypedef struct lf_log:
        lf_log_config config
        lf_state *state
        int32_t n_segments
        lf_segment **segments
        lf_recovery recovery
    ctypedef struct lf_append_info:
        int64_t base_offset, last_offset, append_time
        size_t written
        bint duplicate
    ctypedef struct lf_cursor:
        lf_segment *segment
        const uint8_t *map
        int64_t map_len, position, next_offset
    ctypedef struct lf_segment_info:
        int64_t base_offset, end_offset, size, max_timestamp
        bint sealed

    int lf_fail(lf_error *e, int status, int err, const char *path, int64_t position, const char *reason) noexcept
    int lf_log_open(lf_log **out, const char *dir, int lock_fd, const lf_log_config *config, lf_error *e) noexcept
    int lf_log_close(lf_log *log, lf_error *e) noexcept
    int lf_log_trim(lf_log *log, lf_error *e) noexcept
    void lf_log_abandon(lf_log *log) noexcept
    lf_segment *lf_segment_ref(lf_segment *s) noexcept
    void lf_segment_unref(lf_segment *s) noexcept
    int lf_log_append(lf_log *log, uint8_t *batches, size_t len, bint prepare, double wait_s, lf_append_info *info,
                      lf_error *e) noexcept
    int lf_log_append_accepted(lf_log *log, uint8_t *batches, size_t len, lf_append_info *info, lf_error *e) noexcept
    int lf_log_append_at(lf_log *log, uint8_t *batches, size_t len, int64_t base_offset, lf_append_info *info,
                         lf_error *e) noexcept
    int lf_log_append_one(lf_log *log, const uint8_t *key, int32_t key_len, const uint8_t *value, int32_t value_len,
                          int64_t timestamp, double wait_s, int64_t *offset, lf_error *e) noexcept
    int lf_log_roll(lf_log *log, lf_error *e) noexcept
    int lf_log_sync(lf_log *log, int64_t offset, lf_error *e) noexcept
    int lf_log_set_start(lf_log *log, int64_t offset, lf_error *e) noexcept
    int lf_log_mark_deleted(lf_log *log, lf_error *e) noexcept
    int lf_log_truncate_front(lf_log *log, int64_t *bytes, int32_t *removed, lf_error *e) noexcept
    int lf_log_expire(lf_log *log, int64_t now_ms, int64_t retention_ms, int64_t retention_bytes, int64_t *bytes,
                      int32_t *removed, lf_error *e) noexcept
    int lf_log_segments(lf_log *log, lf_segment_info *out, int32_t cap, int32_t *count, lf_error *e) noexcept
    int lf_cursor_seek(lf_log *log, lf_cursor *c, int64_t offset, lf_error *e) noexcept
    int lf_cursor_peek(lf_log *log, lf_cursor *c, bint check_crc, lf_batch *b, lf_error *e) noexcept
    void lf_cursor_advance(lf_cursor *c, const lf_batch *b) noexcept
    void lf_cursor_release(lf_cursor *c) noexcept
    int lf_cursor_seek_time(lf_log *log, lf_cursor *c, int64_t timestamp, lf_error *e) noexcept
    int lf_batch_check(const uint8_t *p, int64_t available, int64_t position, bint check_crc, lf_batch *b,
                       const char **reason) noexcept
    int lf_failpoints_parse(const char *text) noexcept
    const char *const *lf_failpoint_names() noexcept


cdef extern from "lf/records.h" nogil:
    ctypedef struct lf_columns:
        int64_t *offsets
        int64_t *timestamps
        uint32_t *value_at
        int32_t *value_len
        uint32_t *key_at
        int32_t *key_len
        int32_t n, cap
        bint plain
    ctypedef struct lf_records:
        const uint8_t *base
        uint32_t at, end
        int32_t index, count
        int64_t base_offset, last_offset, base_timestamp, append_time
    int lf_columns_reserve(lf_columns *c, int32_t more) noexcept
    void lf_columns_free(lf_columns *c) noexcept
    void lf_records_begin(lf_records *r, const lf_batch *b, const uint8_t *base, uint32_t at, uint32_t end) noexcept
    int lf_records_decode(lf_records *r, int64_t start, int32_t limit, lf_columns *c, const char **reason) noexcept
    int lf_records_skip(lf_records *r, int32_t index, const char **reason) noexcept
    int lf_records_seek_time(lf_records *r, int64_t start, int64_t timestamp, int64_t *offset, int64_t *when,
                             const char **reason) noexcept


cdef extern from "lf/part.h" nogil:
    ctypedef struct lf_heap:
        uint8_t *bytes
    ctypedef struct lf_part:
        const uint8_t *base
        size_t len
        lf_segment *segment
        lf_heap *heap
        int32_t first_row, partition, topic
    lf_heap *lf_heap_new(uint8_t *bytes) noexcept
    lf_heap *lf_heap_ref(lf_heap *h) noexcept
    void lf_heap_unref(lf_heap *h) noexcept


cdef extern from "lf/codecs.h" nogil:
    ctypedef struct lf_codec_ctx:
        pass
    int LF_LEVEL_DEFAULT
    lf_codec_ctx *lf_codec_ctx_new() noexcept
    void lf_codec_ctx_free(lf_codec_ctx *ctx) noexcept
    int lf_decompress(lf_codec_ctx *ctx, int codec, const uint8_t *src, size_t n,
                      uint8_t **buf, size_t *cap, size_t max_size, size_t *out) noexcept


cdef extern from "lf/builder.h" nogil:
    ctypedef struct lf_builder:
        uint8_t *buf
        size_t cap, start, len
        int64_t base_timestamp, max_timestamp, producer_id
        int32_t count, sequence
        int16_t producer_epoch
        uint16_t attributes
    int32_t lf_sequence_after(int32_t sequence, int64_t n) noexcept
    void lf_batches_restamp(uint8_t *batches, size_t len, int64_t producer_id, int16_t epoch, int32_t sequence) noexcept
    void lf_builder_reset(lf_builder *b) noexcept
    int lf_builder_reserve(lf_builder *b, size_t more) noexcept
    size_t lf_builder_size_with(const lf_builder *b, size_t payload) noexcept
    int lf_builder_put(lf_builder *b, int64_t timestamp, const uint8_t *key, int32_t key_len, const uint8_t *value,
                       int32_t value_len, size_t headers_len, int32_t headers_count) noexcept
    int lf_builder_finish(lf_builder *b, lf_codec_ctx *codecs, int codec, int level) noexcept


cdef extern from "lf/admit.h" nogil:
    ctypedef struct lf_admit_rules:
        int64_t max_bytes, before_max_ms, after_max_ms, max_unpacked
        bint keys_required, append_time
        int codec, level
    ctypedef struct lf_admit_room:
        pass
    ctypedef struct lf_refusal:
        int code
        int64_t size, timestamp
        const char *reason
    int lf_admit(lf_admit_room *room, const lf_admit_rules *rules, uint8_t *p, int64_t n, int64_t now_ms, uint8_t **out,
                 int64_t *out_len, lf_refusal *refusal) noexcept
    void lf_admit_room_free(lf_admit_room *room) noexcept


cdef extern from "lf/fetch.h" nogil:
    ctypedef struct lf_fetch_place:
        lf_cursor cursor
        int64_t behind_position, behind_offset
    ctypedef struct lf_fetch_slice:
        const uint8_t *at
        int64_t size
        lf_segment *segment
    int lf_fetch_read(lf_log *log, lf_fetch_place *place, int64_t offset, int64_t upper, int64_t max_bytes, bint whole,
                      lf_fetch_slice *out, lf_error *e) noexcept
    void lf_fetch_release(lf_fetch_place *place) noexcept


cdef extern from "lf/transactions.h" nogil:
    ctypedef struct lf_aborted:
        int64_t producer, first, last, stable
    int lf_log_aborted(lf_log *log, int64_t start, int64_t end, lf_aborted **out, int32_t *n, lf_error *e) noexcept
