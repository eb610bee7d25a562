/* Text as lines, and values as text: where each line lies, and values one behind the other with something between. */
#ifndef LF_LINES_H
#define LF_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lf/in_column.h"

/* Lines of a buffer, without their ends (newline, or carriage return and newline). */
typedef struct lf_lines {
    lf_in_bytes *items;     /* point into the buffer */
    int64_t *ends;          /* position in the buffer behind each line; of a line in several pieces, its start but for the last */
    int64_t n, cap;
} lf_lines;

/* Whole lines of `data`. What follows the last newline counts with `last`, or when it has `whole_max` bytes or more.
 * A line longer than `piece_max` is cut into pieces. LF_OK, or LF_E_NOMEM; lf_lines_free() in both cases. */
int lf_lines_split(lf_lines *out, const uint8_t *data, int64_t size, bool last, int64_t whole_max, int64_t piece_max);
void lf_lines_free(lf_lines *lines);

/* The end of the stretch from `at` on that has `most` items at most and ends with a line's end; one line that has more
 * pieces than that is a stretch by itself. */
int64_t lf_lines_cut(const int64_t *ends, int64_t n, int64_t at, int64_t most);

/* Where `n` lines of `data` lie behind each other, each with one newline behind it, and their bytes with these; NULL
 * when they do not. */
const uint8_t *lf_lines_as_they_lie(const lf_in_bytes *items, const int64_t *ends, int64_t n, const uint8_t *data,
                                    int64_t *size);

/* A column's values, each followed by `end`: how many bytes, and written to `to`, whose end is returned. */
int64_t lf_joined_size(const lf_in_column *c, int64_t end_len);
uint8_t *lf_join(uint8_t *to, const lf_in_column *c, const uint8_t *end, int64_t end_len);

#endif
