/* Rows handed to others through Arrow's C interfaces: docs of the columns are in native/arrow_stream.pyx. */
#ifndef LF_ARROW_EXPORT_H
#define LF_ARROW_EXPORT_H

#include "lf/arrow_abi.h"
#include "lf/rows.h"

/* How byte strings are laid out: pointing into the log, or copied with 32 or 64-bit offsets. */
typedef enum lf_arrow_kind { LF_ARROW_VIEWS, LF_ARROW_BINARY, LF_ARROW_LARGE } lf_arrow_kind;

/* The topics' names as one Arrow dictionary, and which of them a part's `topic` is. */
typedef struct lf_topics {
    int32_t n;
    int32_t *ends;          /* n + 1 offsets into `names` */
    char *names;            /* UTF-8 */
    int32_t *of;            /* by lf_part.topic */
} lf_topics;

enum {
    LF_COLUMN_TOPIC, LF_COLUMN_PARTITION, LF_COLUMN_OFFSET, LF_COLUMN_TIMESTAMP, LF_COLUMN_KEY, LF_COLUMN_VALUE,
    LF_COLUMN_HEADERS, LF_COLUMNS
};

/* What is handed out: the columns in this order, each at most once. What is not asked for is not made. */
typedef struct lf_arrow_form {
    lf_arrow_kind keys, values;
    int32_t n_columns;
    uint8_t columns[LF_COLUMNS];
} lf_arrow_form;

/* A stream over all rows. Takes over what `topics` points to (malloc), also when it fails. LF_OK or LF_E_NOMEM. */
int lf_arrow_stream(lf_rows *rows, lf_topics topics, const lf_arrow_form *form, struct ArrowArrayStream *out);

/* The schema of such a stream. LF_OK or LF_E_NOMEM. */
int lf_arrow_schema(const lf_arrow_form *form, struct ArrowSchema *out);

/* The keys or the values alone. LF_OK, LF_E_NOMEM, or LF_E_TOO_LARGE: more than 2 GiB for LF_ARROW_BINARY. */
int lf_arrow_column(lf_rows *rows, bool keys, lf_arrow_kind kind, struct ArrowSchema *schema, struct ArrowArray *array);

/* The kind that a schema's child `name` asks for (name NULL: the schema itself); LF_ARROW_VIEWS when it asks nothing. */
lf_arrow_kind lf_arrow_requested(const struct ArrowSchema *schema, const char *name);

#endif
