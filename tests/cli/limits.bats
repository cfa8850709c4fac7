#!/usr/bin/env bats
# Goal of this test: a call that uses more than it may is ended with all that it has started, and told which limit it
# was; it costs that call alone. Limits come by options and from the manifest.

load helpers
load plugins

setup_file() {
    given_plugins zoo/memory zoo/hangs zoo/descriptors zoo/forks output math
}

# given_loaded NAME: loads one, and leaves its name in $plugin.
given_loaded() {
    plugin=$1
    modload load "$plugin" 3>&-
}

# assert_limit CODE TEXT: the last call went over that limit, in words and for programs; and its worker is well.
assert_limit() {
    assert_exit 71
    assert_stderr_has "$2"
    assert_stderr_has "hint: give it more by --${1#limit_}"
    modload exec "$plugin" add 2 3 >five 3>&- && assert_equal "$(<five)" 5
}

nothing_runs() { # but the worker, and the supervisor and the call that wait for the next client
    [ "$(processes_of "$(key_of "$plugin")" | wc -l)" -le 3 ]
}

# with_limits LIMITS C: registers and loads a plugin "limited" whose manifest has these.
with_limits() {
    mkdir -p limited
    printf '{"name": "limited", "limits": {%s}}' "$1" >limited/modload.json
    printf '#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\nint add(int a, int b) { return a + b; }\n%s\n' \
        "$2" >limited/limited.c
    ml register "$(modload uuid)" limited
    assert_ok
    given_loaded limited
}

# ---- each limit ----

@test "limits: memory" {
    given_loaded memory
    ml exec -t 60s --memory 32M memory hoards
    assert_limit limit_memory "modload: hoards: used more than 32 MiB of memory"
    ml exec -t 60s --memory 64M memory leaks 20
    assert_ok
    assert_stdout 20
}

@test "limits: memory that a function does not get" {
    ! grep -q __asan_init "$MODLOAD_BUILD/libexec/modload/modload-worker" || skip "a sanitizer's malloc ends the call itself"
    given_loaded memory
    ml exec --memory 32M memory trusts 512
    assert_limit limit_memory "modload: trusts: used more than 32 MiB of memory"
    ml exec --memory 32M memory complains 512
    assert_limit limit_memory "modload: complains: cannot have 512 MB: used more than 32 MiB of memory"
    ml exec --memory 1G memory complains 64
    assert_ok
}

@test "limits: the time of processors" {
    given_loaded hangs
    ml exec -t 60s --cpu 100ms hangs loops
    assert_limit limit_cpu "modload: loops: used more than 100 ms of processor time"
    ml exec -t 300ms --cpu 100ms hangs sleeps # which takes none
    assert_exit 124
}

@test "limits: descriptors" {
    given_loaded descriptors
    ml exec -t 60s --files 64 descriptors opens_and_stays
    assert_limit limit_files "modload: opens_and_stays: had more than 64 descriptors open"
    ml exec -t 60s --files 64 descriptors opens_or_fails 1000
    assert_limit limit_files "had more than 64 descriptors open" # found by a look, or when it fails
    ml exec --files 64 descriptors opens_or_fails 61 # and its standard three
    assert_ok
    assert_stdout 61
}

@test "limits: processes" {
    given_loaded forks
    ml exec -t 60s --processes 8 forks bomb 150
    assert_limit limit_processes "modload: bomb: had more than 8 processes"
    within nothing_runs
    ml exec --processes 2 forks child 5
    assert_ok
    assert_stdout 5
}

@test "limits: output, of which as much arrives as may be" {
    given_loaded output
    ml exec -t 60s --output 100K output floods
    assert_limit limit_output "modload: floods: wrote more than 100 KiB of output"
    assert_equal "$(wc -c <.stdout)" 102400
    ml exec --output 10 output prints 0123456789
    assert_ok
    assert_stdout "$(printf '0123456789')"
    ml exec --output 9 output prints 0123456789
    assert_limit limit_output "modload: prints: wrote more than 9 bytes of output"
    assert_stdout 012345678
}

@test "limits: output and errors count together" {
    given_loaded output
    ml exec --output 10 output both aaaaaa bbbb
    assert_ok
    assert_stdout aaaaaa
    assert_stderr bbbb
    ml exec --output 9 output both aaaaaa bbbb
    assert_limit limit_output "wrote more than 9 bytes of output"
}

@test "limits: output comes before the outcome" {
    given_loaded output
    for i in {1..20}; do
        modload exec --output 1M output answers "line $i" >said 2>&1 3>&-
        assert_equal "$(<said)" "line $i"$'\n'7
        modload exec --output 9 output prints 0123456789 >said 2>&1 3>&- || assert_equal $? 71
        [[ $(<said) == "012345678modload: prints: wrote more than 9 bytes of output"* ]]
    done
}

