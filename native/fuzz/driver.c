/* For compilers without libFuzzer: mutates inputs without looking at coverage. driver SECONDS [SEED] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fuzz.h"

#define SIZE_MAX_INPUT 512

static uint64_t state;

static uint32_t next_random(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33);
}

int main(int argc, char **argv) {
    uint8_t data[SIZE_MAX_INPUT] = {0};
    size_t size = 64;
    uint64_t runs = 0;
    long seconds = argc > 1 ? strtol(argv[1], NULL, 10) : 60;
    state = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL);
    printf("seed %llu\n", (unsigned long long)state);
    fflush(stdout);
    for (time_t end = time(NULL) + seconds; time(NULL) < end; runs++) {
        if (!(next_random() % 16)) size = next_random() % SIZE_MAX_INPUT;
        if (!(next_random() % 8)) memset(data, (int)(next_random() & 1 ? next_random() : 0), size);
        for (uint32_t n = 1 + next_random() % 32; n && size; n--) data[next_random() % size] = (uint8_t)next_random();
        LLVMFuzzerTestOneInput(data, size);
    }
    printf("%llu runs\n", (unsigned long long)runs);
    return 0;
}
