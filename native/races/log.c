/* One partition, used by all kinds of threads at once, under ThreadSanitizer: `tools/races` builds and runs it.
 *
 * Appenders (batches, one record, an idempotent producer), readers from the start and at the end, look-ups by offset and
 * time, syncs, rolls, deletions from the front, compaction. Every record's value is its key's counter, so that
 * a reader sees whether an appender's records come whole and in order. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lf/builder.h"
#include "lf/clock.h"
#include "lf/compact.h"
#include "lf/log.h"
#include "lf/records.h"

#define APPENDERS 4 /* 0, 1: batches; 2: one record at a time; 3: an idempotent producer */

static lf_log *the_log;
static atomic_bool over;
static atomic_long appended, seen, looked_up, removed;

static void require(bool condition, const char *what, const lf_error *e) {
    if (condition) return;
    fprintf(stderr, "races: %s: %s (%s)\n", what, e ? e->reason : "", e ? e->path : "");
    abort();
}

static void nap(long microseconds) { nanosleep(&(struct timespec){0, microseconds * 1000}, NULL); }

static int64_t start_now(void) { return atomic_load(&the_log->state->start_offset); }
static int64_t end_now(void) { return atomic_load(&the_log->state->end_offset); }

/* ---- writing */

static void append_batch(lf_builder *b, lf_codec_ctx *codecs, uint8_t key, int64_t *counter, int32_t *sequence) {
    lf_append_info info;
    lf_error e;
    uint8_t value[8];
    int records = 1 + (int)(*counter % 7);
    lf_builder_reserve(b, 4096);
    lf_builder_reset(b);
    if (sequence) {
        b->producer_id = 77;
        b->producer_epoch = 0;
        b->sequence = *sequence;
        *sequence = lf_sequence_after(*sequence, records);
    }
    for (int i = 0; i < records; i++) {
        lf_put64(value, (uint64_t)(*counter)++);
        lf_builder_put(b, lf_now_ms(), &key, 1, value, sizeof value, 0, 0);
    }
    require(!lf_builder_finish(b, codecs, LF_CODEC_NONE, LF_LEVEL_DEFAULT), "finish", NULL);
    int rc = lf_log_append(the_log, b->buf, b->start, key == 1, 10, &info, &e);
    require(!rc, "append", &e);
    atomic_fetch_add(&appended, records);
}

static void append_one(uint8_t key, int64_t *counter) {
    lf_error e;
    uint8_t value[8];
    int64_t offset;
    lf_put64(value, (uint64_t)(*counter)++);
    require(!lf_log_append_one(the_log, &key, 1, value, sizeof value, lf_now_ms(), 10, &offset, &e), "append_one", &e);
    atomic_fetch_add(&appended, 1);
}

static void *appender(void *number) {
    uint8_t key = (uint8_t)(uintptr_t)number;
    lf_builder b = {0};
    lf_codec_ctx *codecs = lf_codec_ctx_new();
    int64_t counter = 0;
    int32_t sequence = 0;
    while (!atomic_load(&over)) {
        if (key == 2) append_one(key, &counter);
        else append_batch(&b, codecs, key, &counter, key == 3 ? &sequence : NULL);
    }
    free(b.buf);
    lf_codec_ctx_free(codecs);
    return NULL;
}

/* ---- reading */

/* The records of a batch: of each appender what comes is newer than what came. */
static void take(const lf_cursor *c, const lf_batch *b, lf_columns *columns, int64_t newest[APPENDERS]) {
    lf_records r;
    const char *reason = "";
    columns->n = 0;
    lf_records_begin(&r, b, c->map, (uint32_t)(b->position + LF_BATCH_RECORDS_AT), (uint32_t)(b->position + b->size));
    require(!lf_records_decode(&r, c->next_offset, 1 << 20, columns, &reason), reason, NULL);
    for (int32_t i = 0; i < columns->n; i++) {
        uint8_t key = c->map[columns->key_at[i]];
        int64_t counter = (int64_t)lf_get64(c->map + columns->value_at[i]);
        require(key < APPENDERS && counter > newest[key], "records out of order", NULL);
        newest[key] = counter;
    }
    atomic_fetch_add(&seen, columns->n);
}

