/* What modload is measured against: maps a plugin and calls it, with no isolation, no check and no
 * timeout. bare PLUGIN.so add 2 3
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    if (argc != 5)
        return 64;
    void *plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (plugin == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 66;
    }
    double (*function)(double, double) = (double (*)(double, double))dlsym(plugin, argv[2]);
    if (function == NULL)
        return 127;
    printf("%.17g\n", function(strtod(argv[3], NULL), strtod(argv[4], NULL)));
    return 0;
}
