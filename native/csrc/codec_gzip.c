/* gzip through isa-l's igzip, and through zlib for the levels igzip does not reach.
   FORMAT.md, "Compressed records".

   Measured on JSON lines (256 KiB, MB/s and ratio): igzip 2: 1580, 8.5; igzip 3: 510, 9.1; zlib 1: 360, 8.2;
   zlib 6: 120, 10.5; zlib 9: 40, 11.0. Unpacking: igzip 3000, zlib 1160. Hence levels 1 to 3 and the
   default are igzip's, and who asks for 4 to 9 wants zlib's ratio. */
#include "codec_impl.h"

#include <stdlib.h>
#include <string.h>

#include <isa-l/igzip_lib.h>
#include <zlib.h>

#define LEVEL_MIN 1
#define LEVEL_MAX 9
#define LEVEL_KAFKA_DEFAULT (-1)
#define LEVEL_DEFAULT 2
#define IGZIP_LEVEL_MAX 3
#define IGZIP_WORK_SIZE ISAL_DEF_LVL3_DEFAULT

#define ZLIB_GZIP_WINDOW (15 + 16) /* zlib: a window of 2^15, and the gzip wrapper */

#define MEMBER_MIN 18 /* header 10, trailer 8 */
#define EXPANSION_MAX 1032 /* deflate's best: 258 bytes in 2 bits */

struct lf_gzip {
    struct isal_zstream *pack;
    uint8_t *work; /* igzip's hash tables and tokens */
    struct inflate_state *unpack;
    z_stream zlib;
    int zlib_level; /* 0: the stream is not made */
};

void lf_gzip_free(lf_gzip *ctx) {
    if (!ctx) return;
    if (ctx->zlib_level) deflateEnd(&ctx->zlib);
    free(ctx->pack);
    free(ctx->work);
    free(ctx->unpack);
    free(ctx);
}

static int ensure_context(lf_gzip **ctx) {
    if (!*ctx) *ctx = calloc(1, sizeof(lf_gzip));
    return *ctx ? LF_OK : LF_E_NOMEM;
}

/* zlib's compressBound() for its default memory level is the larger need; igzip stores what does not shrink,
   with 5 bytes for each 64 KiB. */
size_t lf_gzip_bound(size_t n) { return n + (n >> 10) + 64; }

int lf_gzip_check_level(int level) {
    if (level == LEVEL_KAFKA_DEFAULT) return LF_OK;
    return level >= LEVEL_MIN && level <= LEVEL_MAX ? LF_OK : LF_E_OUT_OF_RANGE;
}

static int compress_igzip(lf_gzip *ctx, int level, const uint8_t *src, size_t n, uint8_t *dst, size_t cap,
                          size_t *out) {
    if (!ctx->pack && !(ctx->pack = malloc(sizeof *ctx->pack))) return LF_E_NOMEM;
    if (!ctx->work && !(ctx->work = malloc(IGZIP_WORK_SIZE))) return LF_E_NOMEM;
    struct isal_zstream *s = ctx->pack;
    isal_deflate_stateless_init(s);
    s->level = (uint32_t)level;
    s->level_buf = ctx->work;
    s->level_buf_size = IGZIP_WORK_SIZE;
    s->gzip_flag = IGZIP_GZIP;
    s->end_of_stream = 1;
    s->next_in = (uint8_t *)(uintptr_t)src; /* only read */
    s->avail_in = (uint32_t)n;
    s->next_out = dst;
    s->avail_out = cap < UINT32_MAX ? (uint32_t)cap : UINT32_MAX;
    if (isal_deflate_stateless(s) != COMP_OK) return LF_E_TOO_LARGE;
    *out = s->total_out;
    return LF_OK;
}

static int compress_zlib(lf_gzip *ctx, int level, const uint8_t *src, size_t n, uint8_t *dst, size_t cap, size_t *out) {
    z_stream *z = &ctx->zlib;
    if (ctx->zlib_level != level) {
        if (ctx->zlib_level) deflateEnd(z);
        ctx->zlib_level = 0;
        memset(z, 0, sizeof *z);
        if (deflateInit2(z, level, Z_DEFLATED, ZLIB_GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK) return LF_E_NOMEM;
        ctx->zlib_level = level;
    } else {
        deflateReset(z);
    }
    z->next_in = (uint8_t *)(uintptr_t)src;
    z->avail_in = (uInt)n;
    z->next_out = dst;
    z->avail_out = cap < UINT32_MAX ? (uInt)cap : UINT32_MAX;
    if (deflate(z, Z_FINISH) != Z_STREAM_END) return LF_E_TOO_LARGE;
    *out = z->total_out;
    return LF_OK;
}

int lf_gzip_compress(lf_gzip **ctx, int level, const uint8_t *src, size_t n, uint8_t *dst, size_t cap, size_t *out) {
    int status = ensure_context(ctx);
    if (status) return status;
    if (level == LF_LEVEL_DEFAULT || level == LEVEL_KAFKA_DEFAULT) level = LEVEL_DEFAULT;
    if (level <= IGZIP_LEVEL_MAX) return compress_igzip(*ctx, level, src, n, dst, cap, out);
    return compress_zlib(*ctx, level, src, n, dst, cap, out);
}

/* The size that the last member claims (modulo 4 GiB): exact for the usual single member. */
static size_t size_hint(const uint8_t *src, size_t n) {
    if (n < MEMBER_MIN) return 0;
    const uint8_t *p = src + n - 4;
    size_t claimed = (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
    return claimed < n * EXPANSION_MAX ? claimed : n * EXPANSION_MAX;
}

/* Unpacks one member and moves *at behind it. */
static int unpack_member(struct inflate_state *s, const uint8_t *src, size_t n, size_t *at, lf_out *o) {
    uint8_t spill[LF_SPILL_BYTES];
    isal_inflate_init(s);
    s->crc_flag = ISAL_GZIP;
    s->next_in = (uint8_t *)(uintptr_t)src + *at;
    s->avail_in = (uint32_t)(n - *at);
    do {
        size_t room = lf_out_room(o);
        if (room > UINT32_MAX) room = UINT32_MAX;
        s->next_out = room ? *o->buf + o->used : spill;
        s->avail_out = (uint32_t)(room ? room : sizeof spill);
        uint32_t offered = s->avail_out, fed = s->avail_in;
        if (isal_inflate(s) < 0) return LF_E_CORRUPT;
        size_t produced = offered - s->avail_out;
        int status = room ? LF_OK : lf_out_spill(o, spill, produced);
        if (status) return status;
        if (room) o->used += produced;
        if (s->block_state == ISAL_BLOCK_FINISH) break;
        if (s->avail_out && !s->avail_in) return LF_E_TRUNCATED;
        if (!produced && s->avail_in == fed) return LF_E_CORRUPT; /* no step forward: never loop */
    } while (1);
    /* igzip reads ahead into a word of bits; whole bytes in it belong to the next member. */
    *at = (size_t)(s->next_in - src) - (s->read_in_length > 0 ? (size_t)s->read_in_length / 8 : 0);
    return LF_OK;
}

int lf_gzip_decompress(lf_gzip **ctx, const uint8_t *src, size_t n, lf_out *o) {
    int status = ensure_context(ctx);
    if (status) return status;
    lf_gzip *c = *ctx;
    if (!c->unpack && !(c->unpack = malloc(sizeof *c->unpack))) return LF_E_NOMEM;
    status = lf_out_reserve(o, size_hint(src, n));
    for (size_t at = 0; status == LF_OK && at < n;) status = unpack_member(c->unpack, src, n, &at, o);
    return status;
}
