#!/usr/bin/env bats
# Goal of this test: a call that crashes is told with its signal, the address and where it was: function, file and
# line. Whatever the plugin did before, exec ends, with 128+n, and the worker answers the next call.

load helpers
load plugins

readonly SOURCE=$MODLOAD_ROOT/tests/plugins/crashes.c

setup_file() {
    given_plugins crashes
}

setup() {
    world_setup
    cp -a "$BATS_FILE_TMPDIR/home" "$MODLOAD_HOME"
    modload load crashes 3>&-
    pid=$(modload pid crashes)
}

teardown() {
    if [ -n "${pid-}" ]; then
        ml exec crashes fine
        assert_ok
        assert_stdout 7
        assert_equal "$(modload pid crashes)" "$pid"
    fi
    world_teardown
}

# at NAME...: the lines of a backtrace, by the marks in the source
at() {
    local name
    for name; do
        printf '  at %s (crashes.c:%s)\n' "$name" "$(grep -n "mark: $name \*/" "$SOURCE" | cut -d: -f1)"
    done
}

# crashes N CALL... : dies of signal N, and says nothing on stdout
crashes() {
    ml exec crashes "${@:2}"
    assert_exit $((128 + $1))
    assert_no_stdout
}

# says MESSAGE NAME...: all of stderr
says() {
    assert_stderr "modload: $1
$(at "${@:2}")"
}

# The same with frames of the C library, whose names depend on its build, in between; a sanitizer has its own.
says_but_libc() {
    local libc='^  at .*libc\.so\.6+0x\|^  at __interceptor_'
    assert_equal "$(grep -v "$libc" <<<"$stderr")" "modload: $1
$(at "${@:2}")"
    grep -q "$libc" <<<"$stderr" || fail "no frame of the C library"
}

@test "crash: reading address 0: who read, and who had it read" {
    crashes 11 reads 0
    says "reads: it crashed: SIGSEGV (Segmentation fault) reading address 0x0" read_at reads
}

@test "crash: functions that the compiler has copied into others are there as well" {
    crashes 11 inlined 16
    says "inlined: it crashed: SIGSEGV (Segmentation fault) reading address 0x10" innermost middle inlined
}

@test "crash: writing to what is const" {
    crashes 11 writes_const 1
    [[ ${stderr%%$'\n'*} =~ SIGSEGV\ \(Segmentation\ fault\)\ writing\ to\ address\ 0x[0-9a-f]+$ ]]
    assert_equal "${stderr#*$'\n'}" "$(at writes_const)"
}

@test "crash: calling what is no function" {
    crashes 11 calls 0
    assert_stderr "modload: calls: it crashed: SIGSEGV (Segmentation fault) executing address 0x0
  at 0x0
$(at calls)"
}

@test "crash: a stack that has overflown, by a recursion without an end" {
    crashes 11 overflows 0
    line=$(grep -n 'overflows(n + 1)' "$SOURCE" | cut -d: -f1)
    assert_stderr_has "modload: overflows: it crashed: SIGSEGV (Segmentation fault) writing to address 0x"
    assert_stderr_has "  at overflows (crashes.c:$line), 6"
    assert_equal "$(tail -n 1 <<<"$stderr")" "  ..."
    [ "$(wc -l <<<"$stderr")" -le 4 ]
}

@test "crash: each of the other signals, with its place" {
    crashes 8 divides 1 0
    says "divides: it crashed: SIGFPE (Floating point exception)" divides
    crashes 4 traps
    says "traps: it crashed: SIGILL (Illegal instruction)" traps
    crashes 7 reads_behind_end
    [[ ${stderr%%$'\n'*} =~ SIGBUS\ \(Bus\ error\)\ reading\ address\ 0x[0-9a-f]+$ ]]
    assert_equal "${stderr#*$'\n'}" "$(at reads_behind_end)"
    crashes 6 aborts
    says_but_libc "aborts: it crashed: SIGABRT (Aborted)" aborts
}

