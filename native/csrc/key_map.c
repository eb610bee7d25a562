#include "lf/key_map.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <xxhash.h>

/* Three quarters full: a key that is not there is missed after some 8 probes, mostly in one or two cache lines. */
#define LOAD_OF(slots) ((slots) / 4 * 3 + (slots) % 4 * 3 / 4)

_Static_assert(LF_KEY_SECRET_BYTES >= XXH3_SECRET_SIZE_MIN, "XXH3 wants a longer secret");

int lf_key_map_new(lf_key_map **out, size_t bytes, size_t keys) {
    *out = NULL;
    size_t slots = bytes / sizeof(lf_key_slot), wanted = keys < SIZE_MAX / 4 ? keys / 3 * 4 + 4 : SIZE_MAX / 4;
    if (slots > wanted) slots = wanted;
    if (slots < 2) slots = 2;
    lf_key_map *m = calloc(1, sizeof *m);
    if (!m) return LF_E_NOMEM;
    /* Anonymous memory: zero, untouched pages cost nothing, and all of it goes back when the map does. */
    m->slots = mmap(NULL, slots * sizeof *m->slots, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m->slots == MAP_FAILED || getrandom(m->secret, sizeof m->secret, 0) != (ssize_t)sizeof m->secret) {
        if (m->slots != MAP_FAILED) munmap(m->slots, slots * sizeof *m->slots);
        free(m);
        return LF_E_NOMEM;
    }
    madvise(m->slots, slots * sizeof *m->slots, MADV_HUGEPAGE);
    m->n_slots = slots;
    m->limit = LOAD_OF(slots);
    *out = m;
    return LF_OK;
}

void lf_key_map_free(lf_key_map *m) {
    if (!m) return;
    munmap(m->slots, m->n_slots * sizeof *m->slots);
    free(m);
}

lf_key lf_key_hash(const lf_key_map *m, const uint8_t *key, size_t n) {
    XXH128_hash_t h = XXH3_128bits_withSecret(key, n, m->secret, sizeof m->secret);
    return (lf_key){h.low64, h.high64};
}
