#!/usr/bin/env bats
# Goal of this test: a pack is installed as all else is: shown, agreed to, filed or built, tested, registered; with no
# network, and one that is not what it says changes nothing.

load helpers
load plugins
load registry

setup() {
    world_setup
    export HOME=$PWD/home
    mkdir home calc
    printf '{"name": "calc", "version": "1.0.0", "description": "Counts.", "license": "MIT", "tests": [{"call": "two", "args": [], "expect": 2}]}\n' >calc/modload.json
    echo 'int two(void) { return 2; }' >calc/two.c
    MODLOAD_HOME=$PWD/there modload register --name calc "$(modload uuid)" calc 3>&-
    MODLOAD_HOME=$PWD/there modload pack calc -o calc.pack
    MODLOAD_HOME=$PWD/there modload pack calc -o calc.bin --binary
    bundle=$(MODLOAD_HOME=$PWD/there modload lookup calc)
}

@test "install of a pack: shown, and nothing is done before somebody agrees" {
    ml install calc.pack </dev/null
    assert_exit 77
    assert_no_stdout
    assert_stderr_has "calc 1.0.0"
    assert_stderr_has "  description   Counts."
    assert_stderr_has "  from          calc.pack"
    assert_stderr_has "  bundle        $bundle"
    assert_stderr_has "  license       MIT"
    assert_stderr_has "  to be built   yes, from its sources"
    assert_stderr_has "modload: nobody has agreed to 'calc' from 'calc.pack'"
    assert_equal "$(modload list)" ""
    assert_equal "$(find "$MODLOAD_HOME/bundles" -mindepth 1)" ""
    assert_equal "$(litter)" ""
    ml install --dry-run calc.bin
    assert_ok
    assert_stdout_has "  to be built   no: what was built is in it"
    assert_equal "$(find "$MODLOAD_HOME/bundles" -mindepth 1)" ""
}

@test "install of a pack: filed or built, tested, and registered" {
    for file in calc.pack calc.bin; do
        rm -rf "$MODLOAD_HOME"
        ml install --yes $file
        assert_ok
        id=$output
        assert_stderr_has "modload: tested calc: 1 passed, 0 failed"
        assert_stderr_has "modload: installed calc 1.0.0"
        assert_equal "$(modload lookup "$id")" "$bundle"
        assert_equal "$(modload lookup calc)" "$bundle"
        assert_equal "$(modload history calc | awk '{print $NF}')" "$PWD/$file"
        ml run --release calc two
        assert_stdout 2
        before=$(snapshot bundles entries history names)
        ml install $file </dev/null # what is there needs no second yes
        assert_ok
        assert_stdout "$id"
        assert_stderr_has "modload: installed already: calc 1.0.0"
        assert_equal "$(snapshot bundles entries history names)" "$before"
        ml verify
        assert_ok
    done
}

@test "install of a pack: what takes the place of a damaged bundle has to be agreed to" {
    modload install --yes calc.bin 3>&- 2>/dev/null
    ml install --dry-run calc.bin
    assert_stdout_has "to be built   no: this very bundle is here"
    chmod u+w "$MODLOAD_HOME/bundles/$bundle" "$MODLOAD_HOME/bundles/$bundle/plugin.so"
    echo more >>"$MODLOAD_HOME/bundles/$bundle/plugin.so"
    ml install calc.bin </dev/null
    assert_exit 77
    assert_stderr_has "nobody has agreed to 'calc' from 'calc.bin'"
    ml verify
    assert_exit 77
    ml install --yes calc.bin
    assert_ok
    ml verify
    assert_ok
}

@test "install of a pack: a binary one takes neither compiler nor network" {
    alone=()
    ! unshare -rn true 2>/dev/null || alone=(unshare -rn)
    CC=/nonexistent "${alone[@]}" modload install --yes calc.bin 2>err 3>&- || fail "$(<err)"
    assert_equal "$(modload lookup calc)" "$bundle"
    CC=/nonexistent MODLOAD_HOME=$PWD/other ml install --yes calc.pack
    assert_exit 66
    assert_stderr_has "there is no C compiler"
    assert_equal "$(MODLOAD_HOME=$PWD/other modload list)" ""
}

@test "install of a pack: where it says that it comes from is the entry's origin, and its key's" {
    mkdir inside
    zstd -qdc <calc.bin | tar -x -C inside --warning=no-unknown-keyword
    commit=0123456789012345678901234567890123456789
    sed -i "s|}]}\$|}],\"origin\":\"git+https://example.org/calc?tag=v1#$commit\"}|" inside/pack.json
    (cd inside && tar -c --sort=name -- *) | zstd -q >bad
    ml install --yes --json bad
    assert_ok
    assert_equal "$(json '.data.plugins[0]|[.plugin, .version, .bundle, .source, .binary]|tojson')" \
        "[\"calc\",\"1.0.0\",\"$bundle\",\"git+https://example.org/calc?tag=v1#$commit\",true]"
    first=$(json '.data.plugins[0].uuid')
    [[ $(modload history "$first") == *" pack+git+https://example.org/calc?tag=v1#$commit" ]]
    ml outdated # nobody has agreed to what is there
    assert_ok
    assert_no_stdout
    sed -i "s|tag=v1|tag=v2|" inside/pack.json
    (cd inside && tar -c --sort=name -- *) | zstd -q >bad
    ml install --yes bad
    assert_ok
    assert_stdout "$first"
    printf '{"bundles":' >inside/pack.json
    (cd inside && tar -c --sort=name -- *) | zstd -q >bad
    ml install --yes bad
    assert_exit 77
    assert_equal "$(litter)" ""
}

@test "install of a pack: the entry and its name are for the caller to choose" {
    id=$(modload uuid)
    ml install --yes --as "$id" --name other calc.pack
    assert_ok
    assert_stdout "$id"
    assert_equal "$(key_of other)" "$id"
    for words in "--path x" "--index x" "--min-age 1d"; do
        # shellcheck disable=SC2086
        ml install --yes calc.pack $words
        assert_exit 64
    done
    ml install --yes --as nobody calc.pack
    assert_exit 65
}

@test "install of a pack: one that fails its tests is not registered" {
    sed -i 's/"expect": 2/"expect": 3/' calc/modload.json
    modload register --name bad "$(modload uuid)" calc 3>&-
    modload pack bad -o bad.bin --binary
    export MODLOAD_HOME=$PWD/other
    ml install --yes bad.bin
    assert_exit 65
    assert_stderr_has "'calc' fails 1 of its own 1 tests"
    assert_equal "$(modload list)" ""
}

@test "install of a pack: killed at whatever call, the next one does it" {
    killed=0
    for call in mkdirat fsync renameat2 symlinkat; do
        for n in 1 3; do
            rm -rf "$MODLOAD_HOME"
            killed_at $call $n install --yes calc.bin || break
            killed=$((killed + 1))
            ml install --yes calc.bin
            assert_ok
            assert_equal "$(modload lookup calc)" "$bundle"
            ml verify
            assert_ok
            assert_equal "$(litter)" ""
        done
    done
    [ $killed -ge 4 ] || fail "killed $killed times only"
}
