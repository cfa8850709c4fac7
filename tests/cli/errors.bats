#!/usr/bin/env bats
# Goal of this test: the exit code tells whose failure it was, each code in its case, and the error says what failed,
# why, and what to do next.

load helpers
load plugins

setup_file() {
    given_plugins faults types streams
}

# says TEXT [HINT]: nothing on stdout, and these lines, whole, on stderr
says() {
    assert_no_stdout
    assert_stderr "modload: $1${2:+$'\n'  hint: $2}"
}

# crashed TEXT: nothing on stdout, and this line on stderr, with a backtrace below it
crashed() {
    assert_no_stdout
    assert_equal "$(grep -v '^  at ' <<<"$stderr")" "modload: $1"
    assert_stderr_has $'\n  at '
}

@test "errors: 0, what was asked for is done" {
    ml run --release faults fine
    assert_exit 0
    assert_stdout 7
    assert_no_stderr
}

@test "errors: 74, there is an answer, and no standard output to write it to" {
    modload load faults 3>&-
    for words in "exec faults fine" "exec --json faults fine" "pid faults" list "lookup faults" uuid version "ps --json" \
        "info faults"; do
        status=0
        # shellcheck disable=SC2086
        modload $words 2>err >&- 3>&- || status=$?
        echo "$words: $(<err)"
        assert_exit 74
        assert_equal "$(<err)" "modload: cannot write to standard output: Bad file descriptor"
    done
    status=0
    echo '{"call":"fine"}' | modload exec --batch faults 2>err >&- 3>&- || status=$?
    assert_exit 74
    status=0
    modload load faults 2>err >&- 3>&- || status=$?
    assert_ok # it has nothing to say
    assert_equal "$(<err)" ""
}

@test "errors: 1, the function failed, with the plugin's own code and words" {
    modload load faults 3>&-
    ml exec faults fails no_luck "not today"
    assert_exit 1
    says "fails: no_luck: not today"
}

@test "errors: 1, the answer is no" {
    ml registered nobody
    assert_exit 1
    assert_no_stdout
    assert_no_stderr
    ml loaded faults
    assert_exit 1
    assert_no_stdout
    assert_no_stderr
    ml uuid check nobody
    assert_exit 1
    assert_no_stdout
    assert_no_stderr
}

@test "errors: 1, a function that ends its process has not succeeded, whatever it says" {
    modload load faults 3>&-
    for code in 0 1 3 65 124; do
        for function in exits exits_at_once; do
            ml exec faults $function $code
            assert_exit 1
            says "$function: it ended its process: exit status $code" "a function must return, or call ml_fail"
        done
    done
    ml exec faults fine
    assert_ok
}

@test "errors: 64, the command was called wrongly" {
    ml exec faults
    assert_exit 64
    says "exec: too few arguments" "usage: modload exec U F [ARG...]"
    ml exec -t soon faults fine
    assert_exit 64
    says "--timeout: 'soon' is not a duration" "a duration is a number with ms, s, m, h or d behind it: 500ms, 30s, 2m"
    for duration in -1 1w '' 5x 1e3 99999999999999h; do
        ml exec -t "$duration" faults fine
        assert_exit 64
        assert_no_stdout
        assert_stderr_has "is not a duration"
    done
}

@test "errors: 65, a bad argument" {
    modload load types 3>&-
    ml exec types i8 300
    assert_exit 65
    says "i8: argument 1 (n): '300' is out of range: -128 to 127" "usage: i8(n: int8) -> int8"
}

@test "errors: 65, bad input" {
    ml lookup a/b
    assert_exit 65
    says "'a/b' is neither a key nor a name" "give a UUID, 32 hex digits, the first 4 or more of them, or a name"
}

@test "errors: 65, source that the compiler refuses, in the compiler's words" {
    ml compile -e 'int f(void) { return x; }'
    assert_exit 65
    assert_no_stdout
    assert_stderr_has "<stdin>:1:22: error: "
    assert_stderr_has " undeclared (first use in this function)"
    assert_stderr_has "modload: '<stdin>' does not compile"
}

