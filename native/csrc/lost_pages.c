#include "lf/lost_pages.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TAIL 64         /* of a line of /proc/self/maps: more than a segment's name and " (deleted)" */
#define TRIES 1000      /* a page that others have just replaced is touched again so often */

_Atomic uint32_t lf_lost_pages;

static pthread_mutex_t watching = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction before;         /* whom SIGBUS went to */
static atomic_bool handed_on;
static _Atomic uint32_t tries;

/* ---- all below runs in the handler: no locks, no memory of its own, system calls only */

typedef struct mapping {
    uintptr_t start, end;
    bool writable, named;
    char tail[TAIL];                    /* of the file's name, a ring that ends before `length` */
    size_t length;
} mapping;

static char tail_at(const mapping *m, size_t from_end) { return m->tail[(m->length - from_end) % TAIL]; }

static bool ends_with(const mapping *m, const char *text, size_t before_end) {
    size_t n = strlen(text);
    if (m->length < n + before_end) return false;
    for (size_t i = 0; i < n; i++)
        if (tail_at(m, before_end + n - i) != text[i]) return false;
    return true;
}

/* `<20 digits>.log`, also where it has been deleted since. */
static bool is_segment(const mapping *m) {
    static const char deleted[] = " (deleted)", log[] = ".log";
    size_t end = ends_with(m, deleted, 0) ? sizeof deleted - 1 : 0;
    if (!ends_with(m, log, end) || m->length < end + sizeof log - 1 + 20) return false;
    end += sizeof log - 1;
    for (size_t i = 1; i <= 20; i++)
        if (tail_at(m, end + i) < '0' || tail_at(m, end + i) > '9') return false;
    return true;
}

static uintptr_t hex_digit(char c) { return (uintptr_t)(c <= '9' ? c - '0' : c - 'a' + 10); }

/* One character of `start-end perms offset device inode   name`; true at the line's end. */
static bool take(mapping *m, int *field, char c) {
    if (c == '\n') return true;
    if (*field == 0 && c == '-') *field = 1;
    else if (*field == 0) m->start = m->start << 4 | hex_digit(c);
    else if (*field == 1 && c != ' ') m->end = m->end << 4 | hex_digit(c);
    else if (c == ' ' && *field < 6) ++*field;          /* the name begins at the spaces behind the inode */
    else if (*field == 2 && c == 'w') m->writable = true;
    else if (*field == 6 && (m->named || c != ' ')) {
        m->named = true;
        m->tail[m->length++ % TAIL] = c;
    }
    return false;
}

static bool find_mapping(uintptr_t at, mapping *m) {
    char buf[512];
    int field = 0, fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    bool found = false;
    *m = (mapping){0};
    for (ssize_t n; fd >= 0 && !found && (n = read(fd, buf, sizeof buf)) > 0;) {
        for (ssize_t i = 0; i < n && !found; i++) {
            if (!take(m, &field, buf[i])) continue;
            found = at >= m->start && at < m->end;
            field = 0;
            if (!found) *m = (mapping){0};
        }
    }
    if (fd >= 0) close(fd);
    return found;
}

/* From the page that is not there to the map's end: what lies behind it is not there either. */
static bool replace(uintptr_t at) {
    mapping m;
    if (!find_mapping(at, &m)) return false;
    /* Another thread met it, too, and was first. */
    if (!m.named) return atomic_fetch_add(&tries, 1) < TRIES;
    if (!is_segment(&m)) return false;
    uintptr_t page = at & ~(uintptr_t)(sysconf(_SC_PAGESIZE) - 1);
    int protection = m.writable ? PROT_READ | PROT_WRITE : PROT_READ;
    void *zeroes = mmap((void *)page, m.end - page, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    if (zeroes == MAP_FAILED) return false;
    atomic_store(&tries, 0);
    atomic_fetch_add(&lf_lost_pages, 1);
    return true;
}

static void on_bus_error(int number, siginfo_t *info, void *context) {
    int saved = errno;
    (void)context;
    if (info->si_code == BUS_ADRERR && replace((uintptr_t)info->si_addr)) {
        errno = saved;
        return;
    }
    /* Not ours. A handler that sends it on to the one before it (faulthandler) may have been put before and behind
     * this one: the second time it is the end. */
    struct sigaction end = {.sa_handler = SIG_DFL};
    sigaction(number, atomic_exchange(&handed_on, true) ? &end : &before, NULL);
    if (info->si_code <= 0) raise(number);      /* somebody sent it; a fault comes again by itself */
    errno = saved;
}

void lf_lost_pages_watch(void) {
    struct sigaction now, ours = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    pthread_mutex_lock(&watching);
    if (!sigaction(SIGBUS, NULL, &now) && !(now.sa_flags & SA_SIGINFO && now.sa_sigaction == on_bus_error)) {
        before = now;
        atomic_store(&handed_on, false);
        sigaction(SIGBUS, &ours, NULL);
    }
    pthread_mutex_unlock(&watching);
}
