/* Snappy in the framing of snappy-java (xerial), as Kafka writes it; raw blocks are read too, since some
   clients send them. FORMAT.md, "Snappy framing". */
#include "codec_impl.h"

#include <string.h>

#include <lf/batch_layout.h>
#include <snappy-c.h>

#define FRAME_MAGIC "\x82SNAPPY" /* 8 bytes with the closing zero */
#define FRAME_MAGIC_SIZE 8
#define FRAME_VERSION_AT FRAME_MAGIC_SIZE
#define FRAME_COMPATIBLE_AT (FRAME_VERSION_AT + 4)
#define FRAME_HEADER_SIZE (FRAME_COMPATIBLE_AT + 4)
#define FRAME_VERSION 1
#define FRAME_BLOCK_SIZE ((size_t)32 << 10)
#define BLOCK_LENGTH_SIZE 4

/* No raw block unpacks to more: 3 bytes (tag and two of offset) copy 64. A claim above is a lie that
   must not be allocated. */
static int claim_is_absurd(size_t packed, size_t claimed) { return claimed / 22 > packed; }

size_t lf_snappy_bound(size_t n) {
    size_t full = n / FRAME_BLOCK_SIZE, rest = n % FRAME_BLOCK_SIZE;
    size_t bound = FRAME_HEADER_SIZE;
    bound += full * (BLOCK_LENGTH_SIZE + snappy_max_compressed_length(FRAME_BLOCK_SIZE));
    return rest ? bound + BLOCK_LENGTH_SIZE + snappy_max_compressed_length(rest) : bound;
}

int lf_snappy_compress(const uint8_t *src, size_t n, uint8_t *dst, size_t cap, size_t *out) {
    memcpy(dst, FRAME_MAGIC, FRAME_MAGIC_SIZE);
    lf_put32(dst + FRAME_VERSION_AT, FRAME_VERSION);
    lf_put32(dst + FRAME_COMPATIBLE_AT, FRAME_VERSION);
    size_t at = FRAME_HEADER_SIZE;
    while (n) {
        size_t block = n < FRAME_BLOCK_SIZE ? n : FRAME_BLOCK_SIZE;
        size_t packed = cap - at - BLOCK_LENGTH_SIZE;
        char *to = (char *)dst + at + BLOCK_LENGTH_SIZE;
        if (snappy_compress((const char *)src, block, to, &packed) != SNAPPY_OK) return LF_E_TOO_LARGE;
        lf_put32(dst + at, (uint32_t)packed);
        at += BLOCK_LENGTH_SIZE + packed;
        src += block;
        n -= block;
    }
    *out = at;
    return LF_OK;
}

/* Unpacks one raw block behind what is already there. */
static int unpack_block(const uint8_t *src, size_t n, lf_out *o) {
    size_t size;
    if (snappy_uncompressed_length((const char *)src, n, &size) != SNAPPY_OK) return LF_E_CORRUPT;
    if (claim_is_absurd(n, size)) return LF_E_CORRUPT;
    if (size > o->max - o->used) return LF_E_BOMB;
    if (size > lf_out_room(o)) {
        int status = lf_out_reserve(o, o->used + size);
        if (status) return status;
    }
    char none; /* an empty block may come before any allocation */
    char *to = *o->buf ? (char *)*o->buf + o->used : &none;
    if (snappy_uncompress((const char *)src, n, to, &size) != SNAPPY_OK) return LF_E_CORRUPT;
    o->used += size;
    return LF_OK;
}

/* Moves *at over one frame header, if one is there. LF_OK, LF_E_END (no header), or an error. */
static int skip_frame_header(const uint8_t *src, size_t n, size_t *at) {
    size_t left = n - *at;
    size_t seen = left < FRAME_MAGIC_SIZE ? left : FRAME_MAGIC_SIZE;
    if (memcmp(src + *at, FRAME_MAGIC, seen)) return LF_E_END;
    if (left < FRAME_HEADER_SIZE) return LF_E_TRUNCATED;
    if (lf_get32(src + *at + FRAME_COMPATIBLE_AT) > FRAME_VERSION) return LF_E_CORRUPT;
    if (lf_get32(src + *at + FRAME_VERSION_AT) < FRAME_VERSION) return LF_E_CORRUPT;
    *at += FRAME_HEADER_SIZE;
    return LF_OK;
}

/* The unpacked size of all blocks of a frame, as far as the block lengths are plausible. */
static size_t claimed_size(const uint8_t *src, size_t n, size_t at) {
    size_t total = 0;
    while (n - at > BLOCK_LENGTH_SIZE) {
        size_t packed = lf_get32(src + at), size;
        at += BLOCK_LENGTH_SIZE;
        if (packed > n - at) break;
        if (snappy_uncompressed_length((const char *)src + at, packed, &size) != SNAPPY_OK) break;
        if (claim_is_absurd(packed, size)) break;
        total += size;
        at += packed;
    }
    return total;
}

int lf_snappy_decompress(const uint8_t *src, size_t n, lf_out *o) {
    size_t at = 0;
    int status = skip_frame_header(src, n, &at);
    /* No raw block starts like the magic: behind its length would come a copy of what is not there. */
    if (status == LF_E_END) return unpack_block(src, n, o);
    if (status) return status;
    size_t claimed = claimed_size(src, n, at);
    if (claimed > o->max) return LF_E_BOMB;
    status = lf_out_reserve(o, claimed);
    while (status == LF_OK && at < n) {
        /* Frames may follow each other; the header stands where a block length would. */
        status = skip_frame_header(src, n, &at);
        if (status == LF_OK) continue;
        if (status != LF_E_END) break;
        if (n - at < BLOCK_LENGTH_SIZE) return LF_E_TRUNCATED;
        size_t packed = lf_get32(src + at);
        at += BLOCK_LENGTH_SIZE;
        if (packed > INT32_MAX) return LF_E_CORRUPT;
        if (packed > n - at) return LF_E_TRUNCATED;
        status = unpack_block(src + at, packed, o);
        at += packed;
    }
    return status;
}
