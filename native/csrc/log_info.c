#include "lf/log.h"

int lf_log_segments(lf_log *log, lf_segment_info *out, int32_t cap, int32_t *count, lf_error *e) {
    pthread_mutex_lock(&log->mu);
    int rc = lf_segments_refresh(log, e);
    *count = rc ? 0 : log->n_segments;
    int again = LF_TRIES;
    for (int32_t i = 0; !rc && i < log->n_segments && i < cap; i++) {
        lf_segment *s = log->segments[i];
        int64_t end = lf_segment_end(log, s);
        if (end < 0) {
            /* Rolled by another process this moment: list again. */
            log->segments_version = 0;
            rc = lf_segments_refresh(log, e);
            *count = rc ? 0 : log->n_segments;
            i = -1;
            continue;
        }
        rc = lf_index_ready(log, s, end, e);
        if (rc == LF_E_INTERRUPTED && again-- > 0) {
            lf_segments_forget(log);
            rc = lf_segments_refresh(log, e);
            *count = rc ? 0 : log->n_segments;
            i = -1;
            continue;
        }
        int64_t end_offset = i + 1 < log->n_segments ? log->segments[i + 1]->base_offset : atomic_load(&log->state->end_offset);
        out[i] = (lf_segment_info){s->base_offset, end_offset, end, s->max_timestamp, s->sealed};
    }
    pthread_mutex_unlock(&log->mu);
    return rc;
}
