# What every bats file loads: `load helpers`. Each test gets a throwaway registry and run-time directory, and at its
# end no worker of it may be left. A file with a setup of its own calls world_setup first, and world_teardown last.
#
#   ml ARG...               runs modload; then $status, $output, $lines and $stderr are what it said. Not in a pipe
#                           (that would be a subshell): feed it with  ml ... <<<"text"  or  ml ... < <(command)
#   assert_ok               exit status 0              assert_exit N
#   assert_stdout TEXT      all of stdout              assert_stdout_has TEXT      assert_no_stdout
#   assert_stderr TEXT      all of stderr              assert_stderr_has TEXT      assert_no_stderr
#   assert_equal A B        two texts are the same (assert_equal "$(json .status)" ok)
#   json QUERY              what jq -r finds in stdout (its numbers are doubles: compare large ones as text)
#   register_text NAME TEXT compiles C, registers it, and sets $id and $bundle
#   unprivileged            from here on modload is run without what lets root read and write everything; so is what
#                           is run by "${bare[@]}"
#   plain_only              skips a test that with sanitizers takes half a minute, and goes through nothing that
#                           others do not
# What a test prints is shown when it fails, and only then.
# shellcheck disable=SC2034

bats_require_minimum_version 1.5.0

MODLOAD_ROOT=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
MODLOAD_BUILD=${MODLOAD_BUILD:-$MODLOAD_ROOT/build}
case $MODLOAD_BUILD in
/*) ;;
*) MODLOAD_BUILD=$MODLOAD_ROOT/$MODLOAD_BUILD ;;
esac
MODLOAD_LIMIT=${MODLOAD_LIMIT:-120} # seconds after which a command is a hanging one

world_setup() {
    unset XDG_DATA_HOME XDG_RUNTIME_DIR XDG_CONFIG_HOME XDG_CACHE_HOME CC MODLOAD_BUILD_DIRS NO_COLOR
    export LC_ALL=C.UTF-8 # the compiler's words, and orders
    export MODLOAD_HOME=$BATS_TEST_TMPDIR/h MODLOAD_RUNTIME_DIR=$BATS_TEST_TMPDIR/r
    export PATH=$MODLOAD_BUILD/bin:$PATH
    export MODLOAD_ROOT MODLOAD_BUILD
    cd "$BATS_TEST_TMPDIR" || return 1
}

world_teardown() {
    local left pid
    MODLOAD_HOME=$BATS_TEST_TMPDIR/h MODLOAD_RUNTIME_DIR=$BATS_TEST_TMPDIR/r \
        "$MODLOAD_BUILD/bin/modload" release --all >/dev/null 2>&1 3>&- || :
    for _ in {1..20}; do # the kernel may take a moment to bury what was killed
        left=$(world_processes)
        [ -n "$left" ] || return 0
        sleep 0.05
    done
    echo "left behind by the test:"
    for pid in $left; do
        echo "  $pid $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)"
        kill -KILL "$pid" 2>/dev/null || :
    done
    return 1
}

# Whatever this test started: processes that were given its run-time directory, and those of modload with a file open
# in the test's own directory (a worker is given nothing, but has its lock there). What is dead but not yet waited
# for has neither.
world_processes() (
    dir=${BATS_TEST_TMPDIR:?}/r # not the variable: a test may have emptied it
    unset MODLOAD_RUNTIME_DIR # or the programs below would find themselves
    {
        grep -lsaFz "MODLOAD_RUNTIME_DIR=$dir" /proc/[0-9]*/environ
        find /proc/[0-9]*/fd -lname "$BATS_TEST_TMPDIR/*" 2>/dev/null | while IFS=/ read -r _ _ pid _; do
            case $(readlink "/proc/$pid/exe") in
            */modload*) echo "/proc/$pid/" ;;
            esac
        done
    } | cut -d / -f 3 | sort -u
)

setup() {
    world_setup
}

teardown() {
    world_teardown
}

ml() {
    local out=$BATS_TEST_TMPDIR/.stdout err=$BATS_TEST_TMPDIR/.stderr
    status=0
    timeout --foreground -k 5 "$MODLOAD_LIMIT" modload "$@" >"$out" 2>"$err" 3>&- || status=$?
    { output=$(<"$out") && stderr=$(<"$err"); } 2>/dev/null
    mapfile -t lines <"$out"
    printf '$ modload'
    printf ' %q' "$@"
    printf '\nstatus: %s\nstdout: %s\nstderr: %s\n' "$status" "${output:0:4000}" "${stderr:0:4000}"
}

plain_only() {
    ! grep -q __asan_init "$MODLOAD_BUILD/libexec/modload/modload-worker" || skip "with sanitizers it takes half a minute"
}

fail() {
    printf '%s\n' "$@"
    return 1
}

assert_equal() {
    [ "$1" = "$2" ] || fail "expected: $2" "     got: $1"
}

assert_exit() {
    [ "$status" -eq "$1" ] || fail "expected status $1, got $status"
}

assert_ok() {
    assert_exit 0
}

assert_stdout() {
    [ "$output" = "$1" ] || fail "expected stdout: $1"
}

assert_stdout_has() {
    [[ $output == *"$1"* ]] || fail "expected in stdout: $1"
}

assert_no_stdout() {
    [ -z "$output" ] || fail "expected nothing on stdout"
}

assert_stderr() {
    [ "$stderr" = "$1" ] || fail "expected stderr: $1"
}

assert_stderr_has() {
    [[ $stderr == *"$1"* ]] || fail "expected in stderr: $1"
}

assert_no_stderr() {
    [ -z "$stderr" ] || fail "expected nothing on stderr"
}

json() {
    jq -r "$1" <<<"$output"
}

register_text() {
    local file=$BATS_TEST_TMPDIR/src/$1.c
    mkdir -p "${file%/*}"
    printf '%s\n' "$2" >"$file"
    id=$(modload uuid)
    ml register "$id" "$file"
    assert_ok
    bundle=$(modload lookup "$id")
}

unprivileged() {
    bare=()
    [ "$(id -u)" -ne 0 ] || bare=(setpriv --bounding-set=-all --inh-caps=-all --)
    mkdir "$BATS_TEST_TMPDIR/bare"
    printf '#!/bin/sh\nexec %s "%s" "$@"\n' "${bare[*]}" "$MODLOAD_BUILD/bin/modload" >"$BATS_TEST_TMPDIR/bare/modload"
    chmod +x "$BATS_TEST_TMPDIR/bare/modload"
    PATH=$BATS_TEST_TMPDIR/bare:$PATH
}