@test "errors: 66, no such key, name, bundle or file" {
    ml lookup 11111111-1111-1111-1111-111111111111
    assert_exit 66
    says "key 11111111-1111-1111-1111-111111111111 is not registered" \
        "register it: modload register 11111111-1111-1111-1111-111111111111 BUNDLE|SOURCE"
    ml load nobody
    assert_exit 66
    says "nothing is registered as 'nobody'" "see what is: modload list"
    ml register 11111111-1111-1111-1111-111111111111 b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    assert_exit 66
    says "there is no bundle 'b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' in '$MODLOAD_HOME'" "build it: modload compile SOURCE"
    ml compile nowhere.c
    assert_exit 66
    assert_no_stdout
    assert_stderr_has "'nowhere.c'"
}

@test "errors: 69, not loaded" {
    key=$(key_of faults)
    ml exec faults fine
    assert_exit 69
    says "$key is not loaded" "load it: modload load $key"
    ml release faults
    assert_exit 69
    says "$key is not loaded" "see what is: modload ps"
    ml pid faults
    assert_exit 69
    says "'faults' is not loaded" "load it: modload load faults"
}

@test "errors: 71, a result that is larger than can be carried" {
    modload load types 3>&-
    ml exec types repeat x 67108865
    assert_exit 71
    says "repeat: the result is larger than 64 MiB"
    ml exec types none
    assert_ok
}

@test "errors: 73, a place where nothing can be created" {
    : >file
    MODLOAD_HOME=$PWD/file/home ml compile -e 'int one(void) { return 1; }'
    assert_exit 73
    says "cannot make the registry '$PWD/file/home': Not a directory"
    MODLOAD_RUNTIME_DIR=$PWD/file/run ml load faults
    assert_exit 73
    assert_no_stdout
    assert_stderr_has "cannot open '$PWD/file/run': Not a directory"
}

@test "errors: 74, an answer that cannot be written" {
    status=0
    modload version 2>err >/dev/full || status=$?
    assert_exit 74
    assert_equal "$(<err)" "modload: cannot write to standard output: No space left on device
  hint: make room on the disk, then run the command again"
    modload load faults 3>&-
    status=0
    modload exec faults fine 2>err >/dev/full || status=$?
    assert_exit 74
}

@test "errors: 75, another modload has the lock, and is named" {
    key=$(key_of faults) bundle=$(modload lookup types)
    exec {lock}>>"$MODLOAD_HOME/locks/write"
    flock "$lock"
    echo "pid 4711 since yesterday" >"$MODLOAD_HOME/locks/write"
    ml register --wait 0 "$key" "$bundle"
    assert_exit 75
    says "registry '$MODLOAD_HOME' is locked by another modload (pid 4711 since yesterday)" "try again, or wait longer: --wait 60s"
    ml lookup faults
    assert_ok
    ml unregister --wait 100ms faults
    assert_exit 75
    assert_no_stdout
    exec {lock}>&-
    ml register --wait 0 "$key" "$bundle"
    assert_ok
}

@test "errors: 75, a worker that does not answer" {
    modload load faults 3>&-
    pid=$(modload pid faults)
    kill -STOP "$pid"
    ml cancel faults
    kill -CONT "$pid"
    assert_exit 75
    assert_no_stdout
    assert_stderr_has "does not answer"
    ml cancel faults
    assert_exit 69
}

@test "errors: 76, a plugin of another ABI" {
    bundle=$MODLOAD_HOME/bundles/$(modload lookup types)
    for version in 0 2 4294967295; do
        printf '#include <modload/abi.h>\nconst struct ml_descriptor ml_plugin_descriptor = {ML_ABI_MAGIC, %su, "x", "1", 0, 0};\n' \
            $version >other.c
        cc -shared -fPIC -I"$MODLOAD_ROOT/lib/include" -o other.so other.c
        rm -f "$bundle/plugin.so" "$bundle/entry.so"
        cp other.so "$bundle/plugin.so"
        (cd "$bundle" && sha256sum plugin.so >SUMS.new && chmod u+w SHA256SUMS && cat SUMS.new >SHA256SUMS)
        ml load types
        assert_exit 76
        assert_no_stdout
        assert_stderr_has "the bundle was built for plugin ABI $version, this modload has 1"
        assert_stderr_has "  hint: "
        ml loaded types
        assert_exit 1
    done
}

