/* The five codecs behind one call; each has its own codec_*.c. */
#include "codec_impl.h"
#include <lf/unpack_front.h>

#include <stdlib.h>
#include <string.h>

/* A record batch holds at most 2 GiB, and the libraries count in 32 bits. */
#define LF_CODEC_INPUT_MAX ((size_t)INT32_MAX)

lf_codec_ctx *lf_codec_ctx_new(void) { return calloc(1, sizeof(lf_codec_ctx)); }

void lf_codec_ctx_free(lf_codec_ctx *ctx) {
    if (!ctx) return;
    lf_gzip_free(ctx->gzip);
    lf_lz4_free(ctx->lz4);
    lf_zstd_free(ctx->zstd);
    free(ctx);
}

size_t lf_compress_bound(int codec, size_t n) {
    switch (codec) {
    case LF_CODEC_NONE: return n;
    case LF_CODEC_GZIP: return lf_gzip_bound(n);
    case LF_CODEC_SNAPPY: return lf_snappy_bound(n);
    case LF_CODEC_LZ4: return lf_lz4_bound(n);
    case LF_CODEC_ZSTD: return lf_zstd_bound(n);
    default: return 0;
    }
}

int lf_codec_check_level(int codec, int level) {
    if (codec < 0 || codec >= LF_CODEC_COUNT) return LF_E_CODEC;
    if (level == LF_LEVEL_DEFAULT) return LF_OK;
    switch (codec) {
    case LF_CODEC_GZIP: return lf_gzip_check_level(level);
    case LF_CODEC_LZ4: return lf_lz4_check_level(level);
    case LF_CODEC_ZSTD: return lf_zstd_check_level(level);
    default: return LF_E_OUT_OF_RANGE;
    }
}

int lf_compress(lf_codec_ctx *ctx, int codec, int level, const uint8_t *src, size_t n, uint8_t *dst, size_t cap,
                size_t *out) {
    *out = 0;
    int status = lf_codec_check_level(codec, level);
    if (status) return status;
    if (n > LF_CODEC_INPUT_MAX || cap < lf_compress_bound(codec, n)) return LF_E_TOO_LARGE;
    switch (codec) {
    case LF_CODEC_GZIP: return lf_gzip_compress(&ctx->gzip, level, src, n, dst, cap, out);
    case LF_CODEC_SNAPPY: return lf_snappy_compress(src, n, dst, cap, out);
    case LF_CODEC_LZ4: return lf_lz4_compress(&ctx->lz4, level, src, n, dst, cap, out);
    case LF_CODEC_ZSTD: return lf_zstd_compress(&ctx->zstd, level, src, n, dst, cap, out);
    default: break;
    }
    if (n) memcpy(dst, src, n);
    *out = n;
    return LF_OK;
}

static int none_decompress(const uint8_t *src, size_t n, lf_out *o) {
    if (n > o->max) return LF_E_BOMB;
    int status = lf_out_reserve(o, n);
    if (status) return status;
    if (n) memcpy(*o->buf, src, n);
    o->used = n;
    return LF_OK;
}

int lf_decompress(lf_codec_ctx *ctx, int codec, const uint8_t *src, size_t n, uint8_t **buf, size_t *cap,
                  size_t max_size, size_t *out) {
    *out = 0;
    if (codec < 0 || codec >= LF_CODEC_COUNT) return LF_E_CODEC;
    if (n > LF_CODEC_INPUT_MAX) return LF_E_TOO_LARGE;
    if (n == 0 && codec != LF_CODEC_NONE) return LF_E_TRUNCATED;
    lf_out o = {buf, cap, 0, max_size};
    int status;
    switch (codec) {
    case LF_CODEC_GZIP: status = lf_gzip_decompress(&ctx->gzip, src, n, &o); break;
    case LF_CODEC_SNAPPY: status = lf_snappy_decompress(src, n, &o); break;
    case LF_CODEC_LZ4: status = lf_lz4_decompress(&ctx->lz4, src, n, &o); break;
    case LF_CODEC_ZSTD: status = lf_zstd_decompress(&ctx->zstd, src, n, &o); break;
    default: status = none_decompress(src, n, &o); break;
    }
    if (status == LF_OK) *out = o.used;
    return status;
}

int lf_decompress_front(lf_codec_ctx *ctx, int codec, double share, const uint8_t *src, size_t n, uint8_t **buf, size_t *cap,
                        size_t max_size, size_t *out) {
    lf_out o = {buf, cap, 0, max_size};
    if (codec == LF_CODEC_LZ4 && share < 1 && n <= LF_CODEC_INPUT_MAX && lf_lz4_front(src, n, share, &o) == LF_OK) {
        *out = o.used;
        return LF_OK;
    }
    return lf_decompress(ctx, codec, src, n, buf, cap, max_size, out);
}

int lf_out_reserve(lf_out *o, size_t total) {
    if (total > o->max) total = o->max;
    if (total <= *o->cap) return LF_OK;
    uint8_t *grown = realloc(*o->buf, total);
    if (!grown) return LF_E_NOMEM;
    *o->buf = grown;
    *o->cap = total;
    return LF_OK;
}

int lf_out_spill(lf_out *o, const uint8_t *bytes, size_t n) {
    if (n == 0) return LF_OK;
    if (n > o->max - o->used) return LF_E_BOMB;
    if (n > lf_out_room(o)) {
        /* Doubling keeps the copies of an output of unknown size linear in all. */
        size_t total = o->used + n;
        int status = lf_out_reserve(o, total <= SIZE_MAX / 2 ? 2 * total + 4096 : total);
        if (status) return status;
    }
    memcpy(*o->buf + o->used, bytes, n);
    o->used += n;
    return LF_OK;
}
