#!/usr/bin/env bats
# Goal of this test: verify sees every damage and names it; --repair mends what can be mended, and deletes nothing.

load helpers
load plugins
load registry
load damage

@test "verify: a registry that is whole, and entries of it" {
    clean
    ml verify v
    assert_ok
    assert_stdout "2 bundles looked at, 0 problems"
    ml verify "${id:0:13}"
    assert_ok
    ml verify --repair
    assert_ok
    assert_stdout "3 bundles looked at, 0 problems"
    assert_equal "$(picture)" "$before"
    [ ! -e lost+found ]
}

@test "verify: a registry of no entries, and none at all" {
    modload unregister v >/dev/null
    modload unregister w >/dev/null
    clean
    export MODLOAD_HOME=$BATS_TEST_TMPDIR/none
    for words in "" --repair; do
        # shellcheck disable=SC2086
        ml verify $words
        assert_ok
        assert_stdout "0 bundles looked at, 0 problems"
    done
    [ ! -e "$MODLOAD_HOME" ]
    ml verify v
    assert_exit 66
}

@test "verify: modes" {
    for path in plugin.so build.json; do
        chmod 644 "$bundle/$path"
        mends "$bundle/$path" "has mode 0644, not 0400"
    done
    chmod 755 "$bundle/source"
    mends "$bundle/source" "has mode 0755, not 0700"
    chmod 755 "$bundle"
    mends "$bundle/." "has mode 0755, not 0700"
    for dir in names entries history bundles journal locks tmp "${entry%/*}"; do
        chmod 755 $dir
        mends $dir "has another mode than 0700"
    done
    for file in FORMAT locks/write "$history"; do
        chmod 644 "$file"
        mends "$file" "has another mode than 0600"
        [ "$(stat -c %a "$file")" = 600 ]
    done
    chmod 755 .
    mends . "has another mode than 0700"
}

@test "verify: a home that was made by hand is closed when it becomes a registry" {
    export MODLOAD_HOME=$BATS_TEST_TMPDIR/mine
    mkdir -m 755 "$MODLOAD_HOME"
    modload register "$id" -e 'int v(void) { return 1; }' 3>&-
    ml verify
    assert_ok
    [ "$(stat -c %a "$MODLOAD_HOME")" = 700 ]
}

@test "verify: what is in the place of the lock of all writers" {
    for damage in 'mkdir locks/write' 'ln -s ../FORMAT locks/write' 'mkfifo -m 600 locks/write' 'rmdir locks; echo text >locks'; do
        rm locks/write
        eval "$damage"
        for words in "register v $one" gc "rollback v"; do
            # shellcheck disable=SC2086
            ml $words --wait 0
            assert_exit 73
            assert_stderr_has "modload: cannot lock '$MODLOAD_HOME/locks/write': "
            assert_stderr_has "  hint: run: modload verify --repair"
        done
        ml doctor
        assert_exit 1
        assert_stdout_has "problem  write lock    locks/write is no file: nothing can be changed
         hint: run: modload verify --repair"
        case $damage in
        rmdir*) mends locks "is no directory" ;;
        *) mends locks/write "is no file" ;;
        esac
        [ "$(ls lost+found | grep -c .)" -eq 1 ]
        rm -r lost+found
        ml doctor
        assert_stdout_has "ok       write lock    free"
    done
}

# Two who mend must not move each other's lock away.
@test "verify: many who mend the lock at once" {
    local jobs job
    for _ in {1..5}; do
        rm locks/write
        mkdir locks/write
        jobs=()
        for _ in {1..6}; do
            modload verify --repair --wait 60s >/dev/null 2>&1 3>&- &
            jobs+=($!)
        done
        for job in "${jobs[@]}"; do
            wait "$job"
        done
        [ -f locks/write ]
        [ "$(find lost+found -mindepth 1 -type d | wc -l)" -eq 1 ]
        [ "$(find lost+found -mindepth 1 | wc -l)" -eq 1 ]
        rm -r lost+found
    done
    works
}

@test "verify: a directory of the registry that is missing" {
    for dir in journal tmp; do
        rmdir $dir
        mends $dir "is missing"
    done
}

