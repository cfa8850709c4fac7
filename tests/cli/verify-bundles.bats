#!/usr/bin/env bats
# Goal of this test: verify sees every damage of a bundle; --repair builds it again, byte for byte, from the sources in it.

load helpers
load plugins
load registry
load damage

@test "verify: a flipped bit, or a lost end, of the object" {
    flip "$bundle/plugin.so"
    refuses
    mends "$bundle/plugin.so" "is not what was filed: its digest differs"
    shorten "$bundle/plugin.so"
    refuses
    mends "$bundle/plugin.so" "is not what was filed: its digest differs"
    : >"$BATS_TEST_TMPDIR/empty"
    install -m 400 "$BATS_TEST_TMPDIR/empty" "$bundle/plugin.so"
    mends "$bundle/plugin.so" "is empty, and was not when it was filed"
}

@test "verify: a flipped bit in what else belongs to a bundle" {
    for file in manifest.json name; do
        flip "$bundle/$file"
        refuses
        mends "$bundle/$file" "is not what was filed: its digest differs"
    done
    flip "$bundle/SHA256SUMS"
    refuses
    ml verify
    assert_exit 77
    assert_stderr_has "modload: $bundle/"
    ml verify --repair
    assert_ok
    assert_equal "$(picture)" "$before"
    works
}

@test "verify: a missing file of a bundle" {
    for file in plugin.so SHA256SUMS manifest.json name; do
        rm -f "$bundle/$file"
        refuses
        mends "$bundle/$file" "is missing"
    done
}

