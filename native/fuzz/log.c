/* A partition's directory, damaged: opened, read, looked up, appended to, closed, opened again.
 *
 * The input is a list of edits of seven bytes to a good directory of several segments: which file, what, where. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "lf/builder.h"
#include "lf/crc32c.h"
#include "lf/log.h"
#include "lf/records.h"

#define FILES_MAX 48
#define FILE_MAX 16384
#define EDIT_BYTES 7

typedef struct file {
    char name[64];
    uint8_t bytes[FILE_MAX];
    size_t size;
    bool gone;
} file;

static char dir[64], lock_path[96];
static int lock_fd;
static file good[FILES_MAX], now[FILES_MAX];
static int n_files;

static lf_log_config config(void) {
    return (lf_log_config){.segment_bytes = 2048, .segment_ms = INT64_MAX, .index_interval_bytes = 128,
                           .segment_index_bytes = 4096, .start_offset = -1, .lock_timeout_s = 0.2};
}

static int append(lf_log *log, int codec, int records, int64_t timestamp) {
    static lf_codec_ctx *codecs;
    if (!codecs) codecs = lf_codec_ctx_new();
    lf_builder b = {0};
    lf_append_info info;
    lf_error e;
    lf_builder_reserve(&b, 4096);
    lf_builder_reset(&b);
    for (int i = 0; i < records; i++)
        lf_builder_put(&b, timestamp + i, (const uint8_t *)"key", 3, (const uint8_t *)"some value of some length", i % 25, 0, 0);
    int rc = lf_builder_finish(&b, codecs, codec, LF_LEVEL_DEFAULT);
    if (!rc) rc = lf_log_append(log, b.buf, b.start, false, 1, &info, &e);
    free(b.buf);
    return rc;
}

static void clear(void) {
    DIR *d = opendir(dir);
    for (struct dirent *entry; d && (entry = readdir(d));) {
        char path[512];
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        unlink(path);
    }
    if (d) closedir(d);
}

static void load(void) {
    DIR *d = opendir(dir);
    for (struct dirent *entry; (entry = readdir(d)) && n_files < FILES_MAX;) {
        char path[512];
        if (entry->d_name[0] == '.') continue;
        file *f = &good[n_files++];
        snprintf(f->name, sizeof f->name, "%.60s", entry->d_name);
        snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        int fd = open(path, O_RDONLY);
        ssize_t n = read(fd, f->bytes, FILE_MAX);
        f->size = n > 0 ? (size_t)n : 0;
        close(fd);
    }
    closedir(d);
}

static void make_good(void) {
    lf_error e;
    lf_log *log;
    lf_log_config c = config();
    snprintf(dir, sizeof dir, "/dev/shm/logflume-fuzz-XXXXXX");
    LF_FUZZ_REQUIRE(mkdtemp(dir));
    snprintf(lock_path, sizeof lock_path, "%s/.lock", dir);
    lock_fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    LF_FUZZ_REQUIRE(!lf_log_open(&log, dir, lock_fd, &c, &e));
    for (int i = 0; i < 30; i++) append(log, i % 7 == 3 ? LF_CODEC_LZ4 : LF_CODEC_NONE, 1 + i % 9, 1700000000000 + i * 50);
    LF_FUZZ_REQUIRE(!lf_log_close(log, &e));
    load();
}

static void remove_all(void) {
    clear();
    unlink(lock_path);
    rmdir(dir);
}

/* The batch that begins at or before `at` gets a right CRC, so that what was changed in it is believed. */
static void mend(file *f, size_t at) {
    for (size_t p = 0; p + LF_BATCH_RECORDS_AT <= f->size;) {
        uint32_t length = lf_get32(f->bytes + p + LF_BATCH_LENGTH_AT);
        size_t size = (size_t)length + LF_BATCH_LENGTH_OVERHEAD;
        if (length < LF_BATCH_MIN_LENGTH || size > f->size - p) return;
        if (p + size > at) {
            lf_put32(f->bytes + p + LF_BATCH_CRC_AT, lf_crc32c(0, f->bytes + p + LF_BATCH_ATTRIBUTES_AT, size - LF_BATCH_ATTRIBUTES_AT));
            return;
        }
        p += size;
    }
}

static void edit(const uint8_t *d) {
    file *f = &now[d[0] % n_files];
    size_t at = (size_t)(d[2] | d[3] << 8), size = f->size;
    uint8_t value = d[4];
    at = size ? at % size : 0;
    switch (d[1] % 10) {
    case 0:
    case 1: if (size) f->bytes[at] = value; break;
    case 2: if (size) f->bytes[at] ^= (uint8_t)(1u << (value & 7)); break;
    case 3: f->size = at; break;
    case 4:
        f->size = size + value * 8u > FILE_MAX ? FILE_MAX : size + value * 8u;
        memset(f->bytes + size, d[5], f->size - size);
        break;
    case 5: f->gone = true; break;
    case 6: mend(f, at); break;
    case 7: /* eight bytes, as offsets and timestamps are */
        if (at + 8 <= size) memset(f->bytes + at, d[5] & 1 ? 0xff : value, 8), f->bytes[at] = d[6];
        break;
    case 8: *f = (file){.size = now[value % n_files].size}, memcpy(f->bytes, now[value % n_files].bytes, FILE_MAX), memcpy(f->name, good[d[0] % n_files].name, sizeof f->name); break;
    default: /* another name, so another base offset */
        if (strlen(f->name) > 20) f->name[value % 20] = (char)('0' + d[5] % 10);
    }
}

