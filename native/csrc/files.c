/* Opening and writing files, as everything in the core does it. */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lf/log.h"

int lf_open_file(const char *path, int flags) {
    int fd = open(path, flags, 0644);
    if (fd >= 0 || errno != EMFILE) return fd;
    /* A log of thousands of partitions needs as many descriptors; the soft limit is often 1,024 for the sake of
     * select(), which nobody uses here. The hard limit stays what the administrator says. */
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == limit.rlim_max) {
        errno = EMFILE;
        return -1;
    }
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit)) {
        errno = EMFILE;
        return -1;
    }
    return open(path, flags, 0644);
}

int lf_write_all(int fd, const uint8_t *p, size_t n, int64_t at) {
    while (n) {
        ssize_t done = pwrite(fd, p, n, at);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return done < 0 ? errno : ENOSPC;
        p += done;
        at += done;
        n -= (size_t)done;
    }
    return 0;
}
