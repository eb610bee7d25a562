/* Arrow arrays and packed offsets taken in as lf_in_column. Everything a length or an offset could lead out of
 * is checked here, once, so that lf_in_get needs no check. */
#ifndef LF_ARROW_IMPORT_H
#define LF_ARROW_IMPORT_H

#include <stddef.h>

#include "lf/arrow_abi.h"
#include "lf/in_column.h"
#include "lf/status.h"

/* One chunk. LF_OK; LF_E_FORMAT: a type that is no byte string; LF_E_CORRUPT: malformed, *reason says how.
 * The column points into `array`, which the caller keeps. */
int lf_in_from_arrow(lf_in_column *out, const struct ArrowSchema *schema, const struct ArrowArray *array, const char **reason);

/* n + 1 offsets of 4 or 8 bytes into `data` of `size` bytes. LF_OK or LF_E_CORRUPT with *reason. */
int lf_in_from_offsets(lf_in_column *out, const uint8_t *data, int64_t size, const void *offsets, int width, int64_t n,
                       const char **reason);

#endif
