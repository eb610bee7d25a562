/* What the codecs share: their contexts and a bounded output buffer. Private to codecs.c and codec_*.c. */
#ifndef LF_CODEC_IMPL_H
#define LF_CODEC_IMPL_H

#include <lf/codecs.h>

typedef struct lf_gzip lf_gzip;
typedef struct lf_lz4 lf_lz4;
typedef struct lf_zstd lf_zstd;

struct lf_codec_ctx {
    lf_gzip *gzip;
    lf_lz4 *lz4;
    lf_zstd *zstd;
};

/* Output that grows up to `max` bytes and no further. The buffer may already be larger than that:
   it is the caller's and is used again. */
typedef struct lf_out {
    uint8_t **buf;
    size_t *cap;
    size_t used;
    size_t max;
} lf_out;

/* Room behind `used` without growing. */
static inline size_t lf_out_room(const lf_out *o) {
    size_t cap = *o->cap < o->max ? *o->cap : o->max;
    return cap - o->used;
}

/* Grows the buffer to min(total, max) bytes. LF_OK or LF_E_NOMEM. */
int lf_out_reserve(lf_out *o, size_t total);

/* Appends bytes that found no room, growing the buffer for more. LF_OK, LF_E_BOMB or LF_E_NOMEM. */
int lf_out_spill(lf_out *o, const uint8_t *bytes, size_t n);

/* A decoder that meets a full buffer decodes into this many bytes on the stack first: they tell whether
   any output is left at all, so that an exactly filled buffer is neither grown nor called a bomb. */
#define LF_SPILL_BYTES 256

void lf_gzip_free(lf_gzip *ctx);
size_t lf_gzip_bound(size_t n);
int lf_gzip_check_level(int level);
int lf_gzip_compress(lf_gzip **ctx, int level, const uint8_t *src, size_t n, uint8_t *dst, size_t cap, size_t *out);
int lf_gzip_decompress(lf_gzip **ctx, const uint8_t *src, size_t n, lf_out *o);

size_t lf_snappy_bound(size_t n);
int lf_snappy_compress(const uint8_t *src, size_t n, uint8_t *dst, size_t cap, size_t *out);
int lf_snappy_decompress(const uint8_t *src, size_t n, lf_out *o);

void lf_lz4_free(lf_lz4 *ctx);
size_t lf_lz4_bound(size_t n);
int lf_lz4_check_level(int level);
int lf_lz4_compress(lf_lz4 **ctx, int level, const uint8_t *src, size_t n, uint8_t *dst, size_t cap, size_t *out);
int lf_lz4_decompress(lf_lz4 **ctx, const uint8_t *src, size_t n, lf_out *o);
/* About `share` of what is packed. Any status but LF_OK: not to be had this way. */
int lf_lz4_front(const uint8_t *src, size_t n, double share, lf_out *o);

void lf_zstd_free(lf_zstd *ctx);
size_t lf_zstd_bound(size_t n);
int lf_zstd_check_level(int level);
int lf_zstd_compress(lf_zstd **ctx, int level, const uint8_t *src, size_t n, uint8_t *dst, size_t cap, size_t *out);
int lf_zstd_decompress(lf_zstd **ctx, const uint8_t *src, size_t n, lf_out *o);

#endif
