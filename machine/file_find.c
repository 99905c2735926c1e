/* Where machine files are. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "file_say.h"

#ifndef SIM_MACHINES_DIR
#define SIM_MACHINES_DIR "/usr/local/share/dray/machines"
#endif

enum {
    FOLDERS = 4,
    NAMES_MAX = 256,
    NAME_SIZE = 64,
};

static const char suffix[] = ".ini";

struct folders {
    char paths[FOLDERS][PATH_MAX];
    unsigned count;
};

static void add_folder(struct folders *folders, const char *under, const char *name)
{
    if (snprintf(folders->paths[folders->count], PATH_MAX, "%s%s", under, name) < PATH_MAX)
        folders->count++;
}

static void find_folders(struct folders *folders)
{
    const char *own = getenv("DRAY_MACHINES"), *config = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    char program[PATH_MAX];
    folders->count = 0;
    if (own && own[0]) {
        add_folder(folders, own, "");
        return;
    }
    if (config && config[0] == '/')
        add_folder(folders, config, "/dray/machines");
    else if (home && home[0])
        add_folder(folders, home, "/.config/dray/machines");
    ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);
    program[length > 0 ? length : 0] = 0;
    char *slash = strrchr(program, '/');
    if (slash) {
        *slash = 0;
        add_folder(folders, program, "/machines");
        add_folder(folders, program, "/../share/dray/machines");
    }
    add_folder(folders, SIM_MACHINES_DIR, "");
}

static bool ends_with_suffix(const char *name)
{
    size_t length = strlen(name), end = sizeof(suffix) - 1;
    return length > end && strcmp(name + length - end, suffix) == 0;
}

/* ---- the names ---- */

struct names {
    char text[NAMES_MAX][NAME_SIZE];
    char *list[NAMES_MAX + 1];
    size_t count;
};

static const char *name_at(const void *of, size_t i)
{
    return ((char *const *)of)[i];
}

static void add_names(struct names *names, const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    while (dir && names->count < NAMES_MAX && (entry = readdir(dir))) {
        size_t length = strlen(entry->d_name) - (sizeof(suffix) - 1);
        char *name = names->text[names->count];
        if (!ends_with_suffix(entry->d_name) || entry->d_name[0] == '.' || length >= NAME_SIZE)
            continue;
        memcpy(name, entry->d_name, length);
        name[length] = 0;
        names->list[names->count++] = name;
    }
    if (dir)
        closedir(dir);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char **sim_machine_names(void)
{
    struct folders *folders = malloc(sizeof(*folders));
    struct names *names = calloc(1, sizeof(*names));
    char **result = NULL;
    if (folders && names) {
        find_folders(folders);
        for (unsigned i = 0; i < folders->count; i++)
            add_names(names, folders->paths[i]);
        qsort(names->list, names->count, sizeof(names->list[0]), compare_names);
        result = malloc((names->count + 1) * sizeof(char *) + names->count * NAME_SIZE);
    }
    if (result) {
        char *text = (char *)(result + names->count + 1);
        size_t kept = 0;
        for (size_t i = 0; i < names->count; i++)
            if (!kept || strcmp(result[kept - 1], names->list[i]) != 0)
                result[kept++] = strcpy(text + i * NAME_SIZE, names->list[i]);
        result[kept] = NULL;
    }
    free(names);
    free(folders);
    return result;
}

/* ---- one of them ---- */

static int say_unknown(const char *name, char *error, size_t size)
{
    struct sim_place place = { .name = "machine", .error = error, .size = size };
    char expected[SIM_PARAM_EXPECTED];
    char **names = sim_machine_names();
    size_t count = 0;
    while (names && names[count])
        count++;
    sim_expect_name(expected, sizeof(expected), "a machine file or a machine", name, name_at, names,
                    count);
    sim_say(&place, name, "", expected);
    free(names);
    return -ENOENT;
}

static int say_too_long(char *error, size_t size)
{
    if (error)
        snprintf(error, size, "machine: the path of its file is too long");
    return -ENAMETOOLONG;
}

int sim_machine_find(const char *name, char *path, size_t path_size, char *error, size_t error_size)
{
    if (strchr(name, '/') || ends_with_suffix(name))
        return (size_t)snprintf(path, path_size, "%s", name) < path_size
                   ? 0
                   : say_too_long(error, error_size);
    struct folders *folders = malloc(sizeof(*folders));
    int result = folders ? -ENOENT : -ENOMEM;
    if (folders)
        find_folders(folders);
    for (unsigned i = 0; folders && i < folders->count && result == -ENOENT; i++) {
        if ((size_t)snprintf(path, path_size, "%s/%s%s", folders->paths[i], name, suffix) >=
            path_size)
            result = -ENAMETOOLONG;
        else if (!access(path, R_OK))
            result = 0;
    }
    free(folders);
    if (result == -ENOENT)
        return say_unknown(name, error, error_size);
    return result == -ENAMETOOLONG ? say_too_long(error, error_size) : result;
}
