/* Any bytes as a batch that a client wants to append: refused with a reason, or taken whole. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "lf/admit.h"
#include "lf/builder.h"
#include "lf/crc32c.h"
#include "lf/log.h"

#define NOW 1700000000000

/* Bytes alone seldom get far: most inputs are changes of a good batch, with a right CRC. */
static uint8_t *batch_of(const uint8_t *data, size_t size, uint8_t mode, size_t *n) {
    static lf_codec_ctx *codecs;
    if (!codecs) codecs = lf_codec_ctx_new();
    lf_builder b = {0};
    lf_builder_reserve(&b, 4096);
    lf_builder_reset(&b);
    for (int i = 0; i < 1 + mode % 5; i++)
        lf_builder_put(&b, NOW + i, (const uint8_t *)"key", i % 2 ? 3 : -1, (const uint8_t *)"some value of a length", i * 4, 0, 0);
    if (lf_builder_finish(&b, codecs, mode / 5 % LF_CODEC_COUNT, LF_LEVEL_DEFAULT)) {
        free(b.buf);
        return NULL;
    }
    *n = b.start; /* where the next one would begin */
    uint8_t *copy = malloc(*n); /* of exactly this size: ASan sees each byte too many */
    if (!copy) return NULL;
    memcpy(copy, b.buf, *n);
    free(b.buf);
    for (size_t i = 0; i + 2 < size; i += 3) copy[(size_t)(data[i] | data[i + 1] << 8) % *n] = data[i + 2];
    if (mode & 0x80) lf_put32(copy + LF_BATCH_LENGTH_AT, (uint32_t)(*n - LF_BATCH_LENGTH_OVERHEAD));
    lf_put32(copy + LF_BATCH_CRC_AT, lf_crc32c(0, copy + LF_BATCH_ATTRIBUTES_AT, *n - LF_BATCH_ATTRIBUTES_AT));
    return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static lf_admit_room room;
    if (size < 2) return 0;
    uint8_t mode = data[0], rule = data[1];
    size_t n = size -= 2;
    data += 2;
    uint8_t *p = NULL;
    if (mode & 0x60) p = batch_of(data, size, mode, &n);
    else if ((p = malloc(n ? n : 1))) memcpy(p, data, n);
    if (!p) return 0;
    lf_admit_rules rules = {.max_bytes = 1 << 16, .before_max_ms = INT64_MAX, .after_max_ms = 3600000, .max_unpacked = 1 << 18,
                            .keys_required = rule & 1, .append_time = rule & 2, .codec = rule & 4 ? rule / 8 % LF_CODEC_COUNT : -1,
                            .level = LF_LEVEL_DEFAULT};
    uint8_t *out = NULL;
    int64_t taken = 0;
    lf_refusal refusal = {0};
    int rc = lf_admit(&room, &rules, p, (int64_t)n, NOW, &out, &taken, &refusal);
    if (rc == LF_OK) {
        /* What is taken is a good batch for every reader. */
        lf_batch b;
        const char *reason;
        LF_FUZZ_REQUIRE(!lf_batch_check(out, taken, 0, true, &b, &reason));
        LF_FUZZ_REQUIRE(b.size == taken && b.count > 0 && !(b.attributes & LF_ATTR_CONTROL));
    } else {
        LF_FUZZ_REQUIRE(refusal.code > 0 && refusal.reason);
    }
    free(p);
    return 0;
}
