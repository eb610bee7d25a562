/* From a key's 128-bit hash to the latest offset of that key, in memory of a fixed size. The hash stands for
 * the key: with a secret of its own for each map nobody can make two keys meet, and by chance they do not.
 * Not thread-safe: its owner has a lock. */
#ifndef LF_KEY_MAP_H
#define LF_KEY_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lf/status.h"

#define LF_KEY_SECRET_BYTES 192     /* as much as XXH3 has by itself */

typedef struct lf_key {
    uint64_t low, high;
} lf_key;

typedef struct lf_key_slot {
    lf_key key;
    int64_t next;                   /* offset + 1; 0: free */
} lf_key_slot;

typedef struct lf_key_map {
    lf_key_slot *slots;
    size_t n_slots;
    size_t limit;                   /* so many keys at most: a fuller table probes too long */
    size_t used;
    uint8_t secret[LF_KEY_SECRET_BYTES];
} lf_key_map;

/* A map for `keys` keys, or for as many as `bytes` of memory hold, whichever is less; two slots at least.
 * LF_OK or LF_E_NOMEM. */
int lf_key_map_new(lf_key_map **out, size_t bytes, size_t keys);
void lf_key_map_free(lf_key_map *m); /* NULL is allowed */

lf_key lf_key_hash(const lf_key_map *m, const uint8_t *key, size_t n);

/* Where probing for a key begins: the high bits, scaled to the table. */
static inline size_t lf_key_home(const lf_key_map *m, lf_key key) {
    return (size_t)(((unsigned __int128)key.high * m->n_slots) >> 64);
}
static inline void lf_key_prefetch(const lf_key_map *m, lf_key key) {
    __builtin_prefetch(&m->slots[lf_key_home(m, key)]);
}
/* The slot of the key, or the free one where it belongs. */
static inline lf_key_slot *lf_key_slot_of(const lf_key_map *m, lf_key key) {
    size_t i = lf_key_home(m, key);
    for (;;) {
        lf_key_slot *s = &m->slots[i];
        if (!s->next || (s->key.low == key.low && s->key.high == key.high)) return s;
        if (++i == m->n_slots) i = 0;
    }
}
/* Latest offset of the key; -1 when it is not in the map. */
static inline int64_t lf_key_map_get(const lf_key_map *m, lf_key key) { return lf_key_slot_of(m, key)->next - 1; }
/* False when a new key finds the map full; a known one can always be moved on. */
static inline bool lf_key_map_put(lf_key_map *m, lf_key key, int64_t offset) {
    lf_key_slot *s = lf_key_slot_of(m, key);
    if (!s->next) {
        if (m->used == m->limit) return false;
        m->used++;
        s->key = key;
    }
    s->next = offset + 1;
    return true;
}

#endif
