/* The schema of a batch of records. Its strings are literals; its nodes share one allocation. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "arrow_schema.h"

typedef struct schema_block {
    _Atomic int32_t refs;
    int32_t n;
    struct ArrowSchema nodes[LF_SCHEMA_NODES];
    struct ArrowSchema *children[LF_SCHEMA_NODES];
} schema_block;

static void release_node(struct ArrowSchema *s) {
    schema_block *b = (schema_block *)s->private_data;
    for (int64_t i = 0; i < s->n_children; i++)
        if (s->children[i]->release) s->children[i]->release(s->children[i]);
    if (s->dictionary && s->dictionary->release) s->dictionary->release(s->dictionary);
    s->release = NULL;
    if (atomic_fetch_sub(&b->refs, 1) == 1) free(b);
}

static schema_block *new_block(void) {
    schema_block *b = (schema_block *)malloc(sizeof *b);
    if (!b) return NULL;
    atomic_init(&b->refs, 0);
    b->n = 0;
    return b;
}

static struct ArrowSchema *add(schema_block *b, const char *format, const char *name, int64_t flags) {
    struct ArrowSchema *s = &b->nodes[b->n];
    *s = (struct ArrowSchema){
        .format = format, .name = name, .flags = flags, .release = release_node, .private_data = b,
    };
    b->children[b->n++] = s;
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return s;
}

/* Makes the `count` nodes from `first` on the children of `parent`. */
static void adopt(schema_block *b, struct ArrowSchema *parent, const struct ArrowSchema *first, int64_t count) {
    parent->n_children = count;
    parent->children = &b->children[first - b->nodes];
}

static const char *format_of(lf_arrow_kind kind) {
    return kind == LF_ARROW_VIEWS ? "vz" : kind == LF_ARROW_BINARY ? "z" : "Z";
}

static void add_column(schema_block *b, int column, const lf_arrow_form *form) {
    switch (column) {
    case LF_COLUMN_TOPIC: add(b, "i", "topic", 0); break;
    case LF_COLUMN_PARTITION: add(b, "i", "partition", 0); break;
    case LF_COLUMN_OFFSET: add(b, "l", "offset", 0); break;
    case LF_COLUMN_TIMESTAMP: add(b, "tsm:UTC", "timestamp", ARROW_FLAG_NULLABLE); break;
    case LF_COLUMN_KEY: add(b, format_of(form->keys), "key", ARROW_FLAG_NULLABLE); break;
    case LF_COLUMN_VALUE: add(b, format_of(form->values), "value", ARROW_FLAG_NULLABLE); break;
    default: add(b, "+l", "headers", 0);
    }
}

int lf_arrow_schema(const lf_arrow_form *form, struct ArrowSchema *out) {
    schema_block *b = new_block();
    if (!b) return LF_E_NOMEM;
    struct ArrowSchema *root = add(b, "+s", "", 0);
    for (int32_t i = 0; i < form->n_columns; i++) add_column(b, form->columns[i], form);
    adopt(b, root, root + 1, form->n_columns);
    for (int32_t i = 0; i < form->n_columns; i++) {
        struct ArrowSchema *column = root + 1 + i;
        if (form->columns[i] == LF_COLUMN_TOPIC) column->dictionary = add(b, "u", "", 0);
        if (form->columns[i] != LF_COLUMN_HEADERS) continue;
        struct ArrowSchema *item = add(b, "+s", "item", 0);
        struct ArrowSchema *name = add(b, "u", "key", 0);
        add(b, format_of(form->values), "value", ARROW_FLAG_NULLABLE);
        adopt(b, column, item, 1);
        adopt(b, item, name, 2);
    }
    *out = *root;
    return LF_OK;
}

int lf_schema_bytes(struct ArrowSchema *out, const char *name, lf_arrow_kind kind) {
    schema_block *b = new_block();
    if (!b) return LF_E_NOMEM;
    *out = *add(b, format_of(kind), name, ARROW_FLAG_NULLABLE);
    return LF_OK;
}

lf_arrow_kind lf_arrow_requested(const struct ArrowSchema *schema, const char *name) {
    const struct ArrowSchema *s = name ? NULL : schema;
    for (int64_t i = 0; name && i < schema->n_children; i++)
        if (schema->children[i]->name && !strcmp(schema->children[i]->name, name)) s = schema->children[i];
    if (!s || !s->format || s->dictionary) return LF_ARROW_VIEWS;
    if (!strcmp(s->format, "z") || !strcmp(s->format, "u")) return LF_ARROW_BINARY;
    if (!strcmp(s->format, "Z") || !strcmp(s->format, "U")) return LF_ARROW_LARGE;
    return LF_ARROW_VIEWS;
}