@test "crash: a signal that it sent itself has a place, and no address" {
    for n in 4 5 6 7 8 11 31; do
        crashes "$n" raises "$n"
        assert_stderr_has "modload: raises: it crashed: SIG$(kill -l "$n") ("
        assert_stderr_has "$(at raises)"
        [[ $stderr != *address* ]] || fail "nobody knows of an address"
    done
    for n in 9 13 15 24 25; do # that are no crash: there is no record
        crashes "$n" raises "$n"
        assert_equal "$(wc -l <<<"$stderr")" 1
    done
}

@test "crash: in the C library, called by the plugin, and calling it" {
    crashes 11 measures 0
    says_but_libc "measures: it crashed: SIGSEGV (Segmentation fault) reading address 0x0" measures
    crashes 11 sorts 1
    says_but_libc "sorts: it crashed: SIGSEGV (Segmentation fault) reading address 0x0" read_at compare sorts
}

@test "crash: in a batch it is told in its own line" {
    ml exec --batch crashes < <(
        echo '{"call":"fine","id":1}'
        echo '{"call":"reads","args":[0],"id":2}'
        echo '{"call":"aborts","id":3}'
        echo '{"call":"fails","id":4}'
        echo '{"call":"overflows","args":[0],"id":5}' # with more of a stack than a session's memory holds
        echo '{"call":"fine","id":6}'
    )
    assert_exit 1
    assert_no_stderr
    assert_equal "$(jq -c '[.id, .status]' .stdout | tr '\n' ' ')" \
        '[1,"ok"] [2,"error"] [3,"error"] [4,"error"] [5,"error"] [6,"ok"] '
    assert_equal "$(jq -r 'select(.id == 2).error | .code, .exit_code, .signal, .address' .stdout)" \
        $'plugin_error\n139\nSIGSEGV\n0x0'
    assert_equal "$(jq -r 'select(.id == 2).error.backtrace[] | "  at \(.function) (\(.file):\(.line))"' .stdout)" \
        "$(at read_at reads)"
    assert_equal "$(jq -r 'select(.id == 3).error | .signal, has("address"), .backtrace[-1].function' .stdout)" \
        $'SIGABRT\nfalse\naborts'
    assert_equal "$(jq -r 'select(.id == 4).error | has("signal"), has("backtrace")' .stdout)" $'false\nfalse'
    assert_equal "$(jq -r 'select(.id == 5).error.backtrace[0] | .function' .stdout)" overflows
}

@test "crash: one after the other, some of them with all that led there" {
    for _ in {1..22}; do echo '{"call":"reads","args":[0]}'; done >calls
    ml exec --batch crashes <calls
    assert_exit 1
    assert_equal "$(jq '.error.backtrace|length' .stdout | uniq -c | tr -s ' \n' ' ')" " 20 2 2 1 "
    assert_equal "$(tail -n 1 .stdout | jq -r '.error.backtrace[0] | .function, .object')" $'null\nplugin.so'
    assert_equal "$(jq '.error.backtrace[0].offset' .stdout | sort -u | wc -l)" 1
}

@test "crash: a session whose client takes nothing is over with its worker" {
    mkfifo answers
    for _ in {1..40}; do echo '{"call":"overflows","args":[0]}'; done >calls
    modload exec --batch crashes <calls >answers 2>err 3>&- & # which it cannot even open
    batch=$!
    exec 9<answers
    read -r -u 9 _
    kill -STOP "$batch" # it takes no more out of its session's memory
    ml release crashes
    assert_ok
    kill -CONT "$batch"
    cat <&9 >rest
    wait "$batch" || status=$?
    assert_equal "$status" 69
    exec 9<&-
    pid=
}

@test "crash: in a thread, and in all of them at once" {
    crashes 11 in_thread 0
    says_but_libc "in_thread: it crashed: SIGSEGV (Segmentation fault) reading address 0x0" read_at thread
    for _ in {1..20}; do
        crashes 11 in_threads 16 0
        says_but_libc "in_threads: it crashed: SIGSEGV (Segmentation fault) reading address 0x0" read_at thread
    done
}