static void *reader(void *from_end) {
    lf_columns columns = {0};
    lf_error e;
    lf_batch b;
    while (!atomic_load(&over)) {
        int64_t newest[APPENDERS] = {-1, -1, -1, -1};
        lf_cursor c = {.next_offset = from_end ? end_now() : start_now()};
        for (int n = 0; n < 20000 && !atomic_load(&over); n++) {
            int rc = lf_cursor_peek(the_log, &c, true, &b, &e);
            if (rc == LF_E_OUT_OF_RANGE) break; /* deleted from the front meanwhile */
            if (rc == LF_E_END) {
                lf_state *const states[] = {the_log->state};
                lf_state_wait(states, &c.next_offset, 1, 0.01, 0);
                continue;
            }
            require(!rc, "read", &e);
            take(&c, &b, &columns, newest);
            lf_cursor_advance(&c, &b);
        }
        lf_cursor_release(&c);
    }
    lf_columns_free(&columns);
    return NULL;
}

static void *searcher(void *unused) {
    (void)unused;
    lf_error e;
    lf_batch b;
    unsigned seed = 4711;
    for (lf_cursor c = {0}; !atomic_load(&over); lf_cursor_release(&c)) {
        int64_t start = start_now(), end = end_now();
        int64_t offset = start + (int64_t)rand_r(&seed) % (end - start + 1);
        int rc = lf_cursor_seek(the_log, &c, offset, &e);
        require(!rc || rc == LF_E_OUT_OF_RANGE, "seek", &e);
        rc = rc ? rc : lf_cursor_peek(the_log, &c, true, &b, &e);
        require(!rc || rc == LF_E_OUT_OF_RANGE || rc == LF_E_END, "peek", &e);
        lf_cursor_release(&c);
        rc = lf_cursor_seek_time(the_log, &c, lf_now_ms() - (int64_t)rand_r(&seed) % 2000, &e);
        require(!rc || rc == LF_E_OUT_OF_RANGE || rc == LF_E_END, "seek_time", &e);
        lf_segment_info info[64];
        int32_t count;
        require(!lf_log_segments(the_log, info, 64, &count, &e), "segments", &e);
        atomic_fetch_add(&looked_up, 1);
    }
    return NULL;
}

/* ---- upkeep */

static void *syncer(void *unused) {
    (void)unused;
    for (lf_error e; !atomic_load(&over); nap(500)) require(!lf_log_sync(the_log, end_now(), &e), "sync", &e);
    return NULL;
}

static void *keeper(void *unused) {
    (void)unused;
    lf_error e;
    int64_t bytes;
    int32_t segments;
    for (int turn = 0; !atomic_load(&over); turn++, nap(3000)) {
        if (turn % 3 == 0) require(!lf_log_roll(the_log, &e), "roll", &e);
        int64_t start = start_now(), end = end_now();
        if (turn % 8 == 7 && end - start > 3000) {
            require(!lf_log_set_start(the_log, end - 2000, &e), "set_start", &e);
            require(!lf_log_truncate_front(the_log, &bytes, &segments, &e), "truncate", &e);
            atomic_fetch_add(&removed, segments);
        }
        if (turn % 16 == 11) {
            lf_compaction job = {.first_dirty = start, .uncleanable = end, .now_ms = lf_now_ms(), .delete_retention_ms = 0,
                                 .producer_expiration_ms = 3600000, .map_bytes = 1 << 20, .max_decompressed = 1 << 20};
            int rc = lf_compact(the_log, &job, &e);
            require(!rc || rc == LF_E_INTERRUPTED || rc == LF_E_LOCKED, "compact", &e);
            atomic_fetch_add(&removed, job.segments_removed);
        }
    }
    return NULL;
}

int main(int argc, char **argv) {
    static void *(*const kinds[])(void *) = {appender, appender, appender, appender, reader, reader, reader, searcher, syncer, syncer, keeper};
    static const uintptr_t arguments[] = {0, 1, 2, 3, 0, 0, 1, 0, 0, 0, 0};
    enum { THREADS = sizeof kinds / sizeof *kinds };
    pthread_t threads[THREADS];
    lf_error e;
    const char *dir = argc > 2 ? argv[2] : "races";
    char lock[256];
    snprintf(lock, sizeof lock, "%s/.lock", dir);
    int lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    lf_log_config config = {.segment_bytes = 64 << 10, .segment_ms = INT64_MAX, .index_interval_bytes = 512,
                            .segment_index_bytes = 1 << 20, .start_offset = -1, .lock_timeout_s = 10,
                            .producer_expiration_ms = 3600000};
    require(lock_fd >= 0 && !lf_log_open(&the_log, dir, lock_fd, &config, &e), "open", &e);
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, kinds[i], (void *)arguments[i]);
    sleep(argc > 1 ? (unsigned)atoi(argv[1]) : 10);
    atomic_store(&over, true);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    require(!lf_log_close(the_log, &e), "close", &e);
    printf("%ld records appended, %ld read, %ld looked up, %ld segments deleted\n", atomic_load(&appended), atomic_load(&seen),
           atomic_load(&looked_up), atomic_load(&removed));
    return 0;
}
