/* Any bytes as record batches: checked, walked, resynchronized, their records decoded. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "lf/crc32c.h"
#include "lf/log.h"
#include "lf/records.h"

/* The decoder must not be kept out by a wrong CRC or length, so most inputs get right ones. */
static void mend(uint8_t *p, size_t n) {
    if (n < LF_BATCH_RECORDS_AT) return;
    lf_put32(p + LF_BATCH_LENGTH_AT, (uint32_t)(n - LF_BATCH_LENGTH_OVERHEAD));
    p[LF_BATCH_MAGIC_AT] = 2;
    lf_put32(p + LF_BATCH_CRC_AT, lf_crc32c(0, p + LF_BATCH_ATTRIBUTES_AT, n - LF_BATCH_ATTRIBUTES_AT));
}

static void decode(const lf_batch *b, const uint8_t *base, int32_t step) {
    lf_columns c = {0};
    lf_records r;
    const char *reason = "";
    lf_records_begin(&r, b, base, (uint32_t)(b->position + LF_BATCH_RECORDS_AT), (uint32_t)(b->position + b->size));
    while (r.index < r.count) {
        int32_t before = c.n, index = r.index;
        if (lf_records_decode(&r, b->base_offset, step, &c, &reason)) break;
        LF_FUZZ_REQUIRE(c.n > before && r.index > index);
    }
    for (int32_t i = 0; i < c.n; i++) {
        LF_FUZZ_REQUIRE(c.offsets[i] >= b->base_offset && c.offsets[i] <= b->last_offset);
        LF_FUZZ_REQUIRE(c.key_len[i] >= -1 && c.value_len[i] >= -1);
        LF_FUZZ_REQUIRE((int64_t)c.value_at[i] + (c.value_len[i] > 0 ? c.value_len[i] : 0) <= b->position + b->size);
        LF_FUZZ_REQUIRE((int64_t)c.key_at[i] + (c.key_len[i] > 0 ? c.key_len[i] : 0) <= c.value_at[i]);
    }
    lf_columns_free(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    uint8_t mode = *data++;
    uint8_t *copy = malloc(--size ? size : 1); /* of exactly this size: ASan sees each byte too many */
    if (!copy) return 0;
    memcpy(copy, data, size);
    if (mode & 3) mend(copy, size);
    lf_batch b;
    const char *reason;
    for (int64_t at = 0; at < (int64_t)size && !lf_batch_check(copy + at, (int64_t)size - at, at, mode & 1, &b, &reason); at += b.size) {
        LF_FUZZ_REQUIRE(b.last_offset >= b.base_offset && b.base_offset >= 0 && b.size >= LF_BATCH_RECORDS_AT);
        decode(&b, copy, mode & 4 ? 3 : 1 << 20);
    }
    int64_t found = lf_batch_resync(copy, 0, (int64_t)size, mode & 8 ? 5 : 0);
    LF_FUZZ_REQUIRE(found < (int64_t)size);
    found = lf_batch_behind_damage(copy, 0, (int64_t)size, 0, -1, -1);
    LF_FUZZ_REQUIRE(found < (int64_t)size);
    free(copy);
    return 0;
}
