/* CRC-32C (Castagnoli) as Kafka stores it in a batch header. FORMAT.md, "Batch header".
   isa-l's crc32_iscsi neither inverts its start value nor its result; both are done here, so that
   calls chain: lf_crc32c(lf_crc32c(0, a), b) is the checksum of a followed by b. */
#ifndef LF_CRC32C_H
#define LF_CRC32C_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include <isa-l/crc.h>

static inline uint32_t lf_crc32c(uint32_t crc, const void *data, size_t n) {
    /* isa-l takes the length as an int and the buffer as non-const, but only reads it. */
    unsigned char *p = (unsigned char *)(uintptr_t)data;
    crc = ~crc;
    while (n > (size_t)1 << 30) {
        crc = crc32_iscsi(p, 1 << 30, crc);
        p += (size_t)1 << 30;
        n -= (size_t)1 << 30;
    }
    return ~crc32_iscsi(p, (int)n, crc);
}

#endif
