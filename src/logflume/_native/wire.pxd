"""Kafka's request and response fields (native/include/lf/wire.h), for the modules that parse and write them."""

from libc.stdint cimport int16_t, int32_t, int64_t, int8_t, uint8_t, uint32_t


cdef extern from "lf/wire.h" nogil:
    enum:
        LF_UUID_BYTES
    ctypedef struct lf_wire:
        const uint8_t *p
        const uint8_t *end
        bint flexible, bad
    const uint8_t *lf_wire_take(lf_wire *w, int64_t n) noexcept
    int8_t lf_wire_i8(lf_wire *w) noexcept
    int16_t lf_wire_i16(lf_wire *w) noexcept
    int32_t lf_wire_i32(lf_wire *w) noexcept
    int64_t lf_wire_i64(lf_wire *w) noexcept
    uint32_t lf_wire_uvarint(lf_wire *w) noexcept
    const uint8_t *lf_wire_blob(lf_wire *w, int fixed_bytes, int32_t *length) noexcept
    int32_t lf_wire_count(lf_wire *w, int item_bytes) noexcept
    void lf_wire_tags(lf_wire *w) noexcept
    ctypedef struct lf_wire_out:
        uint8_t *buf
        size_t len, cap
        bint flexible, bad
    void lf_wire_put_i8(lf_wire_out *o, int8_t v) noexcept
    void lf_wire_put_i16(lf_wire_out *o, int16_t v) noexcept
    void lf_wire_put_i32(lf_wire_out *o, int32_t v) noexcept
    void lf_wire_put_i64(lf_wire_out *o, int64_t v) noexcept
    void lf_wire_put_raw(lf_wire_out *o, const void *data, size_t n) noexcept
    void lf_wire_put_uvarint(lf_wire_out *o, uint32_t v) noexcept
    void lf_wire_put_length(lf_wire_out *o, int fixed_bytes, int64_t n) noexcept
    void lf_wire_put_string(lf_wire_out *o, const void *data, int32_t n) noexcept
    void lf_wire_put_tags(lf_wire_out *o) noexcept
    void lf_wire_begin(lf_wire_out *o, int32_t correlation_id) noexcept
    void lf_wire_finish(lf_wire_out *o, int64_t outside) noexcept