@test "limits: a reader that does not read, and one that has gone" {
    given_loaded output
    mkfifo pipe
    exec {hold}<>pipe
    status=0
    modload exec -t 300ms --output 10M output floods >pipe 2>err 3>&- || status=$?
    assert_exit 124
    grep -q "took longer than 300 ms" err
    exec {hold}>&-
    { modload exec -t 60s --output 1G output floods 2>err 3>&- || echo $? >code; } | head -c 1 >/dev/null
    assert_equal "$(<code)" 141
}

@test "limits: what goes over them is told to programs, and counted as a failure" {
    given_loaded memory
    ml exec --json -t 60s --memory 32M memory hoards
    assert_exit 71
    assert_equal "$(json '.errors[0] | [.code, .outcome, .message] | tojson')" \
        '["limit_memory","plugin_error","hoards: used more than 32 MiB of memory"]'
    ml ps --json
    assert_equal "$(json '.data.workers[0] | [.calls, .errors, .crashes, .timeouts] | tojson')" '[1,1,0,0]'
    modload logs memory 3>&- | grep -q "call hoards: plugin_error: used more than 32 MiB of memory"
}

# ---- all processes of a call ----

@test "limits: they count for all processes of a call together" {
    given_loaded memory
    ml exec -t 60s --memory 64M memory hoards_with_children 4 20
    assert_limit limit_memory "used more than 64 MiB of memory"
    within nothing_runs
    ml exec -t 300ms --memory 64M memory shares 4 20
    assert_exit 124
    given_loaded hangs
    ml exec -t 60s --cpu 200ms hangs burns_with_children 2
    assert_limit limit_cpu "used more than 200 ms of processor time"
    within nothing_runs
}

# ---- from the manifest ----

@test "limits: a manifest sets them, and options go before" {
    with_limits '"memory": "32M", "output": "10", "files": 16' '
int leaks(int mb) { for (int i = 0; i < mb; i++) { char *p = malloc(1 << 20); if (p == NULL) pause(); memset(p, 1, 1 << 20); }
    return mb; }
void prints(const char *text) { write(1, text, strlen(text)); }
void opens(void) { while (dup(0) >= 0) continue; pause(); }'
    ml exec -t 60s limited leaks 200
    assert_limit limit_memory "used more than 32 MiB of memory"
    ml exec -t 60s --memory 1G limited leaks 200
    assert_ok
    ml exec -t 60s --memory 0 limited leaks 200
    assert_ok
    ml exec limited prints 0123456789a
    assert_limit limit_output "wrote more than 10 bytes of output"
    ml exec --output 11 limited prints 0123456789a
    assert_ok
    ml exec -t 60s limited opens
    assert_limit limit_files "had more than 16 descriptors open"
    ml exec -t 60s --files 8 limited opens
    assert_limit limit_files "had more than 8 descriptors open"
}

@test "limits: a manifest limits processor time and processes" {
    with_limits '"cpu": "100ms", "processes": 3' '
void loops(void) { for (volatile int i = 0;; i++) continue; }
void forks(void) { for (int i = 0; i < 5; i++) if (fork() == 0) break; pause(); }'
    ml exec -t 60s limited loops
    assert_limit limit_cpu "used more than 100 ms of processor time"
    ml exec -t 60s limited forks
    assert_limit limit_processes "had more than 3 processes"
    within nothing_runs
}

@test "limits: a manifest's timeout shortens the default, and nothing else" {
    with_limits '"timeout": "200ms"' 'void sleeps(void) { pause(); }'
    ml exec limited sleeps
    assert_exit 124
    assert_stderr_has "took longer than 200 ms"
    ml exec -t 300ms limited sleeps
    assert_exit 124
    assert_stderr_has "took longer than 300 ms"
    ml exec --batch limited <<<'{"call":"sleeps"}'
    assert_exit 1
    assert_equal "$(json .error.message)" "sleeps: took longer than 200 ms"
    ml exec --batch -t 300ms limited <<<'{"call":"sleeps"}'
    assert_equal "$(json .error.message)" "sleeps: took longer than 300 ms"
}

@test "limits: info shows them" {
    with_limits '"timeout": "2s", "memory": "256M", "processes": 8' ''
    ml info limited
    assert_ok
    assert_stdout_has "limits       timeout 2000 ms, memory 256 MiB, processes 8"
    ml info --json limited
    assert_equal "$(json '.data.limits | tojson')" '{"timeout_ms":2000,"memory":268435456,"processes":8}'
    ml info --json math
    assert_equal "$(json '.data.limits | tojson')" '{}'
    ml info math
    assert_equal "$(grep -c "^limits " .stdout)" 0
}

