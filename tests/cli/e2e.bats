#!/usr/bin/env bats
# Goal of this test: the ways that users go, from beginning to end.

load helpers
load plugins

@test "e2e: given a built tree, when first-light runs, then the main job is done and nothing is left" {
    export TMPDIR=$BATS_TEST_TMPDIR/tmp
    mkdir "$TMPDIR"
    status=0
    output=$(sh "$MODLOAD_ROOT/scripts/first-light" --job-only 2>&1 3>&-) || status=$?
    echo "$output"
    assert_ok
    [[ $output == *' add 2 3'$'\n'5$'\n'* ]]
    [[ $output == *' divide 5 2'$'\n'2.5$'\n'* ]]
    assert_equal "$(ls -A "$TMPDIR")" ""
}

@test "e2e: given a C file, when it goes from compile to release, then every step says what it should" {
    printf '/* The sum of two numbers. */\ndouble add(double a, double b) { return a + b; }\n' >math.c
    ml compile math.c
    assert_ok
    assert_no_stderr
    bundle=${output%% *}
    assert_stdout "$bundle  math  add(a: double, b: double) -> double"
    ml uuid
    assert_ok
    id=$output
    ml registered "$id"
    assert_exit 1
    ml register "$id" "$bundle"
    assert_ok
    assert_no_stdout
    assert_no_stderr
    ml registered "$id"
    assert_ok
    ml lookup "$id"
    assert_stdout "$bundle"
    ml list
    assert_stdout "$id  math  $bundle  math@0.0.0  -"
    ml info math add
    assert_stdout $'add(a: double, b: double) -> double\n    The sum of two numbers.'
    ml loaded "$id"
    assert_exit 1
    ml exec "$id" add 2 3
    assert_exit 69
    ml load "$id"
    assert_ok
    assert_no_stdout
    ml loaded "$id"
    assert_ok
    ml list
    assert_stdout "$id  math  $bundle  math@0.0.0  loaded"
    ml exec "$id" add 2 3
    assert_ok
    assert_stdout 5
    assert_no_stderr
    ml ps
    assert_ok
    assert_stdout_has "$id  $(modload pid "$id")  "
    assert_stdout_has "calls=1"
    ml release "$id"
    assert_ok
    assert_no_stdout
    ml release "$id"
    assert_exit 69
    ml unregister "$id"
    assert_ok
    ml lookup "$id"
    assert_exit 66
    ml list
    assert_no_stdout
    ml register "$id" "$bundle"
    assert_ok
    ml run --release "$id" add 2 3
    assert_ok
    assert_stdout 5
}

@test "e2e: given C on standard input, when it is compiled, registered and loaded, then it can be called" {
    ml compile - <<<'long twice(long n) { return 2 * n; }'
    assert_ok
    bundle=${output%%[!a-z0-9-]*}
    id=$(modload uuid)
    ml register "$id" "$bundle"
    assert_ok
    ml load "$id"
    assert_ok
    ml exec "$id" twice -21
    assert_ok
    assert_stdout -42
    assert_no_stderr
}

@test "e2e: given a loaded plugin, when a call of it crashes, then the next call is answered by the same worker" {
    register_text bad '#include <stdlib.h>
        int crash(void) { abort(); }
        int fine(void) { return 7; }'
    ml load "$id"
    assert_ok
    worker=$(modload pid "$id")
    ml exec "$id" crash
    assert_exit 134
    assert_no_stdout
    ml exec "$id" fine
    assert_ok
    assert_stdout 7
    assert_equal "$(modload pid "$id")" "$worker"
}

@test "e2e: given a loaded plugin, when it is released, then calls say so until it is loaded again" {
    register_text one 'int one(void) { return 1; }'
    ml load "$id"
    assert_ok
    ml release "$id"
    assert_ok
    ml exec "$id" one
    assert_exit 69
    assert_no_stdout
    assert_stderr_has "not loaded"
    ml load "$id"
    assert_ok
    ml exec "$id" one
    assert_ok
    assert_stdout 1
}

