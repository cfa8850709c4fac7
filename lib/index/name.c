#include "index/name.h"

#include <stdio.h>
#include <string.h>

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Windows opens a device by them, whatever stands behind the dot; an index is cloned there too. */
static bool is_device(const char *key)
{
    static const char *const names[] = {"con", "prn", "aux", "nul"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(key, names[i]) == 0)
            return true;
    return (strncmp(key, "com", 3) == 0 || strncmp(key, "lpt", 3) == 0) && key[3] >= '0' &&
           key[3] <= '9' && key[4] == '\0';
}

void index_name_key(const char *name, char key[INDEX_NAME_SIZE])
{
    size_t n = 0;
    for (; name[n] != '\0' && n < INDEX_NAME_SIZE - 1; n++)
        key[n] = name[n] == '_'                     ? '-'
                 : name[n] >= 'A' && name[n] <= 'Z' ? (char)(name[n] - 'A' + 'a')
                                                    : name[n];
    key[n] = '\0';
}

bool index_name_good(const char *name)
{
    char key[INDEX_NAME_SIZE];
    size_t n = 0;
    while (is_alnum(name[n]) || name[n] == '_' || name[n] == '-')
        n++;
    if (n == 0 || n >= INDEX_NAME_SIZE || name[n] != '\0' || !is_alnum(*name))
        return false;
    index_name_key(name, key);
    return !is_device(key);
}

void index_name_path(const char *key, char path[INDEX_PATH_SIZE])
{
    size_t n = strlen(key);
    if (n < 3)
        snprintf(path, INDEX_PATH_SIZE, "%zu/%s.json", n, key);
    else if (n == 3)
        snprintf(path, INDEX_PATH_SIZE, "3/%c/%s.json", *key, key);
    else
        snprintf(path, INDEX_PATH_SIZE, "%.2s/%.2s/%s.json", key, key + 2, key);
}

bool index_path_key(const char *path, size_t n, char key[INDEX_NAME_SIZE])
{
    static const char end[] = ".json";
    char again[INDEX_NAME_SIZE], same[INDEX_PATH_SIZE];
    const char *slash = n > 0 ? memrchr(path, '/', n) : NULL;
    const char *leaf = slash != NULL ? slash + 1 : path;
    size_t length = n - (size_t)(leaf - path);
    if (n >= INDEX_PATH_SIZE || length <= sizeof end - 1 ||
        memcmp(path + n - (sizeof end - 1), end, sizeof end - 1) != 0)
        return false;
    length -= sizeof end - 1;
    if (length >= INDEX_NAME_SIZE || memchr(leaf, '\0', length) != NULL)
        return false;
    memcpy(key, leaf, length);
    key[length] = '\0';
    if (!index_name_good(key))
        return false;
    index_name_key(key, again);
    index_name_path(key, same);
    return strcmp(key, again) == 0 && strlen(same) == n && memcmp(same, path, n) == 0;
}
