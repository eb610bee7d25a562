/* Unpacking what stands in front, for who wants one record of a batch. */
#ifndef LF_UNPACK_FRONT_H
#define LF_UNPACK_FRONT_H

#include <lf/codecs.h>

/* As lf_decompress, but what is behind `share` of the whole (0 to 1, from its front) may be missing; of LZ4 in independent
 * blocks, as Kafka's clients write it, most of it is. How large the whole is nobody says: taken for as much as its blocks
 * can hold, so that more comes than was asked for, where the last one is not full. */
int lf_decompress_front(lf_codec_ctx *ctx, int codec, double share, const uint8_t *src, size_t n, uint8_t **buf, size_t *cap,
                        size_t max_size, size_t *out);

#endif
