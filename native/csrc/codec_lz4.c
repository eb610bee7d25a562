/* LZ4 frames as Kafka's Java client writes them: independent blocks of 64 KiB, no content checksum, no
   content size. FORMAT.md, "Compressed records". */
#include "codec_impl.h"

#include <stdlib.h>
#include <string.h>

#include <lz4.h>
#include <lz4frame.h>
#include <lz4hc.h>

#define FRAME_MAGIC 0x184D2204u
#define FLAG_CONTENT_CHECKSUM 0x04
#define FLAG_CONTENT_SIZE 0x08
#define FLAGS_PLAIN 0x60 /* version 1, independent blocks; neither a dictionary nor anything unknown */
#define FLAGS_PLAIN_MASK 0xe3
#define FLAG_BLOCK_CHECKSUM 0x10
#define BLOCK_STORED 0x80000000u

/* Kafka numbers the levels of lz4-java: 9, its default, is the fast compressor, the others choose LZ4HC. */
#define KAFKA_LEVEL_FAST 9
#define KAFKA_LEVEL_MIN 1
#define KAFKA_LEVEL_MAX 17

/* A block unpacks to at most 255 times its size. */
#define EXPANSION_MAX 255

struct lf_lz4 {
    LZ4F_cctx *pack;
    LZ4F_dctx *unpack;
};

static const LZ4F_preferences_t PREFERENCES = {
    .frameInfo = {.blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent},
    .autoFlush = 1, /* all input comes in one call: compress from it without a copy */
};

void lf_lz4_free(lf_lz4 *ctx) {
    if (!ctx) return;
    LZ4F_freeCompressionContext(ctx->pack);
    LZ4F_freeDecompressionContext(ctx->unpack);
    free(ctx);
}

static int ensure_context(lf_lz4 **ctx, int packing) {
    if (!*ctx && !(*ctx = calloc(1, sizeof(lf_lz4)))) return LF_E_NOMEM;
    lf_lz4 *c = *ctx;
    if (packing && !c->pack && LZ4F_isError(LZ4F_createCompressionContext(&c->pack, LZ4F_VERSION))) return LF_E_NOMEM;
    if (!packing && !c->unpack && LZ4F_isError(LZ4F_createDecompressionContext(&c->unpack, LZ4F_VERSION)))
        return LF_E_NOMEM;
    return LF_OK;
}

size_t lf_lz4_bound(size_t n) { return LZ4F_compressFrameBound(n, &PREFERENCES); }

int lf_lz4_check_level(int level) {
    return level >= KAFKA_LEVEL_MIN && level <= KAFKA_LEVEL_MAX ? LF_OK : LF_E_OUT_OF_RANGE;
}

static int library_level(int level) {
    if (level == LF_LEVEL_DEFAULT || level == KAFKA_LEVEL_FAST) return 0;
    return level < LZ4HC_CLEVEL_MIN ? LZ4HC_CLEVEL_MIN : level > LZ4HC_CLEVEL_MAX ? LZ4HC_CLEVEL_MAX : level;
}

int lf_lz4_compress(lf_lz4 **ctx, int level, const uint8_t *src, size_t n, uint8_t *dst, size_t cap, size_t *out) {
    int status = ensure_context(ctx, 1);
    if (status) return status;
    LZ4F_cctx *pack = (*ctx)->pack;
    LZ4F_preferences_t preferences = PREFERENCES;
    preferences.compressionLevel = library_level(level);
    size_t at = LZ4F_compressBegin(pack, dst, cap, &preferences);
    if (LZ4F_isError(at)) return LF_E_NOMEM;
    if (n) {
        size_t body = LZ4F_compressUpdate(pack, dst + at, cap - at, src, n, NULL);
        if (LZ4F_isError(body)) return LF_E_TOO_LARGE;
        at += body;
    }
    size_t tail = LZ4F_compressEnd(pack, dst + at, cap - at, NULL);
    if (LZ4F_isError(tail)) return LF_E_TOO_LARGE;
    *out = at + tail;
    return LF_OK;
}

