/* Any bytes decompressed with any codec, capped; and each input comes back from being compressed. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "lf/codecs.h"

#define CAP ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static lf_codec_ctx *ctx;
    if (!ctx) ctx = lf_codec_ctx_new();
    if (size < 1 || !ctx) return 0;
    int codec = *data++ % (LF_CODEC_COUNT + 1);
    size--;
    uint8_t *out = NULL, *source = malloc(size ? size : 1);
    if (!source) return 0;
    memcpy(source, data, size);
    size_t cap = 0, n = 0;
    if (!lf_decompress(ctx, codec, source, size, &out, &cap, CAP, &n)) LF_FUZZ_REQUIRE(n <= CAP && n <= cap);
    if (codec < LF_CODEC_COUNT) {
        size_t bound = lf_compress_bound(codec, size), packed_size = 0;
        uint8_t *packed = malloc(bound ? bound : 1);
        if (packed && !lf_compress(ctx, codec, LF_LEVEL_DEFAULT, source, size, packed, bound, &packed_size)) {
            LF_FUZZ_REQUIRE(packed_size <= bound);
            LF_FUZZ_REQUIRE(lf_decompress(ctx, codec, packed, packed_size, &out, &cap, CAP, &n) == LF_OK);
            LF_FUZZ_REQUIRE(n == size && (!n || !memcmp(out, source, n)));
        }
        free(packed);
    }
    free(out);
    free(source);
    return 0;
}
