#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lf/log.h"

/* One entry for each place in the C core; `logflume doctor --failpoints` lists them. */
static const char *const NAMES[] = {
    "append.before_write", "append.write", "append.after_write", "append.before_publish", "append.after_publish",
    "append_one.before_store", "append_one.half_stored", "append_one.before_publish",
    "prepare.write",
    "roll.before_seal", "roll.after_seal", "roll.after_index", "roll.after_create", "roll.before_publish",
    "index.before_write", "index.write", "index.before_rename",
    "sync.before", "sync.fdatasync", "sync.after",
    "recover.before_scan", "recover.before_cut", "recover.after_cut", "recover.before_live",
    "takeover.before_cut",
    "retain.before_start", "retain.before_unlink", "retain.after_unlink",
    "compact.before_write", "compact.write", "compact.before_sync", "compact.sync", "compact.after_sync",
    "compact.before_swap", "compact.half_renamed", "compact.before_replace", "compact.linked", "compact.after_replace",
    "compact.deleting", "compact.after_sides", "compact.before_done", "compact.done",
    "produce.before_publish", "produce.after_publish",
    "snapshot.before_write", "snapshot.write", "snapshot.before_rename", "snapshot.after_rename",
    "txnindex.write", "txnindex.after_write",
    "txn.marker_written", "txn.before_publish", "txn.half_published", "txn.half_stable", "held.half", "txn.published",
    "close.before_trim", "close.before_index", "close.before_mark", "close.after_mark",
    NULL,
};

enum action { ACT_KILL, ACT_RAISE, ACT_TORN, ACT_SLEEP };

struct armed {
    char name[48];
    long nth;
    enum action action;
    double seconds;
    _Atomic long hits;
};

#define MAX_ARMED 8
static struct armed armed[MAX_ARMED];
static int n_armed;
int lf_failpoints_armed;

const char *const *lf_failpoint_names(void) { return NAMES; }

static int known(const char *name) {
    for (int i = 0; NAMES[i]; i++)
        if (!strcmp(NAMES[i], name)) return 1;
    return 0;
}

static int parse_action(const char *text, struct armed *a) {
    if (!strcmp(text, "kill")) a->action = ACT_KILL;
    else if (!strcmp(text, "raise")) a->action = ACT_RAISE;
    else if (!strcmp(text, "torn")) a->action = ACT_TORN;
    else if (!strncmp(text, "sleep", 5)) {
        a->action = ACT_SLEEP;
        a->seconds = text[5] == '=' ? atof(text + 6) : 0.1;
    } else return -1;
    return 0;
}

int lf_failpoints_parse(const char *text) {
    char copy[512], *outer = NULL;
    n_armed = 0;
    lf_failpoints_armed = 0;
    if (!text || !*text) return 0;
    if (strlen(text) >= sizeof copy) return -1;
    strcpy(copy, text);
    for (char *item = strtok_r(copy, ",", &outer); item; item = strtok_r(NULL, ",", &outer)) {
        char *inner = NULL;
        char *name = strtok_r(item, ":", &inner), *nth = strtok_r(NULL, ":", &inner), *act = strtok_r(NULL, ":", &inner);
        if (!name || !nth || !act || n_armed == MAX_ARMED || !known(name) || strlen(name) >= sizeof armed[0].name) return -1;
        struct armed *a = &armed[n_armed];
        strcpy(a->name, name);
        a->nth = atol(nth);
        a->hits = 0;
        if (a->nth < 1 || parse_action(act, a)) return -1;
        n_armed++;
    }
    lf_failpoints_armed = n_armed > 0;
    return 0;
}

int lf_failpoint_hit(const char *name) {
    for (int i = 0; i < n_armed; i++) {
        struct armed *a = &armed[i];
        if (strcmp(a->name, name)) continue;
        if (atomic_fetch_add(&a->hits, 1) + 1 != a->nth) continue;
        if (a->action == ACT_KILL) raise(SIGKILL);
        if (a->action == ACT_SLEEP) {
            struct timespec t = {(time_t)a->seconds, (long)((a->seconds - (double)(time_t)a->seconds) * 1e9)};
            nanosleep(&t, NULL);
            return LF_FP_NONE;
        }
        return a->action == ACT_RAISE ? LF_FP_RAISE : LF_FP_TORN;
    }
    return LF_FP_NONE;
}