@test "errors: 77, an object that is not what was filed" {
    object=$MODLOAD_HOME/bundles/$(modload lookup types)/plugin.so
    chmod u+w "$object"
    printf X | dd of="$object" bs=1 seek=$(($(stat -c %s "$object") / 2)) conv=notrunc status=none
    ml load types
    assert_exit 77
    says "cannot load 'types': the bundle is damaged: 'plugin.so' is not what was filed" "run: modload verify --repair; or build and register it again"
    ml loaded types
    assert_exit 1
    ml exec types none
    assert_exit 69
    assert_equal "$(processes_of "$(key_of types)")" ""
    ml run --release faults fine
    assert_ok
}

@test "errors: 77, a bundle that lost its object or its digests" {
    bundle=$MODLOAD_HOME/bundles/$(modload lookup types)
    mv "$bundle/plugin.so" kept
    ml load types
    assert_exit 77
    assert_no_stdout
    assert_stderr_has "the bundle is damaged"
    ln -s "$PWD/kept" "$bundle/plugin.so"
    ml load types
    assert_exit 77
    rm "$bundle/plugin.so"
    mv kept "$bundle/plugin.so"
    mv "$bundle/SHA256SUMS" kept
    ml load types
    assert_exit 77
    mv kept "$bundle/SHA256SUMS"
    ml load types
    assert_ok
}

@test "errors: 77, a registry or a run-time directory that others may write to" {
    echo 'int one(void) { return 1; }' >one.c
    for mode in 720 702 777; do
        chmod "$mode" "$MODLOAD_HOME"
        for words in "lookup faults" "list" "load faults" "exec faults fine" "register 11111111-1111-1111-1111-111111111111 b-aaaaaaaa" \
            "compile one.c" "unregister faults" "info faults" "run faults fine"; do
            # shellcheck disable=SC2086
            ml $words
            assert_exit 77
            assert_no_stdout
            assert_stderr_has "registry '$MODLOAD_HOME' can be written to by others (mode 0$mode)"
            assert_stderr_has "  hint: run: chmod go-w '$MODLOAD_HOME'"
        done
    done
    chmod 700 "$MODLOAD_HOME"
    mkdir -m 700 "$MODLOAD_RUNTIME_DIR"
    chmod 770 "$MODLOAD_RUNTIME_DIR"
    for words in "load faults" "exec faults fine" "ps" "release faults" "loaded faults" "list"; do
        # shellcheck disable=SC2086
        ml $words
        assert_exit 77
        assert_no_stdout
        assert_stderr_has "runtime directory '$MODLOAD_RUNTIME_DIR' is not yours alone"
    done
    chmod 700 "$MODLOAD_RUNTIME_DIR"
    ml run --release faults fine
    assert_ok
}

@test "errors: 77, a registry of somebody else" {
    [ "$(id -u)" -eq 0 ] || skip "only root can give a directory away"
    chown 65534 "$MODLOAD_HOME"
    ml lookup faults
    assert_exit 77
    says "registry '$MODLOAD_HOME' belongs to uid 65534, not to you (0)" "use a registry of your own: set MODLOAD_HOME"
    chown 0 "$MODLOAD_HOME"
    mkdir -m 700 "$MODLOAD_RUNTIME_DIR"
    chown 65534 "$MODLOAD_RUNTIME_DIR"
    ml load faults
    assert_exit 77
    assert_stderr_has "is not yours alone (uid 65534"
}

@test "errors: 77, a run-time directory that is a link" {
    mkdir -m 700 elsewhere
    ln -s elsewhere "$MODLOAD_RUNTIME_DIR"
    ml load faults
    assert_no_stdout
    [ "$status" -ne 0 ]
    assert_equal "$(ls elsewhere)" ""
}