@test "crash: of a process that the plugin has forked is not the call's" {
    ml exec crashes child_crashes 0
    assert_ok
    assert_stdout 11
    assert_no_stderr
    crashes 8 child_first 0
    assert_stderr_has "child_first: it crashed: SIGFPE (Floating point exception)"
    assert_stderr_has "$(at child_first)"
    [[ $stderr != *read_at* ]]
}

@test "crash: a handler of the plugin's own is the one that is called" {
    ml exec crashes handles 0
    assert_exit 1
    assert_stderr_has "handles: it ended its process: exit status 11"
}

@test "crash: with --json, for programs" {
    ml exec --json crashes reads 4096
    assert_exit 139
    assert_equal "$(json .exit_code)" 139
    error=$(json '.errors[0] | .code, .outcome, .signal, .address')
    assert_equal "$error" $'plugin_error\nplugin_error\nSIGSEGV\n0x1000'
    assert_equal "$(json '.errors[0].backtrace[] | "  at \(.function) (\(.file):\(.line))"')" "$(at read_at reads)"
    assert_equal "$(json '[.errors[0].backtrace[].object] | unique[]')" plugin.so
    assert_equal "$(json '[.errors[0].backtrace[].offset | test("^0x[0-9a-f]+$")] | all')" true
    assert_stderr_has "$(at read_at reads)"
    ml exec --json crashes calls 0
    assert_equal "$(json '.errors[0].backtrace[0] | tojson')" \
        '{"function":null,"file":null,"line":null,"object":null,"offset":"0x0"}'
    ml exec --json crashes raises 9
    assert_exit 137
    assert_equal "$(json '.errors[0] | .signal, has("address"), has("backtrace")')" $'SIGKILL\nfalse\nfalse'
    ml exec --json crashes fine
    assert_equal "$(json '.errors | length')" 0
    ml exec --json crashes nope
    assert_equal "$(json '.errors[0] | has("signal")')" false
}

@test "crash: the offset is what addr2line takes" {
    ml exec --json crashes reads 0
    offset=$(json '.errors[0].backtrace[1].offset')
    run addr2line -f -e "$MODLOAD_HOME/bundles/$(modload lookup crashes)/plugin.so" "$offset"
    assert_equal "${lines[0]}" reads
}

@test "crash: run shows it as well" {
    ml run crashes reads 0
    assert_exit 139
    says "reads: it crashed: SIGSEGV (Segmentation fault) reading address 0x0" read_at reads
    printf 'int boom(int *p);\nint add(int n) { return n + *(volatile int *)0; }\n' >one.c
    ml run --release one.c add 1
    assert_exit 139
    assert_stderr_has "  at add (one.c:2)"
}

@test "crash: what an enemy has done to its process before changes nothing but the words" {
    crashes 11 blocks_and_reads 0
    assert_stderr "modload: blocks_and_reads: it crashed: SIGSEGV (Segmentation fault)"
    crashes 11 overflows_without_stack
    assert_stderr "modload: overflows_without_stack: it crashed: SIGSEGV (Segmentation fault)"
    crashes 11 starves_and_reads 0
    says "starves_and_reads: it crashed: SIGSEGV (Segmentation fault) reading address 0x0" read_at starves_and_reads
    for to in 0 -8 4097 81985529216486895 -81985529216486895; do
        crashes 4 moves_stack "$to"
        assert_equal "$(sed -n 2p <<<"$stderr")" "$(at moves_stack)"
    done
    crashes 4 moves_stack_to_heap
    assert_equal "$(sed -n 2p <<<"$stderr")" "$(at moves_stack)"
}

@test "crash: a record that the plugin has written itself harms nobody" {
    for word in 0 1 4 11 62 -1 65536 2147483647 -2147483648 1162167621 262144; do
        for n in 4 6 11; do
            crashes "$n" scribbles "$word" "$n"
            [ "$(wc -l <<<"$stderr")" -le 3 ]
            assert_stderr_has "modload: scribbles: it crashed: SIG$(kill -l "$n") ("
        done
    done
}