@test "verify: the directories in which nothing lies for long" {
    rm -r locks tmp journal
    ml verify
    assert_exit 77
    ml verify --repair
    assert_ok
    assert_stdout "3 bundles looked at, 3 problems, 3 mended"
    assert_equal "$(picture)" "$before"
    works
}

@test "verify: what does not belong there goes to lost+found" {
    echo "my diary" >"$BATS_TEST_TMPDIR/diary"
    for path in diary entries/diary history/diary journal/diary locks/diary bundles/diary entries/"${id:0:2}"/diary; do
        cp "$BATS_TEST_TMPDIR/diary" "$path"
        mends "$path" "does not belong there"
        keeps "$BATS_TEST_TMPDIR/diary"
        rm -r lost+found
    done
    cp "$BATS_TEST_TMPDIR/diary" names/diary
    mends names/diary "leads to no entry"
    keeps "$BATS_TEST_TMPDIR/diary"
    mkdir -p mine/deep
    cp "$BATS_TEST_TMPDIR/diary" mine/deep
    mends mine "does not belong there"
    keeps "$BATS_TEST_TMPDIR/diary"
}

@test "verify: an entry's link that is bent or gone" {
    for target in /etc ../../bundles "../../bundles/$two/source" "../bundles/$two" "$MODLOAD_HOME/bundles/$two"; do
        ln -sfn "$target" "$entry"
        ml verify
        assert_exit 77
        assert_stderr_has "modload: $entry is no link to a bundle"
        ml verify --repair
        assert_ok
        assert_equal "$(picture)" "$before"
        works
    done
    rm "$entry"
    ml verify
    assert_exit 77
    assert_stderr_has "modload: $entry is missing"
    ml verify --repair
    assert_ok
    assert_equal "$(picture)" "$before"
    works
    rm "$entry"
    echo text >"$entry"
    ml verify --repair
    assert_ok
    assert_equal "$(picture)" "$before"
    echo text >"$BATS_TEST_TMPDIR/text"
    keeps "$BATS_TEST_TMPDIR/text"
}

@test "verify: an entry's link to another bundle is what people get: history is made to say so" {
    ln -sfn "../../bundles/$one" "$entry"
    tells "$entry" "is not what its history says"
    ml verify --repair
    assert_ok
    clean
    assert_equal "$(modload lookup v)" "$one"
    assert_equal "$(generation v 3)" "$one"
    assert_equal "$(generations v)" 3
    ml rollback v 2
    assert_ok
}

@test "verify: an entry's link to no bundle, where history knows the one" {
    ln -sfn ../../bundles/b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa "$entry"
    ml load v
    assert_exit 77
    tells "$entry" "leads to a bundle that is missing"
    ml verify --repair
    assert_ok
    works
    assert_equal "$(modload lookup v)" "$two"
}

@test "verify: names that are missing, or lead elsewhere" {
    ln -sfn "../entries/ff/ffffffff-ffff-ffff-ffff-ffffffffffff" names/nobody
    mends names/nobody "leads to no entry of that name"
    ln -s "$(readlink names/v)" names/second
    mends names/second "leads to no entry of that name"
    rm names/v
    ml lookup v
    assert_exit 66
    tells names/v "does not lead to the entry of that name"
    ml verify --repair
    assert_ok
    works
    ln -sfn /etc/passwd names/v
    ml verify
    assert_exit 77
    assert_stderr_has "modload: names/v "
    ml verify --repair
    assert_ok
    ml verify --repair
    assert_ok
    works
}

@test "verify: a name that leads to another entry" {
    ln -sfn "$(readlink names/w)" names/v
    ml verify
    assert_exit 77
    assert_stderr_has "modload: names/v does not lead to the entry of that name"
    ml verify --repair
    assert_ok
    clean
    assert_equal "$(modload lookup "$id")" "$two"
    assert_equal "$(modload list | wc -l | tr -d ' ')" 2
    ml run --release "$id" v
    assert_stdout 2
    ml run --release w v
    assert_stdout 7
}

