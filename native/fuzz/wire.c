/* Any bytes read as fields of the protocol, in any order: nothing is taken from behind the end. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "lf/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    size_t steps = data[0] % 32;
    if (size < 2 + steps) return 0;
    const uint8_t *step = data + 2;
    size_t n = size - 2 - steps;
    uint8_t *copy = malloc(n ? n : 1); /* of exactly this size: ASan sees each byte too many */
    if (!copy) return 0;
    memcpy(copy, step + steps, n);
    lf_wire w = {.p = copy, .end = copy + n, .flexible = data[1] & 1, .bad = false};
    for (size_t i = 0; i < steps; i++) {
        const uint8_t *before = w.p, *at;
        int32_t length = 0, count;
        switch (step[i] % 7) {
        case 0: lf_wire_i8(&w); break;
        case 1: lf_wire_i32(&w); break;
        case 2: lf_wire_i64(&w); break;
        case 3:
            at = lf_wire_blob(&w, step[i] & 8 ? 2 : 4, &length);
            LF_FUZZ_REQUIRE(!at || (length >= 0 && at >= copy && at + length <= copy + n));
            break;
        case 4:
            count = lf_wire_count(&w, 1 + step[i] % 16);
            LF_FUZZ_REQUIRE(count >= -1 && (count <= 0 || (size_t)count * (1 + step[i] % 16) <= n));
            break;
        case 5: lf_wire_tags(&w); break;
        default:
            at = lf_wire_take(&w, step[i]);
            LF_FUZZ_REQUIRE(!at || at + step[i] <= copy + n);
        }
        LF_FUZZ_REQUIRE(w.p >= before && w.p <= copy + n);
    }
    free(copy);
    return 0;
}
