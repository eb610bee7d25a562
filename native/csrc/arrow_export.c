/* A batch of records as an Arrow stream: get_next makes the next stretch of rows into arrays. */
#include "lf/arrow_export.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arrow_block.h"
#include "arrow_schema.h"

/* Rows of one array: a few make no overhead, and a parallel consumer gets several to share out. */
#define CHUNK_ROWS (1 << 17)

typedef struct export {
    lf_rows *rows;
    lf_topics topics;
    lf_arrow_form form;
    int32_t next;           /* row that the next array begins with */
    const char *error;
} export;

static void free_topics(lf_topics *t) {
    free(t->ends);
    free(t->names);
    free(t->of);
}

/* The stretches of rows [from, to), relative to `from`. NULL: no memory. */
static lf_run *runs_of(const lf_rows *rows, int32_t from, int32_t to, int32_t *n_runs, int32_t *first_part) {
    int32_t low = 0, high = rows->n_parts;
    while (low < high) { /* the first part that begins behind `from` */
        int32_t mid = (low + high) / 2;
        if (rows->parts[mid].first_row <= from) low = mid + 1;
        else high = mid;
    }
    int32_t part = low ? low - 1 : 0, n = 0, end = part;
    while (end < rows->n_parts && rows->parts[end].first_row < to) end++;
    lf_run *runs = (lf_run *)malloc((size_t)(end - part + 1) * sizeof *runs);
    if (!runs) return NULL;
    for (int32_t i = part; i < end; i++, n++) {
        const lf_part *p = &rows->parts[i];
        int32_t stop = i + 1 < rows->n_parts ? rows->parts[i + 1].first_row : rows->c.n;
        runs[n] = (lf_run){
            .base = p->base, .size = p->len,
            .from = (p->first_row > from ? p->first_row : from) - from, .to = (stop < to ? stop : to) - from,
        };
    }
    *n_runs = n;
    *first_part = part;
    return runs;
}

/* What is the same for every row of a run. */
static int put_topics(const export *x, lf_block *b, struct ArrowArray *topic, const lf_run *runs, int32_t n_runs,
                      int32_t first_part, int32_t n) {
    const lf_topics *t = &x->topics;
    size_t ends_size = ((size_t)t->n + 1) * sizeof *t->ends, names_size = (size_t)t->ends[t->n];
    int32_t *indexes = (int32_t *)lf_block_alloc(b, (size_t)n * sizeof *indexes);
    int32_t *ends = (int32_t *)lf_block_alloc(b, ends_size);
    char *names = (char *)lf_block_alloc(b, names_size);
    if (!indexes || !ends || !names) return LF_E_NOMEM;
    for (int32_t r = 0; r < n_runs; r++) {
        int32_t index = t->of[x->rows->parts[first_part + r].topic];
        for (int32_t i = runs[r].from; i < runs[r].to; i++) indexes[i] = index;
    }
    memcpy(ends, t->ends, ends_size);
    memcpy(names, t->names, names_size);
    topic->buffers[1] = indexes;
    topic->dictionary = lf_block_node(b, t->n, 3);
    topic->dictionary->buffers[1] = ends;
    topic->dictionary->buffers[2] = names;
    return LF_OK;
}

static int put_partitions(const export *x, lf_block *b, struct ArrowArray *partition, const lf_run *runs, int32_t n_runs,
                          int32_t first_part, int32_t n) {
    int32_t *partitions = (int32_t *)lf_block_alloc(b, (size_t)n * sizeof *partitions);
    if (!partitions) return LF_E_NOMEM;
    for (int32_t r = 0; r < n_runs; r++) {
        int32_t number = x->rows->parts[first_part + r].partition;
        for (int32_t i = runs[r].from; i < runs[r].to; i++) partitions[i] = number;
    }
    partition->buffers[1] = partitions;
    return LF_OK;
}

/* One column of rows [from, from + n), whose bytes lie in `runs`. */
static int put_column(const export *x, lf_block *b, int column, struct ArrowArray *node, lf_run *runs, int32_t n_runs,
                      int32_t first_part, int32_t from, int32_t n) {
    const lf_columns *c = &x->rows->c;
    switch (column) {
    case LF_COLUMN_TOPIC: return put_topics(x, b, node, runs, n_runs, first_part, n);
    case LF_COLUMN_PARTITION: return put_partitions(x, b, node, runs, n_runs, first_part, n);
    case LF_COLUMN_OFFSET: node->buffers[1] = c->offsets + from; return LF_OK;
    case LF_COLUMN_TIMESTAMP:
        node->buffers[1] = c->timestamps + from;
        return lf_block_validity64(b, c->timestamps + from, n, LF_NO_TIMESTAMP, &node->buffers[0], &node->null_count);
    case LF_COLUMN_KEY: return lf_block_bytes(b, node, runs, n_runs, c->key_at + from, c->key_len + from, n, x->form.keys);
    case LF_COLUMN_VALUE: return lf_block_bytes(b, node, runs, n_runs, c->value_at + from, c->value_len + from, n, x->form.values);
    default: return lf_block_headers(b, node, runs, n_runs, from, n, x->form.values);
    }
}