@test "verify: a history with a damaged line loses no other line" {
    other=${id:0:2}aaaaaa-0000-4000-8000-000000000000
    modload register --name other "$other" "$one" >/dev/null
    modload register --name other "$other" "$two" >/dev/null
    kept=$(modload history --json other | jq -c .data.generations)
    cp "$history" "$BATS_TEST_TMPDIR/was"
    sed -i '2s/v@0/x@0/' "$history"
    sed -i "2s/ register / regisTer /" "$history"
    cmp -s "$history" "$BATS_TEST_TMPDIR/was" && fail "nothing was damaged"
    cp "$history" "$BATS_TEST_TMPDIR/damaged"
    ml verify
    assert_exit 77
    assert_stderr_has "modload: $history has 1 damaged line"
    ml verify --repair
    assert_ok
    clean
    keeps "$BATS_TEST_TMPDIR/damaged"
    assert_equal "$(modload history --json other | jq -c .data.generations)" "$kept"
    assert_equal "$(generation v 1)" "$one"
    assert_equal "$(modload lookup "$id")" "$two"
    assert_equal "$(grep -cxFf "$BATS_TEST_TMPDIR/was" "$history")" 3
}

# loses_history COMMAND...: a registry whose only line about w is gone
loses_history() {
    "$@" "history/$(key_of w | cut -c 1-2)"
    ml verify
    assert_exit 77
    assert_stderr_has "modload: entries/"
    assert_stderr_has " has no history"
    ml verify --repair
    assert_ok
    clean
}

@test "verify: an entry whose history is gone, or has a flipped bit, is still there" {
    w=$(key_of w)
    now=$(modload lookup w)
    for damage in flip "rm -f"; do
        # shellcheck disable=SC2086
        loses_history $damage
        assert_equal "$(modload lookup "$w")" "$now"
        assert_equal "$(generation "$w" 1)" "$now"
        ml run --release "$w" v
        assert_stdout 7
        rm -rf "${MODLOAD_HOME:?}"
        cp -a "$BATS_FILE_TMPDIR/home" "$MODLOAD_HOME"
        cd "$MODLOAD_HOME"
    done
}

@test "verify: an entry whose history is gone keeps the name that leads to it" {
    loses_history rm -f
    ml run --release w v
    assert_ok
    assert_stdout 7
}

@test "verify: a damaged journal is put aside, and the registry can be changed again" {
    for text in junk '' "modload journal 1"; do
        printf '%s\n' "$text" >journal/apply
        cp journal/apply "$BATS_TEST_TMPDIR/journal"
        mends journal/apply "is damaged"
        keeps "$BATS_TEST_TMPDIR/journal"
    done
    ml rollback v
    assert_ok
    assert_stdout "$one"
}

@test "verify: a change that was cut short is finished" {
    (cd "$BATS_TEST_TMPDIR" && killed_at unlinkat 1 rollback v) || fail "it was not killed"
    [ -e journal/apply ]
    clean
    [ ! -e journal/apply ]
    assert_equal "$(modload lookup v)" "$one"
}

@test "verify U: that entry, and the bundles of its generations" {
    flip "bundles/$(modload lookup w)/plugin.so"
    echo "my diary" >diary
    ml verify v
    assert_ok
    assert_stdout "2 bundles looked at, 0 problems"
    ml verify --repair v
    assert_ok
    [ -e diary ]
    ml verify w
    assert_exit 77
    assert_stderr_has "modload: the registry has 1 problem"
    flip "bundles/$one/plugin.so"
    ml verify v
    assert_exit 77
    assert_stderr_has "modload: bundles/$one/plugin.so is not what was filed"
    ml verify --repair v
    assert_ok
    ml verify --repair w
    assert_ok
    rm diary
    works
    ml verify nobody
    assert_exit 66
    modload unregister v >/dev/null
    ml verify "$id"
    assert_ok
    assert_stdout "2 bundles looked at, 0 problems"
}

@test "verify U: a bundle that was current more than once is looked at once" {
    for _ in {1..2}; do
        modload register v "$one"
        modload register v "$two"
    done
    ml verify v
    assert_ok
    assert_stdout "2 bundles looked at, 0 problems"
    flip "bundles/$one/plugin.so"
    ml verify --json v
    assert_exit 77
    assert_equal "$(json '[.data.bundles, (.data.problems|map([.path, .mended]))]|tojson')" "[2,[[\"bundles/$one/plugin.so\",false]]]"
    ml verify --json --repair v
    assert_ok
    assert_equal "$(json '[.data.bundles, .data.mended, (.data.problems|map([.path, .mended]))]|tojson')" \
        "[2,1,[[\"bundles/$one/plugin.so\",true]]]"
}

