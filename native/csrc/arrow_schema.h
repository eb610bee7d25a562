/* The schemas of what is exported; see arrow_export.h. */
#ifndef LF_ARROW_SCHEMA_H
#define LF_ARROW_SCHEMA_H

#include "lf/arrow_export.h"

#define LF_SCHEMA_NODES 12

int lf_schema_bytes(struct ArrowSchema *out, const char *name, lf_arrow_kind kind);

#endif
