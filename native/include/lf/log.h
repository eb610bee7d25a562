/* One partition on disk: segments, their indexes, appending, reading, recovery.
 *
 * Two locks, always taken in this order:
 *   state->writer   across processes (robust: freed by the kernel when its owner dies); appends, rolls, deletions
 *   log->mu         within the process; the list of segments and their indexes
 * Readers take log->mu for look-ups only; walking a mapped segment needs no lock. */
#ifndef LF_LOG_H
#define LF_LOG_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lf/batch_layout.h"
#include "lf/state.h"
#include "lf/status.h"

#define LF_PATH_MAX 1024
#define LF_PREPARE_BYTES (256 * 1024)   /* zeroes written ahead: fits the L2 cache, so the next stores hit it */
#define LF_CHECKED_CELL 4096            /* no two batches of that size or more begin in one */
#define LF_INDEX_ENTRY_BYTES 8
#define LF_TIME_ENTRY_BYTES 12

typedef struct lf_error {
    int status;
    int err;                /* errno, 0 when none */
    int64_t position;       /* byte position in the file, -1 when unknown */
    int64_t offset;         /* or the producer's id, where that is what was refused */
    char reason[128];
    char path[LF_PATH_MAX];
} lf_error;

/* Fills `e` and returns `status`, so that failing is one line. */
int lf_fail(lf_error *e, int status, int err, const char *path, int64_t position, const char *reason);

typedef struct lf_index_entry {
    int64_t offset;         /* last offset of the batch */
    int32_t position;       /* of the batch's first byte */
} lf_index_entry;

typedef struct lf_time_entry {
    int64_t timestamp;      /* largest so far in the segment */
    int64_t offset;         /* last offset of the batch that has it */
} lf_time_entry;

typedef struct lf_old_map {
    struct lf_old_map *next;
    void *map;
    size_t len;
} lf_old_map;

/* A segment lives as long as somebody holds a reference: the log's list, a cursor, a batch with views. */
typedef struct lf_segment {
    _Atomic int32_t refs;
    int fd;                         /* open for writing in the active segment of a writing process, else -1 */
    uint64_t inode;                 /* of the file this was read from, 0 when not looked at yet: compaction replaces files */
    int64_t base_offset;
    const uint8_t *map;             /* read-only view; NULL until first read */
    size_t map_len;
    uint8_t *write_map;             /* for single appends only */
    lf_old_map *old_maps;           /* outgrown maps that views may still use */
    size_t write_len;
    bool scattered;                 /* the kernel was told not to read ahead in the map: cursors fetch what they need */
    _Atomic bool sealed;            /* nothing will be appended; set after `size` */
    bool index_ready;               /* the arrays below cover [0, indexed_position) */
    int64_t size;                   /* bytes of batches when sealed */
    int64_t indexed_position;
    int64_t indexed_offset;         /* next offset expected at indexed_position */
    int64_t bytes_since_entry;
    int64_t max_timestamp;
    int64_t max_timestamp_offset;
    lf_index_entry *entries;
    lf_time_entry *times;
    _Atomic int32_t n_entries, n_times;     /* changed under log->mu; appenders read them without it */
    int32_t cap_entries, cap_times;
    struct lf_marks **marks;        /* of the batches that the entries name; NULL where nothing was looked up (lookup.c) */
    int32_t cap_marks;
    bool txn_checked;               /* its .txnindex has been compared with the log in this process */
    _Atomic uint64_t verified;      /* from << 32 | to: bytes whose CRCs this process has checked */
    _Atomic uint32_t checked_at;    /* lf_lost_pages, when that was so */
    _Atomic(uint64_t) *_Atomic checked; /* a bit for each LF_CHECKED_CELL: so has been the batch that begins in it */
} lf_segment;

typedef struct lf_log_config {
    int64_t segment_bytes;
    int64_t segment_ms;             /* rolling by time; jitter already taken off */
    int64_t index_interval_bytes;
    int64_t segment_index_bytes;
    bool append_time;               /* message.timestamp.type=LogAppendTime */
    bool allow_gaps;                /* compacted or foreign: offsets may skip */
    bool read_only;
    int32_t leader_epoch;           /* that new batches carry */
    int64_t recovery_offset;        /* from Kafka's checkpoint; 0 when unknown */
    int64_t start_offset;           /* from log-start-offset-checkpoint; -1 when unknown */
    int64_t producer_expiration_ms; /* idle producers are forgotten */
    uint64_t held_table;            /* the directory's table of held transactions; 0: it has none */
    double lock_timeout_s;
} lf_log_config;