@test "verify --json: of a bundle that is mended in part, what is" {
    source=$(echo "$bundle"/source/*)
    flip "$source"
    chmod 644 "$bundle/plugin.so" "$source"
    ml verify --json --repair
    assert_exit 77
    assert_equal "$(json '[.data.mended, (.data.problems|map([.path, .problem, .mended]))]|tojson')" \
        "[2,[[\"$bundle/plugin.so\",\"has mode 0644, not 0400\",true],[\"$source\",\"has mode 0644, not 0400\",true],[\"$source\",\"is not what was filed: its digest differs\",false]]]"
    ml verify --repair
    assert_exit 77
    assert_stderr_has "modload: the registry has 1 problem"
}

@test "verify: several damages, all told and mended at once" {
    flip "$bundle/plugin.so"
    chmod 644 "$bundle/name"
    flip "bundles/$one/manifest.json"
    rm "$entry"
    echo "my diary" >diary
    ml verify
    assert_exit 77
    assert_stderr_has "modload: the registry has "
    for path in "$bundle/plugin.so" "$bundle/name" "bundles/$one/manifest.json" "$entry" diary; do
        assert_stderr_has "modload: $path "
    done
    ml verify --repair
    assert_ok
    assert_equal "$(picture)" "$before"
    works
}

@test "verify --json: problems, bundles, and what was mended" {
    ml verify --json
    assert_ok
    assert_equal "$(json '.data|tojson')" '{"problems":[],"bundles":3,"mended":0}'
    flip "$bundle/plugin.so"
    echo "my diary" >diary
    ml verify --json
    assert_exit 77
    assert_equal "$(json '[.status, .exit_code, .errors[0].code]|tojson')" '["error",77,"damaged"]'
    assert_equal "$(json '[.data.bundles, .data.mended, (.data.problems|map(.path))]|tojson')" '[3,0,["diary","'"$bundle"'/plugin.so"]]'
    ml verify --repair --json
    assert_ok
    assert_equal "$(json '[.data.bundles, .data.mended, (.data.problems|length)]|tojson')" '[3,2,2]'
    assert_equal "$(json '.data.problems[0]|tojson')" '{"path":"diary","problem":"does not belong there","mended":true}'
    assert_equal "$(json '.data.problems[1]|tojson')" '{"path":"'"$bundle"'/plugin.so","problem":"is not what was filed: its digest differs","mended":true}'
}

@test "verify: beside a writer it waits, and then sees what it did" {
    cd "$BATS_TEST_TMPDIR"
    stopped_writer fsync unregister w
    ml verify --wait 100ms
    assert_exit 75
    assert_stderr_has "is locked by another modload (pid $writer"
    modload verify --wait 60s >"$BATS_TEST_TMPDIR/said" 2>&1 3>&- &
    waiting=$!
    within waits_for_lock $waiting
    writer_goes_on
    assert_ok
    wait $waiting
    assert_equal "$(<"$BATS_TEST_TMPDIR/said")" "3 bundles looked at, 0 problems"
}

@test "verify: while others write, nothing is a problem" {
    for i in {1..10}; do
        modload register v "$one" && modload register v "$two" && modload unregister w && modload rollback w
    done >/dev/null 3>&- &
    writing=$!
    for _ in {1..10}; do
        ml verify
        assert_ok
        assert_stdout "3 bundles looked at, 0 problems"
    done
    wait $writing
    clean
}

@test "verify: a registry that can only be read" {
    unshare -m true 2>/dev/null || skip "no mounts of our own here"
    reads_only() {
        status=0
        # shellcheck disable=SC2016
        unshare -m sh -c 'mount --bind "$MODLOAD_HOME" "$MODLOAD_HOME" && mount -o remount,bind,ro "$MODLOAD_HOME" &&
            cd / && exec modload "$@"' sh "$@" >"$BATS_TEST_TMPDIR/said" 2>"$BATS_TEST_TMPDIR/err" 3>&- || status=$?
        output=$(<"$BATS_TEST_TMPDIR/said") stderr=$(<"$BATS_TEST_TMPDIR/err")
        printf '%s: %s\n%s\n' "$*" "$status" "$output" "$stderr"
    }
    reads_only verify
    assert_ok
    assert_stdout "3 bundles looked at, 0 problems"
    flip "$bundle/plugin.so"
    reads_only verify
    assert_exit 77
    assert_stderr_has "modload: $bundle/plugin.so is not what was filed"
    reads_only verify --repair
    assert_exit 73
    assert_stderr_has "  hint: "
    ml verify --repair
    assert_ok
    works
}

@test "verify: directories without their FORMAT are no empty registry" {
    rm FORMAT
    ml verify
    [ "$status" -ne 0 ]
    assert_stderr_has FORMAT
}

# A home without one is new only as long as nothing is in it: what it was of is not known.
@test "verify: who writes makes no FORMAT where something is registered" {
    refuses_all() {
        rm FORMAT
        found=$(picture)
        for words in "register v $one" "compile -e int_x(void){return(1);}" gc "unregister v" "rollback $id" "verify"; do
            # shellcheck disable=SC2086
            ml $words
            assert_exit 77
            assert_stderr "modload: registry '$MODLOAD_HOME' has lost its FORMAT
  hint: run: modload verify --repair"
        done
        assert_equal "$(picture)" "$found"
        ml verify --repair
        assert_ok
        assert_stderr "modload: FORMAT is missing: mended"
    }
    refuses_all
    works
    modload unregister v >/dev/null
    modload unregister w >/dev/null
    refuses_all # bundles and histories
    modload gc >/dev/null 2>&1
    rm -r FORMAT entries/* history/* # where nothing is left, it is as new
    ml register "$id" -e 'int v(void) { return 2; }'
    assert_ok
}

@test "verify: a FORMAT is made anew only where all else is of that format" {
    local other
    mkdir "$BATS_TEST_TMPDIR/saved"
    cp -a . "$BATS_TEST_TMPDIR/saved/"
    for other in "rm $entry; mkdir $entry; ln -s ../../../bundles/$two $entry/current # $entry" "echo of another format >>$history # $history" \
        "rm -r history # entries" "mkdir things # things"; do
        for format in 'rm FORMAT' 'echo modload >FORMAT'; do
            eval "$other"
            eval "$format"
            found=$(picture)
            ml verify --repair
            assert_exit 78
            assert_stderr_has "modload: '$MODLOAD_HOME/FORMAT' cannot be made anew: '${other##*# }' is not of format 2"
            assert_stderr_has "  hint: bring it back: "
            assert_equal "$(picture)" "$found"
            find . -mindepth 1 -delete
            cp -a "$BATS_TEST_TMPDIR/saved/." .
        done
    done
    works
}

@test "verify: a FORMAT that is damaged or gone is made anew" {
    for damage in 'flip FORMAT' ': >FORMAT' 'rm FORMAT' 'rm FORMAT; mkdir FORMAT' 'ln -sf nowhere FORMAT' 'seq 1000 >FORMAT'; do
        eval "$damage"
        ml verify
        [ "$status" -ne 0 ]
        assert_stderr_has FORMAT
        assert_stderr_has "modload verify --repair"
        ml verify --repair
        assert_ok
        assert_stderr_has "modload: FORMAT is "
        assert_stdout "3 bundles looked at, 1 problem, 1 mended"
        assert_equal "$(picture)" "$before"
    done
    works
}

@test "verify: the FORMAT of a newer registry, and that of something else, are left alone" {
    echo "modload registry 3" >FORMAT
    ml verify --repair
    assert_exit 78
    assert_equal "$(<FORMAT)" "modload registry 3"
    mkdir "$BATS_TEST_TMPDIR/other"
    cd "$BATS_TEST_TMPDIR/other"
    export MODLOAD_HOME=$PWD
    echo "apt 1" >FORMAT
    ml verify --repair
    assert_exit 78
    mkdir entries history names bundles
    echo "my diary" >diary
    ml verify --repair
    assert_exit 78
    assert_equal "$(cat FORMAT diary)" $'apt 1\nmy diary'
}
