#!/usr/bin/env bats
# Goal of this test: what export wrote, import takes over, whole or not at all; and what it did not write, import refuses.

load helpers
load plugins
load registry
load transfer

@test "export and import: all that there was" {
    for words in list "list --removed" "history v" "history w" "history $gone" "list --json" "history --json v"; do
        # shellcheck disable=SC2086
        modload $words
    done >said
    export MODLOAD_HOME=$there
    ml import file
    assert_ok
    assert_no_stdout
    assert_stderr "modload: imported 3 entries, 3 of them new or changed, and 4 new bundles"
    for words in list "list --removed" "history v" "history w" "history $gone" "list --json" "history --json v"; do
        # shellcheck disable=SC2086
        modload $words
    done >says
    diff said says
    assert_equal "$(picture "$there")" "$(picture "$here")"
    ml load v w
    assert_ok
    ml exec v v
    assert_stdout 2
    ml exec w v
    assert_stdout 7
    ml verify
    assert_ok
    ml rollback v 1
    assert_ok
    ml rollback "$gone"
    assert_ok
    ml run --release gone v
    assert_stdout 8
    modload release --all
}

@test "import: twice, or into where it came from, changes nothing" {
    before=$(picture)
    ml import file
    assert_ok
    assert_stderr "modload: imported 3 entries, 0 of them new or changed, and 0 new bundles"
    assert_equal "$(picture)" "$before"
    export MODLOAD_HOME=$there
    modload import file
    before=$(picture)
    ml import file
    assert_ok
    assert_equal "$(picture)" "$before"
}

@test "import: an entry that is there gets a new generation, and keeps its own history" {
    given_other
    was=$(modload history --json v | jq -c '.data.generations[0]|del(.current)')
    ml import file
    assert_ok
    assert_stderr "modload: imported 3 entries, 3 of them new or changed, and 4 new bundles"
    assert_equal "$(generations v)" 2
    assert_equal "$(modload history --json v | jq -c '.data.generations[-1]|del(.current)')" "$was"
    assert_equal "$(modload lookup v)" "$(MODLOAD_HOME=$here modload lookup v)"
    ml run --release v v
    assert_stdout 2
    ml rollback v
    assert_stdout "$own"
    ml run --release v v
    assert_stdout 9
    ml verify
    assert_ok
}

@test "import: a name that another entry has there is left out" {
    export MODLOAD_HOME=$there
    modload register --name w 11111111-1111-1111-1111-111111111111 -e 'int v(void) { return 9; }' >/dev/null 3>&-
    other=$(MODLOAD_HOME=$here key_of w)
    cp -a "$there" again
    ml import file
    assert_ok
    assert_stderr "modload: imported 3 entries, 3 of them new or changed, and 4 new bundles
modload: the name 'w' belongs to another entry: $other has none"
    ml import file # nothing is left out that was not before
    assert_stderr "modload: imported 3 entries, 0 of them new or changed, and 0 new bundles"
    MODLOAD_HOME=$PWD/again ml import --json file
    assert_ok
    assert_equal "$(json .data.names_taken | jq -c .)" "[{\"uuid\":\"$other\",\"name\":\"w\"}]"
    ml run --release w v
    assert_stdout 9
    assert_equal "$(modload list | grep -c " w ")" 1
    ml run --release "$other" v
    assert_stdout 7
    ml verify
    assert_ok
}

@test "import: many names that others have" {
    many 13 "$(modload lookup v)" >list
    modload register --many list 2>/dev/null
    modload export file 2>/dev/null
    export MODLOAD_HOME=$there
    modload register --name w 11111111-1111-1111-1111-111111111111 -e 'int v(void) { return 9; }' >/dev/null 3>&-
    sed "s/\"key\":\"..../\"key\":\"ffff/; s/\"b-[a-z2-7]*\"/\"$(modload lookup w)\"/" list >other
    modload register --many other 2>/dev/null
    ml import file
    assert_ok
    assert_equal "$(grep -c "' belongs to another entry: " <<<"$stderr")" 10
    assert_stderr_has "modload: so do 4 more; --json names them all"
}

@test "import: an entry keeps the name that it has there" {
    given_other mine
    ml import file
    assert_ok
    assert_equal "$(key_of mine)" "$id"
    ml lookup v
    assert_exit 66
    ml verify
    assert_ok
}