typedef struct lf_recovery {
    bool ran;
    int64_t scanned_bytes;
    int64_t cut_bytes;              /* removed behind the last good batch */
    int64_t cut_position;
    int64_t end_offset;
    int32_t deleted_segments;       /* behind a cut that was not in the last one */
    char cut_path[LF_PATH_MAX];
    char reason[128];
    char bad_snapshot[LF_PATH_MAX]; /* of producers: it was deleted, the log tells the same */
    char bad_snapshot_reason[128];
    int64_t scan_base;              /* base offset of the first segment that was scanned */
    bool saw_producers;             /* in a scanned segment */
    bool producers_known;           /* state->producers_from survived */
} lf_recovery;

typedef struct lf_log {
    char dir[LF_PATH_MAX];
    lf_log_config config;
    lf_state *state;
    bool state_private;             /* anonymous memory: a read-only directory */
    int lock_fd;                    /* the directory's lock file, not owned */
    int64_t lock_byte;
    pthread_mutex_t mu;
    lf_segment **segments;
    int32_t n_segments, cap_segments;
    uint64_t segments_version;      /* of the list above */
    uint64_t swaps;                 /* state->swaps, when it was made */
    bool stale;                     /* a file of the list was found replaced: make it anew */
    bool gaps;                      /* what a compaction left was found at opening: offsets may skip */
    _Atomic bool cleaning;          /* a thread of this process compacts it */
    pthread_mutex_t sync_mu;        /* group commit: one syncs, the others wait and find it done */
    pthread_cond_t synced;
    bool syncing;
    lf_error *sync_failure;         /* the first one's cause: all whom it concerns are told that. NULL before */
    int64_t trimmed_offset;         /* the end when lf_log_trim() wrote the index, -1 before */
    struct lf_producers *producers; /* lf/producers.h */
    size_t marks_bytes;             /* of all segments since they were last dropped (lookup.c) */
    int marks_dropped;              /* so often */
    bool wrote;                     /* this process appended, rolled or deleted */
    lf_recovery recovery;
} lf_log;

/* ---- opening (log_open.c, log_recover.c) ---- */
int lf_log_open(lf_log **out, const char *dir, int lock_fd, const lf_log_config *config, lf_error *e);
/* Trims, writes the index, syncs and marks clean when this process is the last; frees the log. */
int lf_log_close(lf_log *log, lf_error *e);
/* What closing does before it syncs: cuts the zeroes behind the end and writes the active segment's index. */
int lf_log_trim(lf_log *log, lf_error *e);
/* In a forked child: forgets the parent's locks and memory without touching the files. */
void lf_log_abandon(lf_log *log);
int lf_log_recover(lf_log *log, lf_error *e);
/* With the writer lock just taken from a dead owner: makes the tail whole again. */
int lf_log_take_over(lf_log *log, lf_error *e);
/* Bytes of the lock file that belong to a partition, from log->lock_byte on. 0 or an errno. */
enum { LF_LOCK_OPENING = 0, LF_LOCK_PRESENT = 1, LF_LOCK_CLEANING = 2, LF_LOCK_BYTES = 4 };
int lf_lock_byte(int fd, int64_t byte, short type, double wait_s);

/* ---- files (files.c) ---- */
/* open(2) with mode 0644; raises the process's soft limit of descriptors when that is what is missing. */
int lf_open_file(const char *path, int flags);
/* All of it, from byte `at` on. 0 or an errno. */
int lf_write_all(int fd, const uint8_t *p, size_t n, int64_t at);

/* ---- segments (segment.c); log->mu held unless said ---- */
void lf_segment_path(const lf_log *log, int64_t base_offset, const char *suffix, char out[LF_PATH_MAX]);
lf_segment *lf_segment_new(int64_t base_offset);
static inline lf_segment *lf_segment_ref(lf_segment *s) {
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}
void lf_segment_unref(lf_segment *s);                       /* any thread, no lock */
/* LF_E_INTERRUPTED: the file was replaced or deleted meanwhile; lf_segments_forget(), and look again. */
int lf_segment_map(lf_log *log, lf_segment *s, size_t at_least, lf_error *e);
/* How the map will be touched from now on: here and there, or in order. */
void lf_segment_expect(lf_segment *s, bool scattered);
/* Asks for bytes [from, to) of a segment's map, unless they are in memory; does not wait. Needs no lock. */
void lf_segment_fetch(const lf_log *log, const uint8_t *map, int64_t from, int64_t to);
int lf_segment_open_for_write(lf_log *log, lf_segment *s, lf_error *e);
int lf_segments_scan(lf_log *log, lf_error *e);             /* reads the directory */
int lf_segments_refresh(lf_log *log, lf_error *e);          /* when another process rolled, deleted or compacted */
#define LF_TRIES 64                                         /* so often, before a list that keeps changing is an error */
static inline void lf_segments_forget(lf_log *log) {        /* the next refresh lists anew */
    log->segments_version = 0;
    log->stale = true;
}
static inline lf_segment *lf_segment_active(lf_log *log) { return log->segments[log->n_segments - 1]; }
/* The segment that holds `offset`: index in the list, the last with base_offset <= offset; -1 before the first. */
int32_t lf_segment_find(const lf_log *log, int64_t offset);
/* Its end in bytes: the size when sealed, else the published end. */
int64_t lf_segment_end(lf_log *log, lf_segment *s);
int lf_segment_sync_dir(lf_log *log, lf_error *e);