@test "errors: 78, no home, a newer registry, none at all, or a manifest with a fault" {
    ( unset MODLOAD_HOME HOME
    ml lookup faults
    assert_exit 78
    says "cannot tell where the registry is: HOME is not set" "set MODLOAD_HOME to a directory of yours" )
    cp "$MODLOAD_HOME/FORMAT" kept
    echo "modload registry 3" >"$MODLOAD_HOME/FORMAT"
    ml lookup faults
    assert_exit 78
    says "registry '$MODLOAD_HOME' has format 3; this modload knows formats up to 2" "use the modload that made it, or another MODLOAD_HOME"
    mkdir -m 700 mine
    : >mine/diary
    MODLOAD_HOME=$PWD/mine ml compile -e 'int one(void) { return 1; }'
    assert_exit 78
    assert_no_stdout
    assert_stderr_has "is no registry, and holds other files ('diary')"
    assert_equal "$(ls mine)" diary
    mv kept "$MODLOAD_HOME/FORMAT"
    mkdir plugin
    echo 'int one(void) { return 1; }' >plugin/one.c
    for manifest in '' '{' '[]' '{"name": 1}' '{"name": "a", "name": "b"}' '{"nmae": "one"}' '{"sources": ["../x.c"]}'; do
        printf %s "$manifest" >plugin/modload.json
        ml compile plugin
        assert_exit 78
        assert_no_stdout
        assert_stderr_has modload.json
    done
    printf '{"nmae": "one"}' >plugin/modload.json
    ml compile plugin
    assert_stderr_has "unknown key 'nmae'"
    assert_stderr_has "did you mean 'name'?"
}

@test "errors: 124, timed out, whatever ended it" {
    modload load faults 3>&-
    for function in hangs spins hangs_deaf; do
        ml exec -t 100ms faults $function
        assert_exit 124
        assert_stdout begun
        assert_stderr $'modload: '$function$': took longer than 100 ms\n  hint: give it more time: -t 30s, or -t 0 for no limit'
    done
    ml exec faults fine
    assert_ok
}

@test "errors: 127, no such function, with the nearest one" {
    modload load faults 3>&-
    ml exec faults fien
    assert_exit 127
    says "faults has no function 'fien'" "did you mean 'fine'?"
    ml exec faults quux
    assert_exit 127
    says "faults has no function 'quux'" "see what it has: modload info $(key_of faults)"
    for name in '' begun hang ml_fail ml_plugin_descriptor main _init malloc ../fine "$(printf '%5000s' x)"; do
        ml exec faults "$name"
        assert_exit 127
        assert_no_stdout
        assert_stderr_has "faults has no function '"
    done
}

@test "errors: 128+n, the function died of signal n" {
    modload load faults 3>&-
    pid=$(modload pid faults)
    ml exec faults aborts
    assert_exit 134
    crashed "aborts: it crashed: SIGABRT (Aborted)"
    ml exec faults segv
    assert_exit 139
    crashed "segv: it crashed: SIGSEGV (Segmentation fault)"
    ml exec faults null_read 0
    assert_exit 139
    crashed "null_read: it crashed: SIGSEGV (Segmentation fault) reading address 0x0"
    ml exec faults recurses 1
    assert_exit 139
    assert_no_stdout
    for n in 1 2 3 8 9 13 14 15 24 25 31; do
        ml exec faults dies_of "$n"
        assert_exit $((128 + n))
        assert_no_stdout
        assert_stderr_has "modload: dies_of: it crashed: SIG$(kill -l "$n") ("
    done
    ml exec faults fine
    assert_ok
    assert_equal "$(modload pid faults)" "$pid"
}

@test "errors: 130 and its like, the caller was told to end" {
    modload load faults 3>&-
    for signal in INT TERM HUP; do
        begin job exec faults hangs
        assert_equal "$said" begun
        kill -s "$signal" "$job_job"
        finish job
        assert_exit $((128 + $(kill -l "$signal")))
        assert_no_stdout
        assert_stderr "modload: hangs: cancelled"
        rm job.out
    done
}

@test "errors: ml_fail from a thread, with an odd code, or with odd words" {
    modload load faults 3>&-
    ml exec faults fails_in_thread
    assert_exit 1
    says "fails_in_thread: from_thread: a thread of it failed"
    for code in '' 'Not A Word' "$(printf '%200s' | tr ' ' a)"; do
        ml exec faults fails "$code" why
        assert_exit 1
        says "fails: plugin_error: why"
    done
    ml exec faults fails code $'two\nlines \e[31m'
    assert_exit 1
    says 'fails: code: two\x0alines \x1b[31m'
    ml exec faults fails code '%s%n%100000d'
    assert_exit 1
    says 'fails: code: %s%n%100000d'
    ml exec faults fails code "$(printf '%5000s' | tr ' ' x)"
    assert_exit 1
    assert_stderr_has xxx...
    [ "${#stderr}" -lt 1200 ]
}

