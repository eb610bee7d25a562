/* Zstandard frames, as Kafka's clients write them. FORMAT.md, "Compressed records". */
#include "codec_impl.h"

#include <stdlib.h>

#define ZSTD_STATIC_LINKING_ONLY /* ZSTD_decompressBound */
#include <zstd.h>
#include <zstd_errors.h>

/* The lowest magic byte varies in skippable frames. */
#define SKIPPABLE_MASK 0xFFFFFFF0u

/* A block of 4 bytes can repeat one byte 128 KiB times: no input grows by more. */
#define EXPANSION_MAX ((size_t)32 << 10)

/* Kafka's bounds for compression.zstd.level. */
#define KAFKA_LEVEL_MIN (-131072)
#define KAFKA_LEVEL_MAX 22

struct lf_zstd {
    ZSTD_CCtx *pack;
    ZSTD_DCtx *unpack;
};

void lf_zstd_free(lf_zstd *ctx) {
    if (!ctx) return;
    ZSTD_freeCCtx(ctx->pack);
    ZSTD_freeDCtx(ctx->unpack);
    free(ctx);
}

static int ensure_context(lf_zstd **ctx, int packing) {
    if (!*ctx && !(*ctx = calloc(1, sizeof(lf_zstd)))) return LF_E_NOMEM;
    lf_zstd *c = *ctx;
    if (packing && !c->pack && !(c->pack = ZSTD_createCCtx())) return LF_E_NOMEM;
    if (!packing && !c->unpack && !(c->unpack = ZSTD_createDCtx())) return LF_E_NOMEM;
    return LF_OK;
}

size_t lf_zstd_bound(size_t n) { return ZSTD_compressBound(n); }

int lf_zstd_check_level(int level) {
    return level >= KAFKA_LEVEL_MIN && level <= KAFKA_LEVEL_MAX ? LF_OK : LF_E_OUT_OF_RANGE;
}

static int status_of(size_t code) {
    switch (ZSTD_getErrorCode(code)) {
    case ZSTD_error_memory_allocation: return LF_E_NOMEM;
    case ZSTD_error_srcSize_wrong: return LF_E_TRUNCATED;
    default: return LF_E_CORRUPT;
    }
}

int lf_zstd_compress(lf_zstd **ctx, int level, const uint8_t *src, size_t n, uint8_t *dst, size_t cap, size_t *out) {
    int status = ensure_context(ctx, 1);
    if (status) return status;
    ZSTD_CCtx *pack = (*ctx)->pack;
    if (level == LF_LEVEL_DEFAULT) level = ZSTD_CLEVEL_DEFAULT;
    size_t set = ZSTD_CCtx_setParameter(pack, ZSTD_c_compressionLevel, level);
    if (ZSTD_isError(set)) return LF_E_OUT_OF_RANGE;
    size_t size = ZSTD_compress2(pack, dst, cap, src, n);
    if (ZSTD_isError(size)) return ZSTD_getErrorCode(size) == ZSTD_error_memory_allocation ? LF_E_NOMEM : LF_E_TOO_LARGE;
    *out = size;
    return LF_OK;
}

/* Only the frames of RFC 8878: a libzstd built with its pre-standard formats would take those too. */
static int check_magic(const uint8_t *src, size_t n) {
    if (n < 4) return LF_E_TRUNCATED;
    uint32_t magic = (uint32_t)src[0] | (uint32_t)src[1] << 8 | (uint32_t)src[2] << 16 | (uint32_t)src[3] << 24;
    return magic == ZSTD_MAGICNUMBER || (magic & SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START ? LF_OK : LF_E_CORRUPT;
}

/* One whole frame of n bytes, straight into the output: no window buffer, no copy. */
static int unpack_frame(ZSTD_DCtx *unpack, const uint8_t *src, size_t n, lf_out *o) {
    unsigned long long content = ZSTD_getFrameContentSize(src, n);
    unsigned long long bound = ZSTD_decompressBound(src, n);
    if (content == ZSTD_CONTENTSIZE_ERROR || bound == ZSTD_CONTENTSIZE_ERROR) return LF_E_CORRUPT;
    if (bound / EXPANSION_MAX > n) return LF_E_CORRUPT;
    size_t left = o->max - o->used;
    if (content != ZSTD_CONTENTSIZE_UNKNOWN && content > left) return LF_E_BOMB;
    size_t room = bound < left ? (size_t)bound : left;
    if (room > lf_out_room(o)) {
        int status = lf_out_reserve(o, o->used + room);
        if (status) return status;
    }
    uint8_t none; /* an empty frame may come before any allocation */
    uint8_t *to = *o->buf ? *o->buf + o->used : &none;
    size_t size = ZSTD_decompressDCtx(unpack, to, lf_out_room(o), src, n);
    if (ZSTD_isError(size)) {
        if (ZSTD_getErrorCode(size) == ZSTD_error_dstSize_tooSmall && bound > left) return LF_E_BOMB;
        return status_of(size);
    }
    o->used += size;
    return LF_OK;
}

int lf_zstd_decompress(lf_zstd **ctx, const uint8_t *src, size_t n, lf_out *o) {
    int status = ensure_context(ctx, 0);
    while (status == LF_OK && n) {
        status = check_magic(src, n);
        if (status) return status;
        size_t frame = ZSTD_findFrameCompressedSize(src, n);
        if (ZSTD_isError(frame)) return status_of(frame);
        status = unpack_frame((*ctx)->unpack, src, frame, o);
        src += frame;
        n -= frame;
    }
    return status;
}
