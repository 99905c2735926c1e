#include "load.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "peer.h"

#ifndef BENCH_PEER_DIR
#define BENCH_PEER_DIR "/usr/local/lib/dray/peers"
#endif

/* Folder of the running command; "." when the system does not say. */
static void command_folder(char *folder, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", folder, size - 1);
    char *slash;

    folder[length > 0 ? length : 0] = '\0';
    slash = strrchr(folder, '/');
    if (slash)
        *slash = '\0';
    else
        snprintf(folder, size, ".");
}

static int find_module(char *path, size_t size, const char *file)
{
    const char *given = getenv("DRAY_PEERS");
    char folder[PATH_MAX];

    if (given) {
        snprintf(path, size, "%s/%s", given, file);
        return access(path, R_OK);
    }
    command_folder(folder, sizeof(folder));
    snprintf(path, size, "%s/bench/%s", folder, file);
    if (!access(path, R_OK))
        return 0;
    snprintf(path, size, "%s/%s", folder, file);
    if (!access(path, R_OK))
        return 0;
    snprintf(path, size, "%s/%s", BENCH_PEER_DIR, file);
    return access(path, R_OK);
}

const void *bench_load_peer(const char *file, const char *symbol, char *why, size_t why_size)
{
    char path[2 * PATH_MAX];
    const uint32_t *table;
    void *module;

    if (find_module(path, sizeof(path), file)) {
        snprintf(why, why_size, "%s was not built (meson option peers)", file);
        return NULL;
    }
    module = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!module) {
        snprintf(why, why_size, "%s", dlerror());
        return NULL;
    }
    table = dlsym(module, symbol);
    if (!table || *table != BENCH_PEER_VERSION) {
        snprintf(why, why_size, "%s is of another version than this command", file);
        return NULL;
    }
    return table;
}
