#!/usr/bin/env bats
# Goal of this test: export writes the registry, or some entries, whole or not at all, and the same for the same.

load helpers
load plugins
load registry
load transfer

@test "export: the same content gives the same bytes, here and there" {
    ml export again
    assert_ok
    assert_no_stdout
    assert_stderr "modload: exported 3 entries and 4 bundles"
    cmp file again
    assert_equal "$(stat -c %a again)" 600
    status=0
    modload export - >piped 2>err || status=$?
    assert_ok
    cmp file piped
    modload export - 2>err | cat >piped
    cmp file piped
    export MODLOAD_HOME=$there
    modload import file
    modload export back
    assert_equal "$(content back)" "$(content file)"
}

# In one file of histories, changed in turns.
@test "export: the same content gives the same bytes, whichever entry was changed first" {
    local first=b2000000-0000-4000-8000-00000000000a
    versions x 1 $first
    modload pin v 2
    versions x 2 $first
    modload rollback w 1
    versions w 2 b2000000-0000-4000-8000-00000000000b
    versions x 3 $first
    modload unregister x
    modload export file
    export MODLOAD_HOME=$there
    ml import file
    assert_ok
    modload export back
    assert_equal "$(content back)" "$(content file)"
    for entry in v w $first; do
        ml history --json $entry
        MODLOAD_HOME=$here modload history --json $entry >said
        assert_equal "$output" "$(<said)"
    done
    ml import file
    assert_ok
    assert_stderr "modload: imported 4 entries, 0 of them new or changed, and 0 new bundles"
}

@test "export: some entries" {
    ml export part w "$id"
    assert_ok
    assert_stderr "modload: exported 2 entries and 3 bundles"
    ml export part "$gone"
    assert_ok
    assert_stderr "modload: exported 1 entry and 1 bundle"
    ml export part w w
    assert_ok
    assert_stderr "modload: exported 1 entry and 1 bundle"
    rm -rf "$there"
    MODLOAD_HOME=$there ml import part
    assert_ok
    assert_equal "$(MODLOAD_HOME=$there modload list | cut -d ' ' -f 3)" w
    assert_equal "$(ls "$there/bundles")" "$(modload lookup w)"
    ml export never nobody
    assert_exit 66
    [ ! -e never ]
    ml export never 11111111-1111-1111-1111-111111111111
    assert_exit 66
    [ ! -e never ]
}

@test "export --json, import --json: how many of what" {
    ml export --json again
    assert_ok
    assert_equal "$(json .data | jq -c .)" '{"entries":3,"bundles":4}'
    export MODLOAD_HOME=$there
    ml import --json file
    assert_ok
    assert_equal "$(json .data | jq -c .)" '{"entries":3,"changed":3,"bundles":4,"replaced":0,"names_taken":[]}'
    ml import --json file
    assert_equal "$(json .data | jq -c .)" '{"entries":3,"changed":0,"bundles":0,"replaced":0,"names_taken":[]}'
    ml export --json -
    assert_exit 64
}

@test "export: a registry of no entries, and none at all" {
    export MODLOAD_HOME=$PWD/none
    ml export empty
    assert_ok
    assert_stderr "modload: exported 0 entries and 0 bundles"
    export MODLOAD_HOME=$there
    ml import empty
    assert_ok
    assert_stderr "modload: imported 0 entries, 0 of them new or changed, and 0 new bundles"
    assert_equal "$(modload list)" ""
}

@test "export: nothing that is damaged is passed on, and the file there stays" {
    object=$MODLOAD_HOME/bundles/$(modload lookup w)/plugin.so
    chmod u+w "$object"
    printf X | dd of="$object" bs=1 seek=$(($(stat -c %s "$object") / 2)) conv=notrunc status=none
    echo mine >kept
    ml export kept
    assert_exit 77
    assert_stderr_has "bundle '$(modload lookup w)' is damaged: plugin.so"
    assert_stderr_has "  hint: run: modload verify --repair"
    assert_equal "$(<kept)" mine
    ml export never
    assert_exit 77
    [ ! -e never ]
    assert_equal "$(find . -maxdepth 1 -type f -size 0 ! -name '.std*')" "" # no beginnings of one
    ml export part v
    assert_ok
    ml verify --repair
    assert_ok
    ml export kept
    assert_ok
    cmp kept file
}

