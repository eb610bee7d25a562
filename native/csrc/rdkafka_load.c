#include <dlfcn.h>
#include <stdio.h>

#include "lf/rdkafka.h"

const char *lf_rd_load(lf_rd_api *api, const char *path, char *text, size_t size) {
    /* dlsym on the handle looks into the object's own libraries too: librdkafka may be bundled with it or the system's. */
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        snprintf(text, size, "%s", dlerror());
        return text;
    }
#define FIND(result, name, args)                                                  \
    *(void **)&api->name = dlsym(handle, "rd_kafka_" #name);                      \
    if (!api->name) {                                                             \
        snprintf(text, size, "%s has no function %s", path, "rd_kafka_" #name);   \
        return text;                                                              \
    }
    LF_RD_FUNCTIONS(FIND)
#undef FIND
    return NULL;
}