/* ---- indexes (index.c); log->mu held ---- */
void lf_index_note(const lf_log *log, lf_segment *s, int64_t position, int32_t size, int64_t last_offset, int64_t max_timestamp);
/* Makes the arrays cover [0, end): loads the files when right, walks the rest, rebuilds when wrong. */
int lf_index_ready(lf_log *log, lf_segment *s, int64_t end, lf_error *e);
/* From the log alone: the files have been found wrong. */
int lf_index_rebuild(lf_log *log, lf_segment *s, int64_t end, lf_error *e);
int lf_index_write(lf_log *log, lf_segment *s, bool sync, lf_error *e);
int lf_index_write_as(lf_log *log, lf_segment *s, const char *mark, bool sync, lf_error *e); /* .index<mark> */
/* Position of a batch at or before the one that holds `offset`. *last_offset (when not NULL): its last offset
 * as the index has it, -1 for the segment's first batch. */
int64_t lf_index_floor(const lf_segment *s, int64_t offset, int64_t *last_offset);
/* Behind this entry's batch a search for `timestamp` starts; NULL: at the segment's first. */
const lf_time_entry *lf_index_time_floor(const lf_segment *s, int64_t timestamp);
static inline const lf_time_entry *lf_index_time_next(const lf_segment *s, const lf_time_entry *floor) {
    const lf_time_entry *next = floor ? floor + 1 : s->times;
    return next && next < s->times + s->n_times ? next : NULL;
}
/* The offset where that search starts: no batch before the one that holds it is as late. */
int64_t lf_index_time_from(const lf_segment *s, const lf_time_entry *floor);
/* Whether the log agrees with the entry; the segment is mapped up to `end`. */
bool lf_index_time_holds(const lf_segment *s, const lf_time_entry *t, int64_t end);
void lf_index_drop(lf_segment *s);
/* The first entry whose batch ends at or behind `offset`; n_entries when there is none. */
int32_t lf_index_at(const lf_segment *s, int64_t offset);
void lf_marks_drop(lf_segment *s);                          /* (lookup.c) */

/* ---- appending (log_append.c, log_roll.c) ---- */
typedef struct lf_append_info {
    int64_t base_offset;            /* of the first batch */
    int64_t last_offset;            /* of the last that is in the log, also after an error */
    int64_t append_time;            /* LF_NO_TIMESTAMP unless LogAppendTime */
    size_t written;                 /* bytes of the batches in front that are in the log, also after an error */
    bool duplicate;                 /* an idempotent producer sent them before: nothing was written */
} lf_append_info;
/* `batches`: whole finished batches, base offsets patched in place. `prepare`: zero-fill ahead, which makes
 * later syncs cheaper. LF_E_TIMEOUT: the writer lock was not to be had in `wait_s` seconds. Thread-safe. */
int lf_log_append(lf_log *log, uint8_t *batches, size_t len, bool prepare, double wait_s, lf_append_info *info,
                  lf_error *e);
/* As lf_log_append, of batches that were accepted before (a mirror, a test): producers are not checked, and markers are
 * taken for what they are. */
int lf_log_append_accepted(lf_log *log, uint8_t *batches, size_t len, lf_append_info *info, lf_error *e);
/* Accepted batches at the offsets that they once had, the first at `base_offset`; what is there already is left out,
 * missing offsets in front are filled with batches without records. LF_E_CORRUPT: a batch would be in there half. */
int lf_log_append_at(lf_log *log, uint8_t *batches, size_t len, int64_t base_offset, lf_append_info *info, lf_error *e);
/* One record in one batch through the map: no system call. */
int lf_log_append_one(lf_log *log, const uint8_t *key, int32_t key_len, const uint8_t *value, int32_t value_len,
                      int64_t timestamp, double wait_s, int64_t *offset, lf_error *e);
int lf_log_lock_within(lf_log *log, double seconds, lf_error *e);
int lf_log_lock(lf_log *log, lf_error *e);                  /* writer lock, with take-over and refresh done */
void lf_log_unlock(lf_log *log);
int lf_log_roll_locked(lf_log *log, int64_t base_offset, lf_error *e);
int lf_log_roll(lf_log *log, lf_error *e);
int lf_log_prepare(lf_log *log, lf_segment *s, int64_t at_least, lf_error *e);

