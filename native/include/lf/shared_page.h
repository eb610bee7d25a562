/* One page of a file as memory that all processes share which map it: a partition's state, the transactions' page. */
#ifndef LF_SHARED_PAGE_H
#define LF_SHARED_PAGE_H

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lf/log.h"

#define LF_SHARED_PAGE_BYTES 4096

/* Makes the file where there is none. *out is NULL when it fails (LF_E_IO). */
static inline int lf_map_shared_page(const char *path, void **out, lf_error *e) {
    static const uint8_t zeroes[LF_SHARED_PAGE_BYTES];
    struct stat info;
    int fd = lf_open_file(path, O_RDWR | O_CREAT | O_CLOEXEC), rc = LF_OK;
    *out = NULL;
    if (fd < 0) return lf_fail(e, LF_E_IO, errno, path, -1, "open");
    if (fstat(fd, &info)) rc = lf_fail(e, LF_E_IO, errno, path, -1, "stat");
    else if (info.st_size < LF_SHARED_PAGE_BYTES) {
        /* Written, not truncated to size: a full disk must fail here, not in a store through the map. */
        ssize_t done = pwrite(fd, zeroes, sizeof zeroes, 0);
        if (done != (ssize_t)sizeof zeroes) rc = lf_fail(e, LF_E_IO, done < 0 ? errno : ENOSPC, path, -1, "create");
    }
    if (!rc) {
        void *map = mmap(NULL, LF_SHARED_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED) rc = lf_fail(e, LF_E_IO, errno, path, -1, "mmap");
        else *out = map;
    }
    close(fd);
    return rc;
}

#endif
