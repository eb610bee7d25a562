/* What every C function of logflume returns. No kernel raises: one place in each Cython file
   turns a status into a typed error of logflume.errors. */
#ifndef LF_STATUS_H
#define LF_STATUS_H

typedef enum lf_status {
    LF_OK = 0,            /* done */
    LF_E_IO,              /* a system call failed: errno tells why */
    LF_E_CORRUPT,         /* the bytes contradict the format or their checksum */
    LF_E_TRUNCATED,       /* the bytes are good as far as they go, and end too early */
    LF_E_MAGIC,           /* a record batch of a magic other than 2 */
    LF_E_CODEC,           /* a compression codec that is unknown or not of this build */
    LF_E_TOO_LARGE,       /* the input or the output is over a configured limit */
    LF_E_BOMB,            /* compressed data would unpack to more than the caller's cap */
    LF_E_OUT_OF_RANGE,    /* an offset outside [start_offset, end_offset) */
    LF_E_SYNC_FAILED,     /* fsync or fdatasync failed: the pages may be lost, do not retry */
    LF_E_NOMEM,           /* no memory */
    LF_E_TIMEOUT,         /* the time given was over */
    LF_E_CLOSED,          /* the object was closed, here or by another thread */
    LF_E_READ_ONLY,       /* the directory or the handle is read-only */
    LF_E_NO_SPACE,        /* the disk or the quota is full */
    LF_E_FAILPOINT,       /* a failpoint with the action "raise" was hit (tests only) */
    LF_E_END,             /* nothing more to read: not an error */
    LF_E_OWNER_DIED,      /* the lock is held now, and its last owner died holding it: repair first */
    LF_E_INTERRUPTED,     /* woken early (a signal, another's news): look again */
    LF_E_LOCKED,          /* another program holds the directory */
    LF_E_FORMAT,          /* a file of a newer or foreign format */
    LF_E_OUT_OF_SEQUENCE, /* an idempotent producer's batch does not follow its last one */
    LF_E_FENCED,          /* a producer epoch (or coordinator epoch) older than one the log has seen */
    LF_E_COORDINATOR,     /* a marker of a coordinator that has been replaced */
    LF_E_TXN_STATE        /* not allowed in the state that the producer's transaction is in */
} lf_status;

#endif
