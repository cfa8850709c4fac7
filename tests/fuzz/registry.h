/* A registry with two bundles and three entries, for the targets that damage one file of it. It is
 * made once in a process, through the library: of the layout only bundles/<id>/ is taken for
 * granted. */
#ifndef FUZZ_REGISTRY_H
#define FUZZ_REGISTRY_H

#include "modload/modload.h"
#include "registry_store/store.h"

#include "fuzz.h"

#define FUZZ_BUNDLE  "b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define FUZZ_BUNDLE2 "b-bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define FUZZ_UUID    "8c2a7f61-3d0b-4e9a-9c55-1f6e0a4b7d23"
#define FUZZ_UUID2   "8c2aee00-0000-4000-8000-000000000001"
#define FUZZ_UUID3   "d00d0000-0000-4000-8000-000000000001"

/* A context on it; the registry is made when it is first asked for. Entry FUZZ_UUID, called "math",
 * points at FUZZ_BUNDLE; FUZZ_UUID2, called "cafe", and FUZZ_UUID3, which has no name, at
 * FUZZ_BUNDLE2. The process keeps it. */
struct ml_ctx *fuzz_registry(void);

/* The path of its directory. */
const char *fuzz_registry_path(void);

/* The directory of FUZZ_BUNDLE, whose files may be written to. It stays open. */
int fuzz_bundle(void);

/* Gives `name` beneath `dirfd` this content, in the place of what it had. */
void fuzz_replace(int dirfd, const char *name, const uint8_t *data, size_t size);

#endif
