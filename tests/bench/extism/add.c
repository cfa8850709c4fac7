/* The peer's plugin: add, as Extism has it, for `call.mjs`. Its input and output are bytes that the
 * host keeps; the imports are those of Extism's kernel. Two whole numbers of one digit are enough
 * to time a call. */
#include <stdint.h>

#define EXTISM(name) __attribute__((import_module("extism:host/env"), import_name(#name)))

EXTISM(input_load_u8) uint32_t input_load_u8(uint64_t at);
EXTISM(alloc) uint64_t alloc(uint64_t size);
EXTISM(store_u8) void store_u8(uint64_t at, uint32_t byte);
EXTISM(output_set) void output_set(uint64_t at, uint64_t size);

__attribute__((export_name("add"))) int32_t add(void)
{
    double a = input_load_u8(0) - '0', b = input_load_u8(2) - '0';
    uint64_t out = alloc(1);
    store_u8(out, (uint32_t)(a + b) + '0');
    output_set(out, 1);
    return 0;
}