@test "e2e: given a script, when it chains calls of plugins, then exit codes and output carry it" {
    modload register --name math "$(modload uuid)" "$MODLOAD_BUILD/share/modload/math"
    modload register --name text "$(modload uuid)" "$MODLOAD_BUILD/share/modload/text"
    cat >script <<'EOF'
set -eu
modload load math text
sum=$(modload exec math add 40 2)
modload exec text upcase "the answer is $sum"
modload exec math divide 1 0 || echo "exit $?"
modload release --all
EOF
    sh script >said 2>err 3>&-
    assert_equal "$(<said)" $'THE ANSWER IS 42\nexit 1'
    [[ $(<err) == "modload: divide: division_by_zero: "* ]]
    assert_equal "$(modload ps)" ""
}

@test "e2e: given a loaded entry, when exec is traced, then the front opens no heavy library" {
    register_text one 'int one(void) { return 1; }'
    modload load "$id" 3>&-
    strace -f -e trace=open,openat,openat2,execve,clone,clone3,fork,vfork -o trace modload exec "$id" one >said 3>&-
    assert_equal "$(<said)" 1
    cat trace
    run ! grep -E 'libgit2|libarchive|libcrypto|libcjson|libdw|libelf|libuuid' trace
    assert_equal "$(grep -c execve trace)" 1
    run ! grep -E '(clone|clone3|fork|vfork)\(' trace
}

