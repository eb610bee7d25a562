/* What every target offers: libFuzzer's entry point, also called by driver.c where there is no libFuzzer. */
#ifndef LF_FUZZ_H
#define LF_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Stops the run when something holds that must not. */
#define LF_FUZZ_REQUIRE(condition)            \
    do {                                      \
        if (!(condition)) __builtin_trap();   \
    } while (0)

#endif
