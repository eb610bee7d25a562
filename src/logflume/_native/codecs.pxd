"""Kafka's compression codecs: lf/codecs.h for other native modules."""

from libc.stdint cimport uint8_t


cdef extern from "lf/codecs.h" nogil:
    ctypedef struct lf_codec_ctx:
        pass

    enum:
        LF_CODEC_NONE
        LF_CODEC_GZIP
        LF_CODEC_SNAPPY
        LF_CODEC_LZ4
        LF_CODEC_ZSTD
        LF_CODEC_COUNT

    int LF_LEVEL_DEFAULT

    lf_codec_ctx *lf_codec_ctx_new() noexcept
    void lf_codec_ctx_free(lf_codec_ctx *ctx) noexcept
    size_t lf_compress_bound(int codec, size_t n) noexcept
    int lf_codec_check_level(int codec, int level) noexcept
    int lf_compress(lf_codec_ctx *ctx, int codec, int level, const uint8_t *src, size_t n,
                    uint8_t *dst, size_t cap, size_t *out) noexcept
    int lf_decompress(lf_codec_ctx *ctx, int codec, const uint8_t *src, size_t n,
                      uint8_t **buf, size_t *cap, size_t max_size, size_t *out) noexcept


cdef extern from "lf/status.h" nogil:
    enum:
        LF_OK
        LF_E_CORRUPT
        LF_E_TRUNCATED
        LF_E_CODEC
        LF_E_TOO_LARGE
        LF_E_BOMB
        LF_E_OUT_OF_RANGE
        LF_E_NOMEM
