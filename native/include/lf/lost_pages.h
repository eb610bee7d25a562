/* Pages of mapped segments that went away because somebody outside cut the file off (decision 085). Touching one is
 * SIGBUS. Instead of the end of the process it is zeroes from there on, and this count. */
#ifndef LF_LOST_PAGES_H
#define LF_LOST_PAGES_H

#include <stdatomic.h>
#include <stdint.h>

/* Raised when a page was replaced, in any segment: what was checked before has to be checked again. */
extern _Atomic uint32_t lf_lost_pages;

/* Before a segment is mapped: SIGBUS comes here first, and goes on to whom it went before when it is not ours. */
void lf_lost_pages_watch(void);

#endif
