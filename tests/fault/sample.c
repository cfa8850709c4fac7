/* Which points the short forms try: the same ones every time, spread over all of a command. */
#include "modes.h"

size_t sample_size(const struct options *options, size_t n, size_t usual)
{
    size_t wish = options->sample ? options->sample : usual;
    return options->full || options->at != 0 || wish > n ? n : wish;
}

size_t sample_draw(const struct options *options, int trial, size_t n, size_t size, size_t i)
{
    const uint64_t parts[] = {options->seed, (uint64_t)trial, i};
    size_t from = n * i / size, to = n * (i + 1) / size;
    return from + fnv(FNV_INIT, parts, sizeof parts) % (to - from);
}
