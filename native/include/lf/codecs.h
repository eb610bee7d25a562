/* Kafka's compression codecs over whole buffers: none, gzip, snappy, lz4, zstd.
   FORMAT.md, "Compressed records".

   Reading is bounded: no call reads outside src[0, n), and none makes the output buffer larger than
   `max_size`, whatever sizes the input claims. */
#ifndef LF_CODECS_H
#define LF_CODECS_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include <lf/status.h>

/* The codec is the low three bits of a batch's attributes. */
enum lf_codec { LF_CODEC_NONE = 0, LF_CODEC_GZIP, LF_CODEC_SNAPPY, LF_CODEC_LZ4, LF_CODEC_ZSTD, LF_CODEC_COUNT };

#define LF_LEVEL_DEFAULT INT_MIN

/* The libraries' working memory, made when first needed and kept. One per owner: not thread-safe. */
typedef struct lf_codec_ctx lf_codec_ctx;

lf_codec_ctx *lf_codec_ctx_new(void); /* NULL: no memory */
void lf_codec_ctx_free(lf_codec_ctx *ctx); /* NULL is allowed */

/* The most bytes that n bytes can become; 0 for an unknown codec. */
size_t lf_compress_bound(int codec, size_t n);

/* LF_OK if the codec has this level, else LF_E_OUT_OF_RANGE (or LF_E_CODEC). The levels are Kafka's:
   gzip 1..9 (-1: default), lz4 1..17 with 9 the fast compressor (Kafka's default), zstd -131072..22;
   none and snappy have no levels. */
int lf_codec_check_level(int codec, int level);

/* Compresses src[0, n) into dst and stores the size in *out. `cap` must be lf_compress_bound() at
   least (else LF_E_TOO_LARGE), n at most 2 GiB. Statuses: LF_OK, LF_E_CODEC, LF_E_OUT_OF_RANGE (level),
   LF_E_TOO_LARGE, LF_E_NOMEM. */
int lf_compress(lf_codec_ctx *ctx, int codec, int level, const uint8_t *src, size_t n, uint8_t *dst, size_t cap,
                size_t *out);

/* Unpacks src[0, n) into *buf, which has *cap bytes (NULL and 0 at first) and is grown with realloc;
   the caller frees it, also after an error. *out is the unpacked size. All of src must belong to the
   compressed data. Statuses: LF_OK, LF_E_CODEC, LF_E_CORRUPT, LF_E_TRUNCATED, LF_E_TOO_LARGE,
   LF_E_BOMB (more than max_size), LF_E_NOMEM. */
int lf_decompress(lf_codec_ctx *ctx, int codec, const uint8_t *src, size_t n, uint8_t **buf, size_t *cap,
                  size_t max_size, size_t *out);

#endif