# Here is all that there is of them: nothing can be made again.
@test "verify: sources and records that are damaged stay so, and nothing of the bundle is loaded" {
    source=$(echo "$bundle"/source/*)
    for file in "$source" "$bundle/build.json"; do
        cp -a "$file" "$BATS_TEST_TMPDIR/kept"
        flip "$file"
        tells "$file" "is not what was filed: its digest differs"
        found=$(picture)
        ml verify --repair
        assert_exit 77
        assert_no_stdout
        assert_stderr_has "bundle '$two' cannot be built again: "
        assert_stderr_has "  hint: what is left: go back (modload rollback U), register anew, or restore a backup"
        assert_equal "$(picture)" "$found"
        refuses
        cp -af "$BATS_TEST_TMPDIR/kept" "$file"
        clean
    done
}

@test "verify: all generations of one entry, when the first of them has to be mended" {
    for _ in {1..5}; do # what went wrong once depended on where memory was
        flip "$bundle/name"
        ml verify --repair --json v
        assert_ok
        assert_equal "$(json '.data|[.bundles, .mended]|tojson')" '[2,1]'
        assert_equal "$(picture)" "$before"
    done
}

@test "verify: sources with names that SHA256SUMS has to mark" {
    mkdir -p names/deep
    echo 'int f(void) { return 7; }' >names/f.c
    for name in 'back\slash.h' $'new\nline.h' 'deep/ä b.h'; do
        echo '#define X 1' >"names/$name"
    done
    printf '#include "back\\slash.h"\n#include "deep/ä b.h"\n' >>names/f.c
    modload register --name names "$(modload uuid)" names >/dev/null 3>&-
    ml run --release names f
    assert_stdout 7
    flip "bundles/$(modload lookup names)/source/deep/ä b.h"
    ml run names f
    assert_exit 77
    assert_stderr_has "the bundle is damaged: 'source/deep/ä b.h' is not what was filed"
}

@test "verify: a bundle of an earlier generation" {
    flip "bundles/$one/plugin.so"
    ml run --release v v
    assert_stdout 2
    mends "bundles/$one/plugin.so" "is not what was filed"
    modload rollback v >/dev/null
    ml run --release v v
    assert_stdout 1
}

@test "verify: what does not belong in a bundle goes to lost+found" {
    echo "my diary" >"$BATS_TEST_TMPDIR/diary"
    cp "$BATS_TEST_TMPDIR/diary" "$bundle/diary"
    mends "$bundle/diary" "is a file that is not of this bundle"
    keeps "$BATS_TEST_TMPDIR/diary"
}

@test "verify: a bundle that is missing cannot be mended: roll back, or register anew" {
    mv "$bundle" "$BATS_TEST_TMPDIR/kept"
    ml verify --repair
    assert_exit 77
    assert_stderr_has "modload: $entry leads to a bundle that is missing"
    assert_stderr_has "  hint: what is left: go back (modload rollback U), register anew, or restore a backup"
    ml load v
    assert_exit 77
    assert_stderr_has "modload rollback $id"
    ml rollback "$id"
    assert_ok
    assert_stdout "$one"
    tells "bundles/$two" "is missing, and generation 2 of $id with it"
    ml run --release v v
    assert_stdout 1
    mv "$BATS_TEST_TMPDIR/kept" "$bundle"
    clean
}

@test "verify: a bundle of an earlier generation that is missing" {
    mv "bundles/$one" "$BATS_TEST_TMPDIR/kept"
    ml history v
    assert_stdout_has "$one (gone)"
    tells "bundles/$one" "is missing, and generation 1 of $id with it"
    for words in "verify v" "verify --repair" "verify --repair v"; do
        # shellcheck disable=SC2086
        ml $words
        assert_exit 77
        assert_stderr_has "modload: bundles/$one is missing, and generation 1 of $id with it"
        assert_stderr_has "modload: the registry has 1 problem"
    done
    assert_stderr_has "register anew, or restore a backup; give up generations that are lost: modload gc --keep-last N"
    ml verify w
    assert_ok
    modload register --name other 11111111-1111-1111-1111-111111111111 "$two"
    ml verify --json
    assert_equal "$(json '.data.problems|map(.path)|tojson')" "[\"bundles/$one\"]"
    mv "$BATS_TEST_TMPDIR/kept" "bundles/$one"
    ml verify
    assert_ok
    rm -rf "bundles/$one"
    (cd "$BATS_TEST_TMPDIR" && modload compile -e "int v(void) { return 1; }" >/dev/null) # it is built anew, from the same
    ml verify
    assert_ok
    rm -rf "bundles/$one"
    ml gc --keep-last 1
    assert_ok
    ml verify
    assert_ok
}

# What gc takes away, nothing names any more: that is not lost.
@test "verify: a bundle that gc has removed is not missed" {
    modload register --name v "$id" -e 'int v(void) { return 3; }' 3>&-
    modload pin v 1
    modload unregister w >/dev/null
    for words in "--dry-run --keep-last 1" "" "--keep-last 1"; do
        # shellcheck disable=SC2086
        ml gc $words
        assert_ok
        ml verify
        assert_ok
        assert_no_stderr
    done
    [ ! -e "bundles/$two" ]
    modload unregister v >/dev/null
    for words in "--older-than 1h" ""; do
        # shellcheck disable=SC2086
        ml gc $words
        assert_ok
        ml verify
        assert_ok
    done
    modload unpin "$id" 1
    ml gc
    assert_ok
    ml verify
    assert_ok
    assert_stdout "0 bundles looked at, 0 problems"
}

@test "verify: what is in the place of a bundle goes to lost+found, and leaves it to a new one" {
    cp -a "$bundle" "$BATS_TEST_TMPDIR/away"
    for other in 'echo "my diary" >' "ln -s $BATS_TEST_TMPDIR/away" 'ln -s nowhere' mkfifo; do
        rm -r "$bundle"
        eval "$other $bundle"
        ml verify
        assert_exit 77
        assert_stderr_has "modload: $bundle is no directory"
        ml verify --repair
        assert_exit 77
        assert_stderr_has "modload: $bundle is no directory: mended"
        [ "$(ls lost+found | grep -c .)" -eq 1 ]
        rm -r lost+found
        ml gc
        assert_ok
        (cd "$BATS_TEST_TMPDIR" && ml register v -e 'int v(void) { return 2; }' && assert_ok)
        works
    done
    assert_equal "$(picture)" "$before"
}

@test "verify: of an object that was given, the part that modload has added" {
    cc -shared -fPIC -g -o "$BATS_TEST_TMPDIR/given.so" -xc - <<<'int v(void) { return 5; }'
    modload register --name given 11111111-1111-1111-1111-111111111111 "$BATS_TEST_TMPDIR/given.so"
    rm -f "bundles/$(modload lookup given)/entry.so"
    for command in "load given" "run given v"; do
        # shellcheck disable=SC2086
        ml $command
        assert_exit 77
        assert_stderr_has "the bundle is damaged"
    done
    ml verify
    assert_exit 77
    assert_stderr_has "/entry.so is missing"
}
