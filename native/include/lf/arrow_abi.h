/* The structures of the Arrow C data and stream interfaces, laid out as their specification fixes them
 * ("The Arrow C data interface", Apache Arrow format documents). Only the layout is Arrow's: no Arrow library is used. */
#ifndef LF_ARROW_ABI_H
#define LF_ARROW_ABI_H

#include <stdint.h>

#ifndef ARROW_C_DATA_INTERFACE /* the guard that the specification asks everybody to use */
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

struct ArrowSchema {
    const char *format;             /* the type: "vz" is binary_view, "+s" a struct */
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *); /* NULL: released, or moved elsewhere */
    void *private_data;
};

struct ArrowArray {
    int64_t length;
    int64_t null_count;             /* -1: not counted */
    int64_t offset;                 /* items to skip at the front of every buffer */
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

#endif

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE

/* Every function returns 0 or an errno value; after the last array get_next gives one that is released. */
struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};

#endif

#endif