@test "import: what was taken out there is not taken out here" {
    modload unregister w
    modload export file
    key=$(readlink "$BATS_FILE_TMPDIR/home/names/w")
    export MODLOAD_HOME=$there
    modload import "$BATS_FILE_TMPDIR/file"
    ml import file
    assert_ok
    assert_equal "$(key_of w)" "${key##*/}"
    ml run --release w v
    assert_stdout 7
}

@test "import: a file that is cut short" {
    size=$(stat -c %s file)
    for n in 0 1 3 4 17 100 $((size / 4)) $((size / 2)) $((size - 100)) $((size - 4)) $((size - 1)); do
        head -c "$n" file >bad
        refuses 65 bad "cannot unpack 'bad': "
    done
}

@test "import: a file with another byte in it" {
    size=$(stat -c %s file)
    for at in 0 3 5 64 $((size / 8)) $((size / 4)) $((size / 3)) $((size / 2)) $((size * 2 / 3)) $((size - 100)); do
        cp file bad
        byte=$(od -An -tu1 -j "$at" -N 1 file)
        printf '%b' "$(printf '\\x%02x' $((byte ^ 0x55)))" | dd of=bad bs=1 seek="$at" conv=notrunc status=none
        MODLOAD_HOME=$there ml import bad
        case $status in 65 | 77 | 78) ;; *) fail "at $at of $size: $status" ;; esac
        refuses "$status" bad
    done
}

@test "import: a file that is something else" {
    echo hello >bad
    refuses 65 bad "cannot unpack 'bad': "
    mkdir dir
    refuses 65 dir
    refuses 66 nowhere "cannot open 'nowhere': No such file or directory"
    mkdir inside
    echo hello >inside/file
    packed
    refuses 65 bad "'bad' is no export of modload: it has no modload-export"
    unpacked
    : >inside/more
    packed
    refuses 65 bad "'bad' is no export of modload: it holds other files"
    rm inside/more
    echo "modload export one" >inside/modload-export
    packed
    refuses 65 bad "'bad' is no export of modload: its modload-export says something else"
    echo "modload export 2" >inside/modload-export
    packed
    refuses 78 bad "'bad' has form 2; this modload knows form 1"
}

@test "import: what packs and unpacks stays what it was" {
    unpacked
    packed
    export MODLOAD_HOME=$there
    ml import bad
    assert_ok
    assert_equal "$(picture "$there")" "$(picture "$here")"
}