@test "e2e: given words that look like paths, when any command gets them, then none reaches the file system" {
    register_text one 'int one(void) { return 1; }'
    modload load "$id" 3>&-
    n=0
    for word in ../../zzz zzz/yyy /zzz /etc/zzz ./zzz zzz/../zzz; do
        for words in "lookup W" "registered W" "unregister W" "info W" "load W" "release W" "loaded W" "pid W" \
            "exec W one" "register W $bundle" "uuid to-key W" "uuid check W"; do
            n=$((n + 1))
            # shellcheck disable=SC2086
            strace -f -e trace=%file,connect -o trace modload ${words//W/$word} >said 2>err 3>&- && fail "$words took $word"
            assert_equal "$(grep -v execve trace | grep -c zzz)" 0
        done
    done
    [ "$n" -eq 72 ]
    assert_equal "$(modload list | wc -l)" 1
}

@test "e2e: given a function's name that looks like a path, when it is called, then it is only unknown" {
    register_text one 'int one(void) { return 1; }'
    modload load "$id" 3>&-
    for name in ../../zzz /zzz 'one;zzz' '$(zzz)'; do
        strace -f -e trace=%file,connect -o trace modload exec "$id" "$name" >said 2>err 3>&- || status=$?
        assert_exit 127
        assert_equal "$(grep -v execve trace | grep -c zzz)" 0
    done
}

@test "e2e: given a registry and its workers, when all of it is done, then nothing of them is on the machine" {
    for i in 1 2 3; do
        register_text "p$i" "int n(void) { return $i; }"
        ml run "$id" n
        assert_stdout "$i"
    done
    ml release --all
    assert_ok
    assert_equal "$(find "$MODLOAD_RUNTIME_DIR" ! -type d)" ""
    assert_equal "$(ls -A "$MODLOAD_HOME/tmp")" ""
    assert_equal "$(world_processes)" ""
}

@test "e2e: given code that is in use, when new code is registered, then calls in flight end on the old, later loads use the new" {
    register_text v '#include <stdio.h>
        int v(void) { puts("begun"); fflush(stdout); getchar(); return 1; }'
    modload load "$id" 3>&-
    mkfifo input
    modload exec -t 0 "$id" v <input >said 2>err 3>&- &
    job=$!
    exec {input}>input
    within grep -q begun said
    printf 'int v(void) { return 2; }\n' >v.c
    ml register "$id" v.c
    assert_ok
    echo >&"$input"
    exec {input}>&-
    wait "$job"
    assert_equal "$(<said)" $'begun\n1'
    ml release "$id"
    ml run --release "$id" v
    assert_ok
    assert_stdout 2
}

@test "e2e: given a plugin that is slow, when its caller goes away, then the worker serves the next" {
    cp "$MODLOAD_ROOT/tests/plugins/faults.c" .
    modload register --name faults "$(modload uuid)" faults.c
    modload load faults 3>&-
    begin call exec -t 0 faults hangs
    kill -INT "$job_call"
    finish call
    assert_exit 130
    assert_stderr "modload: hangs: cancelled"
    ml exec faults fine
    assert_ok
    assert_stdout 7
}

@test "given a kernel that refuses what a worker must set up, when loading, then no plugin is mapped" {
    id=$(modload uuid)
    modload register "$id" -e '__attribute__((constructor)) static void c(void) { for (;;) ; } int f(void) { return 1; }'
    for call in close_range prlimit64 chdir; do
        ml_status=0
        strace -f -qq -o /dev/null -e trace="$call" -e inject="$call:error=EPERM" \
            modload load "$id" >said 2>err 3>&- || ml_status=$?
        assert_equal "$call $ml_status" "$call 77"
        assert_equal "$(<said)" ""
        grep -q "the worker cannot be set up for a plugin: Operation not permitted" err
        ml loaded "$id"
        assert_exit 1
    done
}

@test "e2e: given a bad release, when it is rolled back, pinned and cleaned up, then users get what was good" {
    echo '{"name": "calc", "version": "1.0.0"}' >modload.json
    mkdir calc
    mv modload.json calc
    for version in 1 2 3; do
        echo "{\"name\": \"calc\", \"version\": \"$version.0.0\"}" >calc/modload.json
        echo "int answer(void) { return $version; }" >calc/calc.c
        [ "$version" -gt 1 ] || id=$(modload uuid)
        ml register "$id" calc
        assert_ok
        assert_no_stderr
    done
    modload load calc 3>&-
    ml exec calc answer
    assert_stdout 3
    ml rollback calc # 3 was a mistake
    assert_ok
    ml exec calc answer
    assert_stdout 3 # a worker goes on with what it has
    ml release calc
    ml run calc answer
    assert_stdout 2
    ml lookup calc@2.0.0
    assert_ok
    ml pin calc
    assert_ok
    ml gc --keep-last 1
    assert_ok
    assert_equal "$(wc -l <.stdout)" 2
    ml exec calc answer
    assert_stdout 2
    ml unregister calc
    ml run "$id" answer
    assert_exit 66
    ml list --removed
    assert_stdout_has "$id  calc  "
    ml rollback "$id"
    assert_ok
    ml release calc
    ml run --release calc answer
    assert_stdout 2
    ml unregister calc
    ml unpin "$id" 4
    assert_ok
    ml gc
    assert_ok
    assert_equal "$(ls -A "$MODLOAD_HOME/bundles")" ""
    ml history "$id"
    assert_exit 66
}

@test "e2e: given a list of plugins, when it is registered at once and again, then all of them can be called, and nothing changes" {
    for name in one two three; do
        echo "int $name(void) { return ${#name}; }" >$name.c
        printf '{"key": "%s", "path": "%s.c", "name": "%s"}\n' "$(modload uuid)" $name $name
    done >plugins.jsonl
    ml register --many plugins.jsonl
    assert_ok
    for name in one two three; do
        ml run --release $name $name
        assert_ok
        assert_stdout ${#name}
    done
    before=$(modload list; modload history one)
    ml register --many plugins.jsonl
    assert_ok
    assert_equal "$(modload list; modload history one)" "$before"
    echo 'int two(void) { return 22; }' >two.c
    ml register --many plugins.jsonl
    assert_ok
    ml run --release two two
    assert_stdout 22
    assert_equal "$(modload history two | grep -c .) $(modload history one | grep -c .)" "2 1"
    echo 'int two(void) { return }' >two.c
    echo 'int one(void) { return 11; }' >one.c
    ml register --many plugins.jsonl
    assert_exit 65
    ml run --release one one
    assert_stdout 3
}