static int put_columns(const export *x, lf_block *b, struct ArrowArray *root, int32_t from, int32_t n) {
    struct ArrowArray *first = root + 1;
    for (int32_t i = 0; i < x->form.n_columns; i++) {
        int column = x->form.columns[i];
        lf_block_node(b, n, column == LF_COLUMN_KEY || column == LF_COLUMN_VALUE ? 3 : 2);
    }
    root->n_children = x->form.n_columns;
    root->children = &b->children[first - b->nodes];
    int32_t n_runs, first_part;
    lf_run *runs = runs_of(x->rows, from, from + n, &n_runs, &first_part);
    if (!runs) return LF_E_NOMEM;
    int rc = LF_OK;
    for (int32_t i = 0; i < x->form.n_columns && !rc; i++)
        rc = put_column(x, b, x->form.columns[i], first + i, runs, n_runs, first_part, from, n);
    free(runs);
    return rc;
}

/* Hands the block's first node out, or takes everything back. */
static int finish(lf_block *b, int rc, struct ArrowArray *out) {
    if (rc) atomic_store(&b->refs, 1); /* nobody has seen the nodes */
    else *out = b->nodes[0];
    lf_block_unref(b);
    return rc;
}

/* Rows from `from` on that fit one array: with 32-bit offsets no column may hold 2 GiB. */
static int32_t chunk_rows(const export *x, int32_t from) {
    const lf_columns *c = &x->rows->c;
    int32_t n = c->n - from < CHUNK_ROWS ? c->n - from : CHUNK_ROWS;
    if (x->form.keys != LF_ARROW_BINARY && x->form.values != LF_ARROW_BINARY) return n;
    int64_t keys = 0, values = 0;
    for (int32_t i = 0; i < n; i++) {
        if (c->key_len[from + i] > 0) keys += c->key_len[from + i];
        if (c->value_len[from + i] > 0) values += c->value_len[from + i];
        if ((keys > INT32_MAX || values > INT32_MAX) && i) return i;
    }
    return n;
}

static int stream_next(struct ArrowArrayStream *s, struct ArrowArray *out) {
    export *x = (export *)s->private_data;
    memset(out, 0, sizeof *out);
    if (x->next >= x->rows->c.n) return 0;
    int32_t n = chunk_rows(x, x->next);
    lf_block *b = lf_block_new(x->rows);
    int rc = b ? LF_OK : LF_E_NOMEM;
    if (b) {
        struct ArrowArray *root = lf_block_node(b, n, 1);
        rc = finish(b, put_columns(x, b, root, x->next, n), out);
    }
    if (rc == LF_E_NOMEM) {
        x->error = "no memory for the Arrow arrays";
        return ENOMEM;
    }
    if (rc) {
        x->error = "the headers of these rows are larger than an Arrow array takes";
        return EOVERFLOW;
    }
    x->next += n;
    return 0;
}

static int stream_schema(struct ArrowArrayStream *s, struct ArrowSchema *out) {
    export *x = (export *)s->private_data;
    if (!lf_arrow_schema(&x->form, out)) return 0;
    x->error = "no memory for the Arrow schema";
    return ENOMEM;
}

static const char *stream_error(struct ArrowArrayStream *s) {
    return ((export *)s->private_data)->error;
}

static void stream_release(struct ArrowArrayStream *s) {
    export *x = (export *)s->private_data;
    lf_rows_unref(x->rows);
    free_topics(&x->topics);
    free(x);
    s->release = NULL;
}

int lf_arrow_stream(lf_rows *rows, lf_topics topics, const lf_arrow_form *form, struct ArrowArrayStream *out) {
    export *x = (export *)malloc(sizeof *x);
    if (!x) {
        free_topics(&topics);
        return LF_E_NOMEM;
    }
    *x = (export){.rows = lf_rows_ref(rows), .topics = topics, .form = *form};
    *out = (struct ArrowArrayStream){
        .get_schema = stream_schema, .get_next = stream_next, .get_last_error = stream_error, .release = stream_release,
        .private_data = x,
    };
    return LF_OK;
}

int lf_arrow_column(lf_rows *rows, bool keys, lf_arrow_kind kind, struct ArrowSchema *schema, struct ArrowArray *array) {
    const lf_columns *c = &rows->c;
    int rc = lf_schema_bytes(schema, keys ? "key" : "value", kind);
    if (rc) return rc;
    int32_t n_runs, first_part;
    lf_block *b = lf_block_new(rows);
    lf_run *runs = runs_of(rows, 0, c->n, &n_runs, &first_part);
    rc = LF_E_NOMEM;
    if (b && runs)
        rc = lf_block_bytes(b, lf_block_node(b, c->n, 3), runs, n_runs, keys ? c->key_at : c->value_at,
                            keys ? c->key_len : c->value_len, c->n, kind);
    free(runs);
    if (b) rc = finish(b, rc, array);
    if (rc) schema->release(schema);
    return rc;
}
