#!/usr/bin/env bats
# Goal of this test: the check of imports lets what is allowed pass, and finds each kind of arrow that points back.

load helpers

plant() { # plant FILE LINE...
    mkdir -p "tree/${1%/*}"
    printf '%s\n' "${@:2}" >"tree/$1"
}

check_imports() {
    status=0
    output=$(sh "$MODLOAD_ROOT/scripts/check-imports" tree 2>&1) || status=$?
    echo "status $status: $output"
}

refused() { # refused FILE LINE: the one line is found, at its place
    plant "$1" '#include <stdio.h>' "$2"
    check_imports
    assert_exit 1
    assert_stdout_has "$1:2: "
    assert_stdout_has "$2"
    rm -r tree
}

@test "check-imports: allowed arrows pass in silence" {
    plant cmd/a.c '#include "cmd/command.h"' '#include "base/buf.h"' '#include <modload/modload.h>' '#include "modload/build.h"'
    plant lib/client/a.c '#include "client/wire.h"' '#include "registry_store/store.h"' '#include "base/fs.h"'
    plant lib/worker/a.c '#include "worker/call.h"' '#include "client/wire.h"' '#include "modload/abi.h"'
    plant registry_store/a.c '#include "registry_store/store.h"' '#include "modload/error.h"' 'x("entries/%s");'
    plant lib/base/a.c '#include "base/error.h"' '#include "modload/error.h"' '#include <sys/stat.h>'
    plant manifests/math/a.c '#include <modload/plugin.h>' '#include <math.h>' '#include "own.h"'
    plant lib/archive/a.c '#include "archive/unpack.h"' '#include "base/child.h"' '#include "modload/error.h"'
    plant lib/build/b.c '#include "archive/unpack.h"' '#include <archive.h>'
    plant lib/project/a.c '#include "project/lock.h"' '#include "build/arena.h"' '#include "fetch/source.h"'
    plant lib/build/a.c '/* entries/ in a comment: "entries/" */' 'x("filenames/");'
    check_imports
    assert_ok
    assert_no_stdout
}

@test "check-imports: lib does not include cmd" {
    refused lib/client/a.c '#include "cmd/command.h"'
}

@test "check-imports: base has no domain words in it" {
    refused lib/base/a.c '#include "client/wire.h"'
    refused lib/base/a.c '#include "modload/modload.h"'
    refused lib/base/a.c '#include "registry_store/store.h"'
}

@test "check-imports: the store includes neither lib/client nor the API" {
    refused registry_store/a.c '#include "client/context.h"'
    refused registry_store/a.c '#include "modload/modload.h"'
}

@test "check-imports: commands include the public headers alone" {
    refused cmd/a.c '#include "client/wire.h"'
    refused cmd/a.c '#include "registry_store/store.h"'
    refused cmd/a.c '#include <registry_store/store.h>'
}

@test "check-imports: the worker does not include the builder, nor the other way round" {
    refused lib/worker/a.c '#include "build/dwarf.h"'
    refused lib/build/a.c '#include "worker/call.h"'
}

@test "check-imports: the builder and the fetcher know nothing of projects" {
    refused lib/build/a.c '#include "project/project.h"'
    refused lib/fetch/a.c '#include "project/lock.h"'
    refused cmd/a.c '#include "project/lock.h"'
}

@test "check-imports: archives know nothing of modload, and only the builder knows them" {
    refused lib/archive/a.c '#include "build/plan.h"'
    refused lib/archive/a.c '#include "client/context.h"'
    refused lib/archive/a.c '#include "registry_store/store.h"'
    refused lib/archive/a.c '#include "modload/modload.h"'
    refused lib/client/a.c '#include "archive/unpack.h"'
    refused lib/worker/a.c '#include "archive/unpack.h"'
    refused lib/base/a.c '#include "archive/unpack.h"'
    refused cmd/a.c '#include "archive/unpack.h"'
}

@test "check-imports: a plugin that ships reaches into nothing" {
    refused manifests/math/a.c '#include "base/buf.h"'
    refused manifests/math/a.c '#include <modload/modload.h>'
    refused manifests/math/a.c '  #  include "../../lib/base/buf.h"'
}

@test "check-imports: nobody includes from manifests" {
    refused cmd/a.c '#include "manifests/math/math.h"'
    refused tests/unit/a.c '#include "manifests/math/math.h"'
}

@test "check-imports: only the store spells its paths" {
    refused cmd/a.c 'f("entries/%s");'
    refused lib/client/a.c 'f("%s/bundles/%s", home, id);'
    refused lib/build/a.c 'f("names/"); /* why */'
}