@test "export: an entry without its bundle is not passed on, earlier generations without theirs are" {
    echo mine >kept
    rm -r "$MODLOAD_HOME/bundles/$(modload lookup w)"
    ml export kept
    assert_exit 77
    assert_no_stdout
    assert_stderr_has "modload: bundle '$(modload lookup w)' of key $(key_of w) is missing"
    assert_stderr_has "  hint: run: modload verify --repair; where that cannot help, register the key again"
    assert_equal "$(<kept)" mine
    ml export part w
    assert_exit 77
    ml export part v
    assert_ok
    modload register w -e 'int v(void) { return 7; }' 3>&-
    ml export part
    assert_ok
    rm -r "$MODLOAD_HOME/bundles/$(generation v 1)" "$MODLOAD_HOME/bundles/$(generation "$gone" 1)"
    ml export part
    assert_ok
    assert_stderr "modload: exported 3 entries and 2 bundles"
    export MODLOAD_HOME=$there
    ml import part
    assert_ok
    ml run --release v v
    assert_stdout 2
}

@test "export: a place where no file can be made, and one that takes nothing" {
    for place in nowhere/file file/file /proc/file; do
        ml export $place
        assert_exit 73
        assert_no_stdout
        assert_stderr_has "modload: cannot make '$place': "
    done
    mkdir place
    ml export place
    [ "$status" -ne 0 ]
    assert_equal "$(ls -A place)" ""
    assert_equal "$(find . -maxdepth 1 -name '.?????????*' ! -name .stdout ! -name .stderr)" ""
    status=0
    modload export - >/dev/full 2>err || status=$?
    assert_exit 74
    grep -q "No space left on device" err
    MODLOAD_LIMIT=5 ml verify
    assert_ok
}

@test "export: what it has begun to pass on stays until it is through, whatever becomes of it meanwhile" {
    mkfifo slow
    modload unregister w
    modload gc 2>/dev/null >&2
    for name in w x; do # each more than a pipe takes
        { echo '/*' && head -c 300000 /dev/urandom | base64 && echo '*/ int v(void) { return 1; }'; } >$name.c
        modload register --name $name "$(modload uuid)" $name.c >/dev/null 3>&-
    done
    modload export - >slow 2>said 3>&- &
    exec 9<slow
    read -r -N 1 -u 9 _ # it has begun
    modload unregister w
    modload unregister x
    ml gc
    assert_ok
    assert_stderr_has "removed 0 bundles"
    exec 8<slow # so that it has a reader still
    cat <&9 >/dev/null
    wait $! || fail "$(<said)"
    exec 8<&- 9<&-
    ml gc
    assert_stderr_has "removed 2 bundles"
}

@test "export: a reader that goes away ends it" {
    status=0
    modload export - 2>err | : || status=${PIPESTATUS[0]}
    assert_equal "$(litter)" ""
}

@test "export: over another file, whole" {
    seq 100000 >full
    ln full other
    ml export full
    assert_ok
    cmp full file
    seq 100000 | cmp - other
}

@test "export: to a FIFO, which stays one" {
    mkfifo fifo
    timeout 30 cat fifo >read 3>&- &
    reading=$!
    MODLOAD_LIMIT=30 ml export fifo
    assert_ok
    [ -p fifo ] || {
        kill $reading
        fail "it is another file now"
    }
    wait $reading
    cmp read file
}

@test "export: through a link, which stays one" {
    : >target
    ln -s target link
    ln -s fresh dangling
    seq 100000 >target
    ml export link
    assert_ok
    [ -L link ]
    cmp target file
    ml export dangling
    assert_ok
    [ -L dangling ]
    cmp fresh file
    ln -s /proc/self/fd/1 out # as /dev/stdout is
    modload export out >piped 2>err
    [ -L out ]
    cmp piped file
}

@test "export: killed at whatever call, nothing is beside the file, and the file is the old or the new one" {
    mkdir place
    killed=0
    for call in write fsync linkat rename; do
        for n in 1 2; do
            echo mine >place/file
            killed_at $call $n export place/file || break
            killed=$((killed + 1))
            [ "$call" = rename ] || assert_equal "$(ls -A place)" file # for a moment it has a name beside the other's
            rm -f place/.[0-9a-f]*
            cmp -s place/file file || assert_equal "$(<place/file)" mine
        done
    done
    [ $killed -ge 4 ] || fail "killed $killed times only"
}

@test "export: from a registry whose owner may only read it" {
    chmod -R a-w "$MODLOAD_HOME"
    ml export again
    chmod -R u+w "$MODLOAD_HOME"
    assert_ok
    cmp again file
}