static void write_out(void) {
    for (int i = 0; i < n_files; i++) {
        char path[160];
        if (now[i].gone) continue;
        snprintf(path, sizeof path, "%s/%s", dir, now[i].name);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        if (fd < 0) continue;
        if (write(fd, now[i].bytes, now[i].size) < 0) now[i].gone = true;
        close(fd);
    }
}

static void read_all(lf_log *log, int64_t from) {
    lf_cursor c = {.next_offset = from};
    lf_error e;
    lf_batch b;
    lf_columns columns = {0};
    for (int n = 0; n < 2000; n++) {
        int rc = lf_cursor_peek(log, &c, true, &b, &e);
        if (rc == LF_E_CORRUPT || rc == LF_E_MAGIC) {
            /* As a consumer that skips: on to the next offset, until there is something. */
            int64_t next = c.next_offset + 1;
            lf_cursor_release(&c);
            c.next_offset = next;
            if (n < 100) continue;
        }
        if (rc) break;
        LF_FUZZ_REQUIRE(b.last_offset >= c.next_offset);
        if (!(b.attributes & LF_ATTR_CODEC)) {
            lf_records r;
            const char *reason;
            columns.n = 0;
            lf_records_begin(&r, &b, c.map, (uint32_t)(b.position + LF_BATCH_RECORDS_AT), (uint32_t)(b.position + b.size));
            lf_records_decode(&r, c.next_offset, 1 << 20, &columns, &reason);
        }
        lf_cursor_advance(&c, &b);
    }
    lf_cursor_release(&c);
    lf_columns_free(&columns);
}

static void use(lf_log *log) {
    lf_error e;
    lf_segment_info info[FILES_MAX];
    int32_t count;
    int64_t start = atomic_load(&log->state->start_offset), end = atomic_load(&log->state->end_offset), offset;
    LF_FUZZ_REQUIRE(start <= end);
    lf_log_segments(log, info, FILES_MAX, &count, &e);
    read_all(log, start);
    lf_cursor c = {0};
    for (int i = 0; i < 5; i++) lf_cursor_seek(log, &c, start + (end - start) / 4 * i, &e);
    lf_cursor_seek_time(log, &c, 1700000000700, &e);
    lf_cursor_release(&c);
    if (end > INT64_MAX / 2) return; /* a directory whose file names say so: nobody gets there by appending */
    int rc = append(log, LF_CODEC_NONE, 3, 1700000009000);
    if (!rc) {
        LF_FUZZ_REQUIRE(atomic_load(&log->state->end_offset) == end + 3);
        lf_batch b;
        c = (lf_cursor){.next_offset = end};
        /* With gaps allowed, a damaged base offset may pass for one behind a gap. */
        LF_FUZZ_REQUIRE(log->config.allow_gaps || (!lf_cursor_peek(log, &c, true, &b, &e) && b.base_offset == end));
        lf_cursor_release(&c);
    }
    lf_log_append_one(log, NULL, -1, (const uint8_t *)"v", 1, 1700000009100, 1.0, &offset, &e);
    lf_log_sync(log, atomic_load(&log->state->end_offset), &e);
    lf_log_roll(log, &e);
    append(log, LF_CODEC_NONE, 2, 1700000009200);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    lf_error e;
    lf_log *log;
    if (!n_files) {
        make_good();
        atexit(remove_all);
    }
    memcpy(now, good, sizeof good);
    lf_log_config c = config();
    if (size) c.allow_gaps = *data & 1, c.read_only = (*data & 14) == 14, data++, size--;
    for (; size >= EDIT_BYTES; data += EDIT_BYTES, size -= EDIT_BYTES) edit(data);
    clear();
    write_out();
    if (lf_log_open(&log, dir, lock_fd, &c, &e)) return 0;
    use(log);
    int64_t end = atomic_load(&log->state->end_offset);
    int rc = lf_log_close(log, &e);
    /* What a clean close left is opened as it was. */
    if (rc || c.read_only || lf_log_open(&log, dir, lock_fd, &c, &e)) return 0;
    LF_FUZZ_REQUIRE(atomic_load(&log->state->end_offset) == end && !log->recovery.ran);
    read_all(log, atomic_load(&log->state->start_offset));
    lf_log_close(log, &e);
    return 0;
}