/* ---- durability (log_sync.c) ---- */
/* Returns when everything below `offset` is on disk. Group commit. */
int lf_log_sync(lf_log *log, int64_t offset, lf_error *e);

/* ---- retention (log_retain.c) ---- */
int lf_log_set_start(lf_log *log, int64_t offset, lf_error *e);
/* Refuses all further writes, here and in other processes; readers learn of it at the end. */
int lf_log_mark_deleted(lf_log *log, lf_error *e);
int lf_log_truncate_front(lf_log *log, int64_t *removed_bytes, int32_t *removed, lf_error *e);
int lf_log_expire(lf_log *log, int64_t now_ms, int64_t retention_ms, int64_t retention_bytes, int64_t *removed_bytes,
                  int32_t *removed, lf_error *e);

/* ---- reading (log_read.c) ---- */
typedef struct lf_cursor {
    lf_segment *segment;            /* referenced; NULL before the first seek */
    const uint8_t *map;
    int64_t map_len;
    int64_t position;               /* of the next batch */
    int64_t next_offset;            /* records below are not wanted */
    int64_t expected;               /* base offset of the batch at `position`; -1 when unknown */
    int64_t fetched;                /* bytes of the segment that were asked for, up to here */
    int64_t fetch_at;               /* a batch that ends behind this asks for more */
    int64_t fetch_end;              /* what lies behind is in memory: it was written since, or the kernel reads ahead */
    int64_t stride;                 /* asked for last */
} lf_cursor;
int lf_cursor_seek(lf_log *log, lf_cursor *c, int64_t offset, lf_error *e);
/* The batch at the cursor, checked; does not advance. LF_E_END at the published end. */
int lf_cursor_peek(lf_log *log, lf_cursor *c, bool check_crc, lf_batch *b, lf_error *e);
void lf_cursor_advance(lf_cursor *c, const lf_batch *b);
void lf_cursor_release(lf_cursor *c);
/* First batch whose max timestamp is >= `timestamp`: cursor stands before it; LF_E_END when there is none. */
int lf_cursor_seek_time(lf_log *log, lf_cursor *c, int64_t timestamp, lf_error *e);
/* Header sanity and CRC of the batch at `p`, `available` bytes long. */
int lf_batch_check(const uint8_t *p, int64_t available, int64_t position, bool check_crc, lf_batch *b, const char **reason);
#define LF_NOT_FOLLOWING "the batch's base offset does not follow the batch before"
/* The CRC does not cover the base offset: that it follows is what shows it right. `expected` -1: unknown. */
static inline bool lf_gaps_allowed(const lf_log *log) {
    return log->config.allow_gaps || log->gaps || atomic_load_explicit(&log->state->compacted, memory_order_relaxed);
}
static inline bool lf_batch_follows(const lf_log *log, const lf_batch *b, int64_t expected) {
    return expected < 0 || b->base_offset == expected || (b->base_offset > expected && lf_gaps_allowed(log));
}
/* Walking headers alone meets damage late: a batch that is bad or does not follow may be right, and the one
 * before it wrong in what the CRC covers. `before` and `before_base`: that one, -1 when there is none.
 * Position of the next good batch behind the damage, -1 when there is none. */
int64_t lf_batch_behind_damage(const uint8_t *map, int64_t at, int64_t end, int64_t expected, int64_t before, int64_t before_base);
/* Position of the next whole, checked batch at or after `from` whose offsets are >= `offset`; -1 when there is none. */
int64_t lf_batch_resync(const uint8_t *map, int64_t from, int64_t end, int64_t offset);

/* ---- looking (log_info.c) ---- */
typedef struct lf_segment_info {
    int64_t base_offset, end_offset, size, max_timestamp;
    bool sealed;
} lf_segment_info;
/* Fills at most `cap`; *count is how many there are. */
int lf_log_segments(lf_log *log, lf_segment_info *out, int32_t cap, int32_t *count, lf_error *e);

/* ---- failpoints (failpoint.c) ---- */
enum { LF_FP_NONE = 0, LF_FP_RAISE = 1, LF_FP_TORN = 2 };
extern int lf_failpoints_armed;
int lf_failpoints_parse(const char *text);                  /* 0, or -1 on a bad or unknown name */
const char *const *lf_failpoint_names(void);
int lf_failpoint_hit(const char *name);
#define LF_FAILPOINT(name) (__builtin_expect(lf_failpoints_armed, 0) ? lf_failpoint_hit(name) : LF_FP_NONE)
/* At a point where an error can be returned. */
#define LF_FAILPOINT_RAISE(name, log, e)                                                                          \
    do {                                                                                                           \
        if (LF_FAILPOINT(name) == LF_FP_RAISE) return lf_fail((e), LF_E_FAILPOINT, 0, (log)->dir, -1, name);     \
    } while (0)

#endif