@test "errors: 66, no such generation, and none before it" {
    key=$(key_of faults)
    ml rollback faults 7
    assert_exit 66
    says "key $key has no generation 7" "see what there is: modload history $key"
    ml rollback faults
    assert_exit 66
    says "key $key has no earlier generation" "see what there is: modload history $key"
    ml history 11111111-1111-1111-1111-111111111111
    assert_exit 66
    assert_no_stdout
    assert_stderr_has "key 11111111-1111-1111-1111-111111111111 has no history"
}

@test "errors: 64, no number of a generation" {
    for command in rollback pin unpin; do
        ml $command faults 0
        assert_exit 64
        says "generation: '0' is not a whole number from 1 on" "usage: modload $command U [N]"
    done
    ml gc --keep-last 0
    assert_exit 64
    says "--keep-last: '0' is not a whole number from 1 on" "usage: modload gc"
}

@test "errors: 65 and 66, a line of a list" {
    key=$(key_of faults)
    ml register --many - <<<'{"key":"faults","bundle":"b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}'
    assert_exit 65
    assert_no_stdout
    assert_stderr_has "modload: standard input:1: neither a UUID nor 32 hex digits: 'faults'"
    assert_stderr_has "  hint: nothing was changed; "
    ml register --many - <<<'{"key":"'"$key"'","bundle":"b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}'
    assert_exit 66
    assert_no_stdout
    assert_stderr_has "modload: standard input:1: there is no bundle 'b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' in '$MODLOAD_HOME'"
    assert_stderr_has "  hint: nothing was changed; "
    ml register --many nowhere
    assert_exit 66
    assert_no_stdout
    assert_stderr_has "modload: cannot read 'nowhere': No such file or directory"
}

@test "errors: 74, an answer that cannot be written, of those that come in pieces" {
    modload compile -e 'int one(void) { return 1; }' >/dev/null
    for words in list "list --json" "history faults" "rollback faults" gc "gc --json"; do
        [ "$words" != "rollback faults" ] || modload register faults "$(modload lookup types)"
        status=0
        # shellcheck disable=SC2086
        modload $words 2>err >/dev/full || status=$?
        assert_exit 74
        grep -q "modload: cannot write to standard output: No space left on device" err
    done
    ml gc
    assert_ok
}

@test "errors: 77, what verify found, and an export of it" {
    ml verify
    assert_ok
    name=$(modload lookup types)
    object=$MODLOAD_HOME/bundles/$name/plugin.so
    chmod 600 "$object"
    ml verify
    assert_exit 77
    assert_no_stdout
    assert_stderr_has "modload: bundles/$name/plugin.so has mode 0600, not 0400"
    assert_stderr_has "  hint: mend what can be mended: modload verify --repair"
    printf X >>"$object" # a mode alone is no reason: export passes none on
    ml export file
    assert_exit 77
    says "bundle '$name' is damaged: plugin.so is not what was filed: its digest differs" "run: modload verify --repair"
    [ ! -e file ]
}

@test "errors: 65 and 66, no export to import" {
    echo hello >file
    ml import file
    assert_exit 65
    assert_no_stdout
    assert_stderr_has "modload: cannot unpack 'file': "
    tar -cf file -C "$MODLOAD_HOME" FORMAT
    ml import file
    assert_exit 65
    says "'file' is no export of modload: it has no modload-export" "make one: modload export FILE; a pack is for modload install"
    ml import nowhere
    assert_exit 66
    assert_no_stdout
    assert_stderr_has "modload: cannot open 'nowhere': No such file or directory"
}

@test "errors: 73, an export that cannot be made" {
    ml export nowhere/file
    assert_exit 73
    assert_no_stdout
    assert_stderr_has "modload: cannot make 'nowhere/file': No such file or directory"
}