# What a file may be called and how deep it may lie is a matter of the disk. Not all of these could be in an archive of sources.
@test "export and import: whatever the files of a bundle are called" {
    long=$(printf '/%0250d' 1 2 3 4 5 6 7 8 9 10 11 12 13 14) deep=$(printf 'd/%.0s' {1..36})
    names=("A.h" "a.h" $'caf\xe9.h' ".git/z.h" $'n\nl.h' $'\e[31m.h' $'u\u202e.h' 'q"s\b.h' " .h" "...h" "git~1" "${deep}x.h" "long$long")
    mkdir names
    for name in "${names[@]}"; do
        mkdir -p "names/$(dirname "$name")"
        echo "#define N $name" >"names/$name"
    done
    printf 'int b(void) { return 1; }\n' >'names/a\b.c'
    # Not every name can be written behind #include, but all can be found by it.
    for name in "${names[@]}"; do
        [[ $name == *[$'\n"']* ]] || printf '#undef N\n#include "%s"\n' "$name"
    done >names/main.c
    echo 'int f(void) { return 5; }' >>names/main.c
    modload register --name names "$(modload uuid)" names 3>&-
    [ "$(find "$MODLOAD_HOME/bundles/$(modload lookup names)" -type f | wc -l)" -eq $((5 + 2 + ${#names[@]} - 2)) ]
    ml export file
    assert_ok
    (ulimit -Sn 32 && modload export other)
    cmp file other
    unpacked
    packed
    here=$MODLOAD_HOME
    for file in file bad; do
        rm -rf "$there"
        export MODLOAD_HOME=$there
        ulimit -Sn 32
        ml import $file
        ulimit -Sn hard
        assert_ok
        assert_equal "$(picture "$there")" "$(picture "$here")"
        ml verify
        assert_ok
        ml export back
        assert_ok
        assert_equal "$(content back)" "$(content file)"
    done
    ml run --release names f
    assert_stdout 5
}

@test "export and import: what packs very well" {
    modload register --name table "$(modload uuid)" -e 'const char table[16 << 20] = {1}; int f(void) { return table[0]; }' 3>&-
    ml export file
    assert_ok
    [ "$(stat -c %s file)" -lt $(((16 << 20) / 200)) ]
    export MODLOAD_HOME=$there
    ml import file
    assert_ok
    ml run --release table f
    assert_stdout 1
}

# zeros SIZE: ./bad begins with so many of them
zeros() {
    unpacked
    truncate -s "$1" inside/bundles/bomb
    (cd inside && tar -cP bundles/bomb 2>/dev/null) | head -c 1000000 | zstd -q >bad
}

@test "import: a bomb is told by what it becomes" {
    zeros 5G
    refuses 71 bad "cannot unpack 'bad': 'bundles/bomb' has more than 4294967296 bytes"
    assert_stderr_has "  hint: make room where the registry is"
}

# on_disk OPTIONS FILE: imports it into a registry on a disk of its own
on_disk() {
    unshare -rm true 2>/dev/null || skip "no namespaces here"
    mkdir -p disk
    status=0
    MODLOAD_HOME=$PWD/disk/home unshare -rm sh -c 'mount -t tmpfs -o "$1" x disk || exit
        modload import "$2"; status=$?; find disk/home/tmp disk/home/bundles -mindepth 1; exit $status' \
        sh "$@" >.stdout 2>.stderr 3>&- || status=$?
    output=$(<.stdout) stderr=$(<.stderr)
}

@test "import: some of the disk stays free, whatever it becomes" {
    zeros 2G
    on_disk size=32m bad
    assert_exit 71
    assert_no_stdout
    assert_stderr_has "cannot unpack 'bad': its files have more than "
    assert_stderr_has "  hint: make room where the registry is"
    on_disk nr_inodes=40 file
    assert_exit 71
    assert_no_stdout
    assert_stderr_has "cannot unpack 'file': it has more than "
    on_disk size=32m,nr_inodes=200 file
    assert_ok
}

@test "import: files that a stranger may have made" {
    unpacked
    ln -s /etc/passwd inside/bundles/link
    packed
    refuses 77 bad "cannot unpack 'bad': 'bundles/link' is a symbolic link"
    rm inside/bundles/link
    mkfifo inside/fifo
    packed
    refuses 77 bad "cannot unpack 'bad': 'fifo' is a FIFO"
    rm inside/fifo
    packed --transform 's,^history,../escaped,'
    refuses 77 bad "cannot unpack 'bad': '../escaped' climbs out"
    packed --transform "s,^history,$PWD/escaped,"
    refuses 77 bad "cannot unpack 'bad': '$PWD/escaped' is an absolute path"
    packed --transform 's,^modload-export,history,'
    refuses 77 bad "cannot unpack 'bad': "
    [ ! -e escaped ]
    assert_equal "$(find "$BATS_TEST_TMPDIR" -name escaped)" ""
}

@test "import: a bundle that is not what it says it is" {
    name=$(modload lookup v)
    for damage in 'printf X >>plugin.so' 'printf X >>source/stdin.c' ': >SHA256SUMS' 'rm plugin.so' 'rm build.json' ': >more' \
        'printf X >>plugin.so; sha256sum build.json manifest.json name plugin.so source/* >SHA256SUMS'; do
        unpacked
        (cd "inside/bundles/$name" && eval "$damage")
        packed
        refuses 77 bad "'bad': bundle '$name' is not what it says it is: "
        assert_stderr_has "  hint: nothing was imported"
    done
    unpacked
    mv "inside/bundles/$name" inside/bundles/b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    packed
    refuses 77 bad "'bad': bundle 'b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' is not what it says it is: "
    mv inside/bundles/b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa inside/bundles/else
    packed
    refuses 65 bad "'bad' is no export of modload: something that is no bundle is among the bundles"
}

@test "import: an object that somebody has put in is never taken for one that was built of its sources" {
    good=$(modload lookup w)
    evil=$(modload compile -e 'int v(void) { return -666; }' 3>&- | cut -d ' ' -f 1)
    unpacked
    for name in plugin.so build.json SHA256SUMS; do
        chmod u+w "inside/bundles/$good/$name"
    done
    cp "$MODLOAD_HOME/bundles/$evil/plugin.so" "inside/bundles/$good/"
    (
        cd "inside/bundles/$good"
        sed -i "s/\"object_sha256\":\"[0-9a-f]*\"/\"object_sha256\":\"$(sha256sum <plugin.so | cut -d ' ' -f 1)\"/" build.json
        cut -c 67- SHA256SUMS | xargs -d '\n' sha256sum >sums
        mv sums SHA256SUMS
    )
    packed
    ml import bad # what was built here stays
    assert_ok
    assert_equal "$(jq -r .object "$MODLOAD_HOME/bundles/$good/build.json")" built
    ml run --release w v
    assert_stdout 7
    export MODLOAD_HOME=$there
    ml import bad # as good as whoever exported it
    assert_ok
    ml run --release w v
    assert_stdout -666
    assert_equal "$(jq -r .object "$there/bundles/$good/build.json")" packed
    ml verify
    assert_ok
    ml register --name mine "$(modload uuid)" -e 'int v(void) { return 7; }'
    assert_ok
    assert_equal "$(modload lookup mine)" "$good"
    ml run --release mine v
    assert_stdout 7
    assert_equal "$(jq -r .object "$there/bundles/$good/build.json")" built
    ml verify
    assert_ok
    sed -i 's/"object":"built"/"object" : "built"/' "inside/bundles/$good/build.json"
    (cd "inside/bundles/$good" && sed -i "s/^.*  build.json$/$(sha256sum build.json)/" SHA256SUMS)
    packed
    rm -rf "$there"
    ml import bad
    assert_exit 77
    assert_stderr_has "is not of the form that modload writes"
}

@test "import: a bundle that is here and damaged is replaced" {
    before=$(picture)
    name=$(modload lookup v)
    bundle=$MODLOAD_HOME/bundles/$name
    for damage in 'chmod u+w plugin.so; printf X | dd of=plugin.so bs=1 seek=100 conv=notrunc status=none' 'rm -f build.json' \
        'chmod u+w name; : >name' ': >more' 'chmod 0644 plugin.so' 'chmod 0 .' "rm -rf ../$name; : >../$name" "rm -rf ../$name; ln -s /etc ../$name"; do
        (cd "$bundle" && eval "$damage")
        ml verify
        assert_exit 77
        ml import --json file
        assert_ok
        assert_equal "$(json .data | jq -c .)" '{"entries":3,"changed":0,"bundles":0,"replaced":1,"names_taken":[]}'
        assert_equal "$(picture)" "$before"
        ml verify
        assert_ok
        assert_equal "$(litter)" ""
    done
    rm -f "$bundle/name" "$MODLOAD_HOME/bundles/$(modload lookup w)/name"
    ml load w
    ml import file
    assert_ok
    assert_stderr "modload: imported 3 entries, 0 of them new or changed, and 0 new bundles
modload: replaced 2 bundles that were damaged here"
    modload release --all
    rm -f "$bundle/name"
    ml import file
    assert_stderr_has "modload: replaced 1 bundle that was damaged here"
    assert_equal "$(picture)" "$before"
}

@test "import: killed while it replaces a bundle, that one is the damaged or the good one" {
    before=$(picture)
    for n in 1 2 3 4 5; do
        rm -f "$MODLOAD_HOME/bundles/$(modload lookup v)/build.json"
        killed_at renameat2 $n import file || break
        [ -f "$MODLOAD_HOME/bundles/$(modload lookup v)/plugin.so" ]
        ml import file
        assert_ok
        assert_equal "$(picture)" "$before"
        assert_equal "$(litter)" ""
    done
    [ "$n" -gt 1 ]
}

@test "import: a history that is damaged" {
    unpacked
    rm inside/history
    packed
    refuses 65 bad "'bad' is no export of modload: it has no history"
    unpacked
    truncate -s -1 inside/history
    packed
    refuses 65 bad "'bad' is no export of modload: its history does not end"
    for n in 1 3; do
        for change in 's/T/X/' 's/^./z/' 's/.$/z/' 's/ /  /' 's/.*//'; do
            unpacked
            sed -i "$n$change" inside/history
            packed
            refuses 77 bad "'bad': line $n of its history is damaged"
        done
    done
}

@test "import: a history whose bundle is not in the file" {
    unpacked
    name=$(modload lookup v)
    rm -r "inside/bundles/$name"
    packed
    before=$(picture)
    ml import bad # it is here
    assert_ok
    assert_equal "$(picture)" "$before"
    export MODLOAD_HOME=$there
    ml import bad
    [ "$status" -ne 0 ]
    assert_stderr_has "'bad': bundle '$name' of key "
    assert_equal "$(modload list --removed)" ""
    assert_equal "$(find "$there"/{bundles,entries,history,names} -mindepth 1)" ""
    assert_equal "$(litter)" ""
}

# sealed LINE...: each with its hash
sealed() {
    local line
    for line; do
        echo "$line $(fnv1a "$line")"
    done
}

@test "import: a history that no registry writes" {
    local bundle
    bundle=$(modload lookup v)
    line="$id 1 2026-01-02T03:04:05Z register - $bundle v v@1 -"
    for last in "$line" "${line/ 1 / 2 }" "${line/ 1 / 1000000000 }" "$id 4 2026-01-02T03:04:05Z pin - - - - -"; do
        unpacked
        sealed "${line/ 1 / 3 }" "$last" >inside/history
        packed
        refuses 77 bad "'bad': the history of key $id is not in order"
        assert_stderr_has "  hint: nothing was imported"
    done
}

@test "import: an entry is counted once, however often it and its neighbour have changed" {
    neighbour=${id%?????}$(printf %05x $(((0x${id: -5} + 1) % 0x100000)))
    modload register --name x "$neighbour" "$(modload lookup v)"
    modload register v "$(modload lookup w)"
    modload register x "$(modload lookup w)"
    ml export file
    assert_ok
    export MODLOAD_HOME=$there
    ml import file
    assert_ok
    assert_stderr "modload: imported 4 entries, 4 of them new or changed, and 4 new bundles"
}

@test "import: beside a writer it waits; a lock that is not given changes nothing" {
    given_other
    modload register v -e 'int v(void) { return 10; }' 3>&-
    stopped_writer fsync rollback v
    bundles=$(ls "$there/bundles")
    ml import --wait 100ms file
    assert_exit 75
    assert_stderr_has "is locked by another modload (pid $writer"
    assert_equal "$(ls "$there/bundles")" "$bundles"
    writer_goes_on
    assert_ok
    ml import file
    assert_ok
}

@test "import: killed at whatever call, it is there whole or not at all" {
    want=$(picture) killed=0
    export MODLOAD_HOME=$there
    for call in renameat2 renameat symlinkat unlinkat fsync pwrite64 mkdirat; do
        for n in 1 2 3 5 8 13; do
            rm -rf "$there"
            killed_at $call $n import file || break
            killed=$((killed + 1))
            ml list --removed
            assert_ok
            if [ -n "$output" ] || [ -n "$(modload list)" ]; then
                [ "$(modload list | wc -l)" -eq 2 ]
                [ "$(generations v)" -eq 2 ]
            fi
            ml import file
            assert_ok
            assert_equal "$(picture)" "$want"
            assert_equal "$(litter)" ""
        done
    done
    [ $killed -ge 12 ] || fail "killed $killed times only"
}

@test "import: killed over entries that are there, these are as they were or as they are to be" {
    given_other
    killed=0
    cp -a "$there" kept
    for call in renameat symlinkat unlinkat fsync; do
        for n in 1 2 4; do
            rm -rf "$there"
            cp -a kept "$there"
            killed_at $call $n import file || break
            killed=$((killed + 1))
            now=$(modload lookup v)
            if [ "$now" = "$own" ]; then
                assert_equal "$(modload list | wc -l | tr -d ' ')" 1
                assert_equal "$(generations v)" 1
            else
                assert_equal "$(modload list | wc -l | tr -d ' ')" 2
                assert_equal "$(generations v)" 2
            fi
            ml import file
            assert_ok
            ml verify
            assert_ok
            assert_equal "$(generations v)" 2
            assert_equal "$(litter)" ""
        done
    done
    [ $killed -ge 6 ] || fail "killed $killed times only"
}

@test "import: who is told to end changes nothing" {
    given_other
    stopped_writer fsync pin v
    modload import --wait 60s file >out 2>err 3>&- &
    waiting=$!
    within waits_for_lock $waiting
    kill -TERM $waiting
    status=0
    wait $waiting || status=$?
    assert_exit 143
    writer_goes_on
    modload unpin v
    assert_equal "$(modload lookup v)" "$own"
    assert_equal "$(modload list | wc -l | tr -d ' ')" 1
    assert_equal "$(litter)" ""
}