static uint32_t little32(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* At least the unpacked size of the first frame, if it is well formed: its content size, or its blocks
   counted and taken as full. Only a hint for the first allocation. */
static size_t size_hint(const uint8_t *src, size_t n) {
    if (n < 7 || little32(src) != FRAME_MAGIC) return 0;
    uint8_t flags = src[4];
    size_t limit = n * EXPANSION_MAX;
    if (flags & FLAG_CONTENT_SIZE) {
        if (n < 14) return 0;
        size_t size = little32(src + 6) | (size_t)little32(src + 10) << 32;
        return size < limit ? size : limit;
    }
    size_t block_max = (size_t)1 << (8 + 2 * (src[5] >> 4 & 7));
    size_t extra = flags & FLAG_BLOCK_CHECKSUM ? 4 : 0, at = 7, total = 0;
    while (n - at >= 4) {
        uint32_t word = little32(src + at);
        size_t packed = word & ~BLOCK_STORED;
        if (packed == 0 || packed + extra > n - at - 4) break;
        total += word & BLOCK_STORED ? packed : block_max;
        at += 4 + packed + extra;
    }
    return total < limit ? total : limit;
}

static int status_of(size_t code) {
    const char *name = LZ4F_getErrorName(code);
    if (strstr(name, "allocation")) return LF_E_NOMEM;
    return strstr(name, "incomplete") ? LF_E_TRUNCATED : LF_E_CORRUPT;
}

int lf_lz4_decompress(lf_lz4 **ctx, const uint8_t *src, size_t n, lf_out *o) {
    int status = ensure_context(ctx, 0);
    if (!status) status = lf_out_reserve(o, size_hint(src, n));
    if (status) return status;
    LZ4F_dctx *unpack = (*ctx)->unpack;
    LZ4F_resetDecompressionContext(unpack); /* the call before may have ended in an error */
    uint8_t spill[LF_SPILL_BYTES];
    size_t at = 0, wanted = 1;
    for (;;) {
        size_t room = lf_out_room(o), produced = room ? room : sizeof spill, taken = n - at;
        uint8_t *to = room ? *o->buf + o->used : spill;
        wanted = LZ4F_decompress(unpack, to, &produced, src + at, &taken, NULL);
        if (LZ4F_isError(wanted)) return status_of(wanted);
        at += taken;
        if (room) o->used += produced;
        else if ((status = lf_out_spill(o, spill, produced))) return status;
        if (at == n && wanted == 0) return LF_OK;
        /* All input is in and there was room left: what is missing is input. */
        if (at == n && produced < (room ? room : sizeof spill)) return LF_E_TRUNCATED;
    }
}

/* Blocks one by one, the last of them in part: the library's frames give out whole blocks only. Sums are not looked at,
 * as the batch has its own. */
int lf_lz4_front(const uint8_t *src, size_t n, double share, lf_out *o) {
    size_t hint = size_hint(src, n), wanted = (size_t)((double)hint * share) + 1;
    if (!hint || (src[4] & FLAGS_PLAIN_MASK) != FLAGS_PLAIN) return LF_E_CODEC;
    size_t block_max = (size_t)1 << (8 + 2 * (src[5] >> 4 & 7)), extra = src[4] & FLAG_BLOCK_CHECKSUM ? 4 : 0;
    size_t at = src[4] & FLAG_CONTENT_SIZE ? 15 : 7;
    int status = lf_out_reserve(o, wanted);
    if (status) return status;
    while (o->used < wanted) {
        if (at > n || n - at < 4) return LF_E_TRUNCATED;
        uint32_t word = little32(src + at);
        size_t packed = word & ~BLOCK_STORED, room = wanted - o->used < block_max ? wanted - o->used : block_max;
        if (!word) return LF_OK; /* the end mark */
        at += 4;
        if (packed > n - at || packed > block_max) return LF_E_CORRUPT;
        if (room > lf_out_room(o)) return LF_E_BOMB;
        uint8_t *to = *o->buf + o->used;
        if (word & BLOCK_STORED) {
            if (room > packed) room = packed;
            memcpy(to, src + at, room);
            o->used += room;
        } else {
            int got = LZ4_decompress_safe_partial((const char *)src + at, (char *)to, (int)packed, (int)room, (int)room);
            if (got < 0) return LF_E_CORRUPT;
            o->used += (size_t)got;
        }
        at += packed + extra;
    }
    return LF_OK;
}