@test "crash: a plugin without debug information has the names of its symbols" {
    cat >plain.c <<'END'
__attribute__((noinline)) int reads_it(const volatile int *at) { return *at + 1; }
int plain(long at) { return reads_it((const int *)at) + 1; }
END
    mkdir plain
    cc -shared -fPIC -O1 -o plain/plain.so plain.c
    echo '{"name": "plain", "version": "1.0.0", "sources": ["plain.so"], "functions": ["int plain(long at)"]}' \
        >plain/modload.json
    ml run --release ./plain plain 0
    assert_exit 139
    echo "$stderr" >err
    assert_equal "$(sed 's/+0x[0-9a-f]*//' err)" \
        "modload: plain: it crashed: SIGSEGV (Segmentation fault) reading address 0x0
  at reads_it (plugin.so)
  at plain (plugin.so)"
    strip plain/plain.so
    ml run --release ./plain plain 0
    assert_exit 139
    assert_stderr_has "  at plain (plugin.so+0x"
}

@test "crash: of a plugin that Clang has built, which writes no table of addresses" {
    command -v clang >/dev/null || skip "no clang"
    CC=clang modload register --name clang "$(modload uuid)" "$SOURCE"
    ml run --release clang inlined 16
    assert_exit 139
    says "inlined: it crashed: SIGSEGV (Segmentation fault) reading address 0x10" innermost middle inlined
    ml run --release clang calls 0
    assert_stderr_has "$(at calls)"
}

@test "crash: of a prebuilt object with debug information" {
    cc -g -shared -fPIC -O2 -I"$MODLOAD_ROOT/lib/include" -ffile-prefix-map="${SOURCE%/*}/=" \
        -o prebuilt.so "$SOURCE"
    ml run --release prebuilt.so reads 0
    assert_exit 139
    says "reads: it crashed: SIGSEGV (Segmentation fault) reading address 0x0" read_at reads
}

@test "crash: without the bundle, the place is still told" {
    rm -rf "$MODLOAD_HOME/bundles"
    ml exec "$(key_of crashes)" reads 0
    assert_exit 139
    [[ $stderr =~ ^"modload: reads: it crashed: SIGSEGV (Segmentation fault) reading address 0x0"$'\n  at plugin.so+0x'[0-9a-f]+ ]]
}

# tree WORDS: an installation whose modload-core is a script of these words
tree() {
    mkdir -p tree/bin tree/libexec/modload
    cp "$MODLOAD_BUILD/bin/modload" tree/bin
    printf '#!/bin/sh\n%s\n' "$1" >tree/libexec/modload/modload-core
    chmod +x tree/libexec/modload/modload-core
}

@test "crash: when nobody can find the names, or takes too long to, the place is still told" {
    for core in 'exit 1' 'sleep 60' 'yes "[]"' 'echo "["' 'echo' 'printf "[]"' 'kill -SEGV $$' 'exec cat /dev/zero'; do
        tree "$core"
        begun=$SECONDS
        status=0
        tree/bin/modload exec crashes reads 0 >out 2>err 3>&- || status=$?
        assert_equal "$status" 139
        assert_equal "$(sed 's/+0x[0-9a-f]*//' err)" \
            "modload: reads: it crashed: SIGSEGV (Segmentation fault) reading address 0x0
  at plugin.so"
        [ $((SECONDS - begun)) -lt 30 ] || fail "too long: $core"
    done
    rm tree/libexec/modload/modload-core
    tree/bin/modload exec crashes reads 0 >out 2>err 3>&- || status=$?
    assert_equal "$status" 139
    assert_equal "$(sed 's/+0x[0-9a-f]*//' err)" \
        "modload: reads: it crashed: SIGSEGV (Segmentation fault) reading address 0x0
  at plugin.so"
}

@test "crash: what finds the names is no command for people" {
    ml backtrace </dev/null
    assert_exit 65
    assert_no_stdout
    ml backtrace < <(head -c 3000000 /dev/zero)
    assert_exit 74
    ml help
    [[ $output != *backtrace* ]]
    ml backtrac
    assert_exit 64
    [[ $stderr != *backtrace* ]]
}