@test "limits: other limits are another bundle, and they are built again as they were" {
    with_limits '"memory": "32M"' ''
    first=$(modload lookup limited)
    object=$MODLOAD_HOME/bundles/$first/plugin.so
    before=$(sha256sum <"$object")
    chmod 600 "$object"
    echo more >>"$object"
    ml verify --repair limited
    assert_ok
    assert_equal "$(sha256sum <"$object")" "$before"
    printf '{"name": "limited", "limits": {"memory": "33M"}}' >limited/modload.json
    ml compile --json limited
    [ "$(json .data.bundle)" != "$first" ]
}

@test "limits: a manifest with a wrong one is refused" {
    mkdir bad
    echo 'int f(void) { return 1; }' >bad/f.c
    for wrong in '"memory": "lots"' '"files": 0' '"cpu": "0"' '"output": -1' '"memroy": "1M"'; do
        printf '{"limits": {%s}}' "$wrong" >bad/modload.json
        ml compile bad
        assert_exit 78
        assert_stderr_has "key 'limits."
    done
}

# ---- sessions ----

@test "limits: in a batch a limit costs its own line" {
    for row in "memory|--memory 32M|hoards|" "hangs|--cpu 100ms|loops|" "descriptors|--files 64|opens_and_stays|" \
        "descriptors|--files 64|opens_or_fails|1000" "forks|--processes 8|bomb|150"; do
        IFS='|' read -r name option function arg <<<"$row"
        given_loaded "$name"
        # shellcheck disable=SC2086
        ml exec --batch -t 60s $option "$name" < <(
            printf '{"call":"add","args":[%d,1]}\n' 1 2 3
            printf '{"call":"%s","args":[%s]}\n' "$function" "$arg"
            printf '{"call":"add","args":[%d,1]}\n' 4 5
        )
        assert_exit 1
        code=limit_${option#--}
        assert_equal "$(jq -sc 'map(.data // .error.code)' .stdout)" "[2,3,4,\"${code%% *}\",5,6]"
        within nothing_runs
    done
}

@test "limits: in a batch the time of processors is that of each call" {
    with_limits '' '#include <time.h>
int burn(int ms) { for (clock_t end = clock() + CLOCKS_PER_SEC / 1000 * ms; clock() < end;) continue; return ms; }'
    for _ in {1..20}; do echo '{"call":"burn","args":[100]}'; done >calls
    ml exec --batch -t 60s --cpu 1s limited <calls # which all of them together exceed
    assert_ok
    # Far more than the limit: how soon it is seen depends on who else wants the processors.
    for _ in {1..5}; do echo '{"call":"burn","args":[30000]}'; done >calls
    ml exec --batch -t 60s --cpu 50ms limited <calls
    assert_exit 1
    assert_equal "$(jq -sc 'map(.error.code) | unique' .stdout)" '["limit_cpu"]'
}

@test "limits: in a batch output counts for the process of the calls" {
    given_loaded output
    ml exec --batch -t 60s --output 64K output < <(
        printf '%s\n' '{"call":"prints","args":["first"]}' '{"call":"floods"}' '{"call":"prints","args":["last"]}'
    )
    assert_exit 1
    assert_equal "$(jq -sc 'map(.status)' .stdout)" '["ok","error","ok"]'
    assert_equal "$(jq -sr '.[1].error.code' .stdout)" limit_output
    assert_equal "$(wc -c <.stderr)" $((65536 + 4))
    [[ $stderr == first* && $stderr == *last ]]
}

# ---- options ----

@test "limits: bad values are told, before anything is called" {
    for option in "--memory 3MB" "--memory -1" "--memory=" "--output 1.5K" "--output x" "--cpu fast" "--cpu -1s" \
        "--files -1" "--files 1.5" "--files many" "--processes x" "--processes 9999999999"; do
        # shellcheck disable=SC2086
        ml exec $option math add 2 3
        assert_exit 64
        assert_no_stdout
        assert_stderr_has "modload: ${option%%[ =]*}: "
        # shellcheck disable=SC2086
        ml run $option math add 2 3
        assert_exit 64
    done
    ml loaded math
    assert_exit 1
}

@test "limits: run has them as well, also of a source" {
    printf 'void loops(void) { for (volatile int i = 0;; i++) continue; }\n' >loops.c
    ml run --release -t 60s --cpu 100ms ./loops.c loops
    assert_exit 71
    assert_stderr_has "loops: used more than 100 ms of processor time"
    ml run --memory 64M --output 1M --files 64 --processes 4 --cpu 10s math add 2 3
    assert_ok
    assert_stdout 5
}
