#!/usr/bin/env bats
# Goal of this test: doctor finds each thing that can be wrong, says what to do about it, and neither changes anything
# nor fails where everything else does.

load helpers
load plugins
load registry

setup_file() {
    given_plugins faults
}

setup() {
    world_setup
    mkdir tmp
    export TMPDIR=$PWD/tmp
}

# It leaves nothing behind, whatever it finds.
teardown() {
    local left
    left=$(find "$BATS_TEST_TMPDIR/tmp" -mindepth 1 ! -path '*/modload-[0-9]*')
    [ -z "$left" ] || echo "left in TMPDIR: $left"
    world_teardown && [ -z "$left" ]
}

# The registry of this file, to be damaged.
given_registry() {
    cp -a "$BATS_FILE_TMPDIR/home" "$MODLOAD_HOME"
}

# finds STATUS NAME [DETAIL [HINT]]: one of the checks of that name has this status, and these words in it
finds() {
    local found
    found=$(json ".data.checks[]|select(.name==\"$2\" and .status==\"$1\")|.detail+\"|\"+.hint")
    case $found in
    *"${3-}"*"|"*"${4-}"*) [ -n "$found" ] || fail "no $1 of '$2'" ;;
    *) fail "expected $1 of '$2': ${3-} | ${4-}" "$(json '.data.checks[]|select(.status!="ok")|tojson')" ;;
    esac
}

# doctor EXIT STATUS NAME...: runs it, and looks for one finding; problems are exit 1, all else is 0
doctor() {
    local exit=$1
    shift
    ml doctor --json
    assert_exit "$exit"
    assert_no_stderr
    finds "$@"
}

# A compiler of ours, in front of the true one
given_compiler() {
    printf '#!/bin/sh\n%s\nexec cc "$@"\n' "$1" >mycc
    chmod +x mycc
    export CC=$PWD/mycc
}

# A copy of the installation, to be damaged
given_installation() {
    mkdir inst
    cp -a "$MODLOAD_BUILD"/{bin,libexec,include} inst
    PATH=$PWD/inst/bin:$PATH
}

@test "doctor: where nothing is wrong, nothing is changed" {
    ml doctor
    assert_ok
    assert_no_stderr
    for name in front core worker fetch compiler builds headers registry 'file system' space runtime sockets kernel \
        'system calls' /proc limits environment user; do
        grep -qE "^(ok|warning)  +$name  " .stdout || fail "nothing about $name"
    done
    [[ ${lines[-1]} =~ ^0\ problems,\ [0-9]\ warnings?$ ]] || fail "no sum"
    [ ! -e h ] && [ ! -e r ]
}

@test "doctor: is aligned, and has a hint for each warning and problem" {
    CC=/nowhere/cc LD_LIBRARY_PATH=/nowhere ml doctor
    assert_exit 1
    assert_no_stderr
    bad=$(grep -cE '^(warning|problem)  ?[a-z/]' .stdout)
    [ "$bad" -ge 2 ]
    assert_equal "$(grep -c '^         hint: .' .stdout)" "$bad"
    assert_equal "$(grep -A 1 -E '^(warning|problem)' .stdout | grep -c '^         hint: .')" "$bad"
    grep -q '^problem  compiler      ' .stdout
    assert_equal "$(grep -cvE '^(ok      |warning |problem ) [a-z/][a-z ]{12} [^ ]|^         hint: |^[0-9]+ problem' .stdout)" 0
}

@test "doctor --json: checks, and how many are bad" {
    ml doctor --json
    assert_ok
    assert_equal "$(json '.status, .exit_code, .data.problems')" $'ok\n0\n0'
    assert_equal "$(json '.data.checks|map(select(.status=="warning"))|length')" "$(json .data.warnings)"
    assert_equal "$(json '.data.checks|map(keys|join(","))|unique|join(" ")')" "detail,hint,name,status"
    assert_equal "$(json '[.data.checks[]|select(.status=="ok" and .hint!="")]|length')" 0
    CC=/nowhere/cc ml doctor --json
    assert_exit 1
    assert_equal "$(json '.status, .exit_code, .data.problems, (.errors|length)')" $'ok\n1\n1\n0'
}

@test "doctor: takes no argument" {
    ml doctor math
    assert_exit 64
    assert_no_stdout
}

@test "doctor: without a home" {
    unset MODLOAD_HOME HOME
    doctor 1 problem registry "HOME is not set" "set MODLOAD_HOME"
    finds warning environment "HOME is not set" "MODLOAD_HOME"
    finds ok compiler
    finds ok kernel
}

# ---- programs ----

@test "doctor: a core that is missing, does not start, or is another" {
    given_installation
    doctor 0 ok core "modload $(sed -n 's/^#define ML_VERSION "\(.*\)"/\1/p' \
        "$MODLOAD_ROOT/lib/include/modload/modload.h")"
    core=inst/libexec/modload/modload-core
    rm "$core"
    doctor 1 problem core "is missing" "make install"
    printf '#!/bin/sh\necho modload 9.9.9 "(plugin ABI 1)"\n' >"$core"
    chmod +x "$core"
    doctor 1 problem core "is 'modload 9.9.9 (plugin ABI 1)', and this is 'modload" "make install"
    printf '#!/bin/sh\nexit 127\n' >"$core"
    doctor 1 problem core "does not start: it exited with status 127" "make install"
    chmod -x "$core"
    doctor 1 problem core "cannot be run" "make install"
}

@test "doctor: a worker that is missing, or another" {
    given_installation
    doctor 0 ok worker
    worker=inst/libexec/modload/modload-worker
    rm "$worker"
    doctor 1 problem worker "is missing" "make install"
    printf '#!/bin/sh\nexit 64\n' >"$worker" # of before: it knew no --version
    chmod +x "$worker"
    doctor 1 problem worker "it exited with status 64" "make install"
    printf '#!/bin/sh\necho modload 0.0.1 "(plugin ABI 1)"\n' >"$worker"
    doctor 1 problem worker "is 'modload 0.0.1 (plugin ABI 1)', and this is" "make install"
}

@test "doctor: headers that are missing" {
    given_installation
    rm inst/include/modload/plugin.h
    doctor 1 problem headers "include/modload/plugin.h' cannot be read" MODLOAD_PREFIX
}

# ---- compiler ----

@test "doctor: no compiler" {
    CC=/nowhere/cc doctor 1 problem compiler "'/nowhere/cc' cannot be found" "apt install gcc"
    status=0
    output=$(PATH=$PWD "$MODLOAD_BUILD/bin/modload" doctor --json) || status=$?
    assert_exit 1
    finds problem compiler "'cc' cannot be found" "name another compiler in CC"
}

@test "doctor: a compiler that cannot do it" {
    given_compiler 'exit 3'
    doctor 1 problem compiler "it exited with status 3" "apt install gcc"
    given_compiler 'case "$*" in *-shared*) echo "x.c:1: error: no $(printf "\033") today" >&2; exit 1;; esac'
    doctor 1 problem compiler "cannot make a shared object: it exited with status 1: x.c:1: error: no" "apt install gcc"
    ml doctor
    assert_exit 1
    assert_stdout_has 'error: no \x1b today'
    given_compiler 'case "$*" in *-shared*) exit 0;; esac'
    doctor 1 problem compiler "it wrote no object" "apt install gcc"
    given_compiler 'case "$*" in *-shared*) kill -SEGV $$;; esac'
    doctor 1 problem compiler "was killed by signal 11" "apt install gcc"
}

@test "doctor: a compiler that is old, or a stranger" {
    given_compiler 'case "$*" in --version) printf "gcc (X 1) 10.2.1 20210110\nCopyright Free Software Foundation\n"; exit;; esac'
    sed -i 's/ 20210110//' mycc
    doctor 0 warning compiler "gcc 10.2.1 ($PWD/mycc)" "GCC >= 11"
    given_compiler 'case "$*" in --version) echo "Debian clang version 13.0.1-6"; exit;; esac'
    doctor 0 warning compiler "clang 13.0.1-6 ($PWD/mycc)" "Clang >= 14"
    given_compiler 'case "$*" in --version) echo "tcc version 0.9.27"; exit;; esac'
    doctor 0 warning compiler "tcc version 0.9.27" "GCC >= 11"
}

@test "doctor: compilers with options, and Clang" {
    CC="cc -fno-common  -O1" doctor 0 ok compiler "gcc "
    CC=clang doctor 0 ok compiler "clang "
}

@test "doctor: whether builds are confined" {
    modload doctor --json | jq -e '.data.checks[]|select(.name=="landlock" and .status=="ok")' >/dev/null ||
        skip "no Landlock here"
    doctor 0 ok builds "confined: no network"
    given_compiler 'cat /etc/passwd >/dev/null || exit 3' # the compiler is tried in the same box
    doctor 1 problem compiler "it exited with status 3"
    finds ok builds "confined"
}

@test "doctor: a compiler finds no room to be tried" {
    TMPDIR=$PWD/none doctor 0 ok compiler "gcc " # in /tmp then
    finds warning environment "TMPDIR=$PWD/none cannot be written to" "unset it"
}

@test "doctor: is given up with Ctrl-C, and takes everything with it" {
    mkfifo started
    given_compiler "echo > $PWD/started; exec sleep 1000"
    MODLOAD_BUILD_DIRS=$PWD env --default-signal=INT modload doctor >out 2>err 3>&- &
    pid=$!
    read -r <started
    kill -INT $pid
    status=0 begun=$SECONDS
    wait $pid || status=$?
    assert_exit 130
    [ $((SECONDS - begun)) -lt 15 ] || fail "it waited for the compiler"
    assert_equal "$(<out)" ""
    assert_equal "$(<err)" "modload: cancelled"
}

# ---- registry ----

@test "doctor: a registry that is fine" {
    given_registry
    before=$(find h -printf '%p %T@ %C@\n' | sort)
    doctor 0 ok registry "$PWD/h, format "
    finds ok 'write lock' free
    finds ok leftovers none
    finds ok contents "1 entry, 1 bundle"
    finds ok space "free"
    assert_equal "$(find h -printf '%p %T@ %C@\n' | sort)" "$before" # nothing was touched
}

@test "doctor: a registry that is not there yet, or cannot be" {
    doctor 0 ok registry "$PWD/h: not there yet"
    [ ! -e h ]
    mkdir h
    doctor 0 ok registry "$PWD/h: empty"
    assert_equal "$(ls -A h)" ""
    rmdir h
    echo >h
    doctor 1 problem registry "cannot open '$PWD/h': Not a directory" "set MODLOAD_HOME"
    if [ "$(id -u)" -ne 0 ]; then
        MODLOAD_HOME=/nowhere/h doctor 1 problem registry "/nowhere/h is not there, and cannot be made: '/' is not" MODLOAD_HOME
    fi
}

@test "doctor: a registry of somebody else" {
    if [ "$(id -u)" -eq 0 ]; then
        given_registry
        chown 1 h
    else
        MODLOAD_HOME=/
    fi
    doctor 1 problem registry "belongs to uid " "set MODLOAD_HOME"
}

@test "doctor: a registry that others may write to" {
    given_registry
    chmod 777 h
    doctor 1 problem registry "can be written to by others (mode 0777)" "chmod go-w '$PWD/h'"
}

@test "doctor: a registry that its owner may not read, or not write" {
    given_registry
    unprivileged
    chmod 500 h
    doctor 0 warning registry "can be read, and not be written to" "chmod u+w"
    chmod 0 h
    doctor 1 problem registry "cannot be read (mode 0000)" "chmod u+rwx"
    chmod 700 h
}

@test "doctor: what in a registry is closed to its owner" {
    given_registry
    unprivileged
    for name in FORMAT bundles entries history names journal locks tmp; do
        mode=$(stat -c %a "h/$name")
        chmod 0 "h/$name"
        doctor 1 problem registry "h/$name is closed to you (mode 0000)" "chmod u+rwX '$PWD/h/$name'"
        chmod "$mode" "h/$name"
    done
    chmod 400 h/FORMAT # that is replaced, not written to
    doctor 0 ok registry
    chmod 500 h/names
    doctor 1 problem registry "h/names is closed to you (mode 0500)" "chmod u+rwX"
    chmod 500 h # where nothing can be written, that is all there is to say
    doctor 0 warning registry "can be read, and not be written to" "chmod u+w"
    chmod 700 h h/names
}

@test "doctor: what in a registry is open to others" {
    given_registry
    for name in FORMAT bundles entries history names journal locks/write tmp; do
        mode=$(stat -c %a "h/$name")
        chmod go+r "h/$name"
        doctor 0 warning registry "$PWD/h/$name is open to others (mode 0" "run: chmod go-rwx '$PWD/h/$name'"
        chmod "$mode" "h/$name"
    done
    chmod 755 h
    doctor 0 warning registry "$PWD/h is open to others (mode 0755)" "run: chmod go-rwx '$PWD/h'"
    finds ok registry "format "
    chmod go-rwx h
    doctor 0 ok registry
    assert_equal "$(json '.data.checks|map(select(.name=="registry"))|length')" 1
}

@test "doctor: a registry of another format" {
    given_registry
    echo "modload registry 99" >h/FORMAT
    doctor 1 problem registry "has format 99; this modload knows format " "another MODLOAD_HOME"
    echo hello >h/FORMAT
    doctor 1 problem registry "FORMAT' is not of a modload registry" "bring the file back"
    rm h/FORMAT
    doctor 1 problem registry "$PWD/h has lost its FORMAT" "modload verify --repair"
    finds ok contents "1 entry, 1 bundle"
}

@test "doctor: a file system that forgets, and one that nobody knows" {
    MODLOAD_HOME=/dev/shm/none doctor 0 warning 'file system' "tmpfs: what is registered is gone with a restart" MODLOAD_HOME
    MODLOAD_HOME=/proc/none ml doctor --json
    finds warning 'file system' "of a kind that modload does not know (0x9fa0)" RENAME_EXCHANGE
}

# in_namespace COMMAND: as root of a namespace of its own, where it may mount
in_namespace() {
    unshare -rm true 2>/dev/null || skip "no namespaces here"
    status=0
    unshare -rm sh -ec "$1; exec modload doctor --json" >.stdout 2>.stderr 3>&- || status=$?
    output=$(<.stdout)
    cat .stderr
}

@test "doctor: a disk that is full, and one that may only be read" {
    given_registry
    mkdir disk
    in_namespace 'mount -t tmpfs -o size=8m x disk; MODLOAD_HOME=$PWD/disk/h; cp -a h disk/h'
    assert_exit 0
    finds warning space "nearly full: 7." "make room"
    in_namespace 'mount -t tmpfs -o size=3m x disk; MODLOAD_HOME=$PWD/disk/h; cp -a h disk/h'
    assert_exit 1
    finds problem space "the disk is full: 2." "make room"
    in_namespace 'mount -t tmpfs -o nr_inodes=300 x disk; MODLOAD_HOME=$PWD/disk/h; cp -a h disk/h'
    finds warning space "nearly full" "make room"
    in_namespace 'mount -t tmpfs x disk; MODLOAD_HOME=$PWD/disk/h; cp -a h disk/h; mount -o remount,bind,ro disk'
    assert_exit 0
    finds warning registry "can be read, and not be written to" "mounted read-only"
}

@test "doctor: /proc is not there" {
    in_namespace 'mount -t tmpfs x /proc'
    assert_exit 1
    finds problem /proc "is not mounted" "mount -t proc"
}

# ---- what goes on in the registry ----

@test "doctor: the write lock is held" {
    given_registry
    exec {lock}<h/locks/write
    flock "$lock"
    date -u +"pid $$ since %Y-%m-%dT%H:%M:%SZ" >h/locks/write
    doctor 0 ok 'write lock' "held by a command at work (pid $$ since "
    echo "pid $$ since 2024-01-02T03:04:05Z" >h/locks/write
    doctor 0 warning 'write lock' "s (pid $$ since 2024-01-02T03:04:05Z)" "see what it does: ps -p "
    exec {lock}<&-
    doctor 0 ok 'write lock' free
}

@test "doctor: the write lock is held by a process that is stopped" {
    given_registry
    flock h/locks/write sleep 1000 3>&- &
    holder=$!
    within sh -c '! flock -n h/locks/write true'
    kill -STOP $holder
    within grep -q '^State:.T' /proc/$holder/status
    doctor 1 problem 'write lock' "held by a process that is stopped" "kill -CONT $holder"
    pkill -KILL -P $holder
    kill -KILL $holder
    wait $holder || :
}

@test "doctor: what killed commands have left" {
    given_registry
    mkdir h/tmp/dead h/tmp/alive
    echo >h/tmp/file
    exec {lock}<h/tmp/alive
    flock "$lock"
    doctor 0 warning leftovers "2 of commands that were killed" "the next command that writes"
    exec {lock}<&-
    doctor 0 warning leftovers "3 of"
    assert_equal "$(ls h/tmp | wc -l)" 3
}

@test "doctor: a change that was cut short" {
    given_registry
    id=$(modload list | cut -d ' ' -f 1)
    killed_at symlinkat 1 register "$id" -e 'int v(void) { return 1; }'
    [ -e h/journal/apply ]
    doctor 0 warning journal "a change was cut short" "the next command that writes finishes it"
    modload unregister "$id"
    doctor 0 ok leftovers none
    ! grep -q '"journal"' <<<"$output"
}

@test "doctor: a change that was cut short and cannot be understood" {
    given_registry
    id=$(modload list | cut -d ' ' -f 1)
    for damage in 'echo garbage >h/journal/apply' ': >h/journal/apply' 'mkdir h/journal/apply'; do
        eval "$damage"
        doctor 1 problem journal "journal/apply is damaged: nothing can be changed" "run: modload verify --repair"
        ml unregister "$id"
        assert_exit 77
        ml verify --repair
        assert_ok
        doctor 0 ok leftovers none
        rm -rf h/lost+found
    done
    modload unregister "$id"
}

# ---- runtime directory and workers ----

@test "doctor: where the runtime directory is, and why there" {
    doctor 0 ok runtime "$PWD/r (MODLOAD_RUNTIME_DIR): not there yet"
    unset MODLOAD_RUNTIME_DIR
    mkdir x
    XDG_RUNTIME_DIR=$PWD/x doctor 0 ok runtime "$PWD/x/modload (XDG_RUNTIME_DIR)"
    doctor 0 ok runtime "$PWD/tmp/modload-$(id -u) (TMPDIR)"
    env -u TMPDIR modload doctor >plain
    grep -q "^ok       runtime       /tmp/modload-$(id -u) (the default)" plain
    [ ! -e x/modload ]
}

@test "doctor: a runtime directory that others may write to, or that is none" {
    mkdir r
    chmod 777 r
    doctor 1 problem runtime "'$PWD/r' is not yours alone" "MODLOAD_RUNTIME_DIR"
    rmdir r
    echo >r
    doctor 1 problem runtime "'$PWD/r': Not a directory"
    if [ "$(id -u)" -ne 0 ]; then
        MODLOAD_RUNTIME_DIR=/nowhere/r doctor 1 problem runtime "is not there, and cannot be made" XDG_RUNTIME_DIR
    fi
}

@test "doctor: a runtime directory with a long path" {
    long=$(printf 'd%.0s' {1..90})
    MODLOAD_RUNTIME_DIR=$PWD/$long doctor 0 ok sockets "by way of /proc"
}

@test "doctor: workers that live, do not answer, or were killed" {
    given_registry
    modload load faults 3>&-
    pid=$(modload pid faults)
    key=$(key_of faults)
    doctor 0 ok workers "1 live"
    kill -STOP "$pid"
    doctor 0 warning workers "1 does not answer, such as that of $key" "modload ps"
    kill -CONT "$pid"
    kill -KILL "$pid"
    within gone "$pid"
    doctor 0 warning workers "1 was killed, and left its sockets" "load or release the entry"
    finds ok workers "0 live"
    ml load faults
    assert_ok
    doctor 0 ok workers "1 live"
    assert_equal "$(json '.data.checks|map(select(.name=="workers"))|length')" 1
}

# ---- kernel ----

@test "doctor: a kernel that is too old" {
    setarch --uname-2.6 modload doctor --json >.stdout || status=$?
    output=$(<.stdout)
    assert_exit 1
    finds problem kernel "Linux 2.6." "Linux 5.15 or later"
}

# lacks CALL=ERROR...: the kernel answers so; leaks cannot be looked for under strace
lacks() {
    local inject=()
    for call; do
        inject+=(-e "inject=${call%=*}:error=${call#*=}")
    done
    status=0
    ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0 LSAN_OPTIONS=detect_leaks=0 \
        strace -o trace "${inject[@]}" modload doctor --json >.stdout 2>.stderr 3>&- || status=$?
    output=$(<.stdout)
}

@test "doctor: system calls that are missing, or forbidden" {
    lacks close_range=ENOSYS openat2=EPERM memfd_create=ENOSYS
    assert_exit 1
    finds problem 'system calls' "missing, or not allowed: close_range, openat2, memfd_create" "seccomp profile"
    lacks renameat2=ENOSYS
    finds problem 'system calls' "renameat2"
    lacks pidfd_open=ENOSYS
    assert_exit 1
    finds problem 'system calls' "pidfd_open"
}

@test "doctor: no Landlock, no seccomp" {
    lacks landlock_create_ruleset=ENOSYS seccomp=ENOSYS
    assert_exit 0
    finds warning landlock "is not in the kernel" "lsm=landlock"
    finds warning seccomp "no filters" "cannot be kept from system calls"
    lacks landlock_create_ruleset=EOPNOTSUPP
    finds warning landlock "switched off"
}

# ---- limits and environment ----

@test "doctor: limits that are too low" {
    (ulimit -n 100 && modload doctor --json >.stdout)
    output=$(<.stdout)
    finds warning limits "100 open files: builds and calls may fail" "ulimit -n 1024"
    (ulimit -f 4096 && modload doctor --json >.stdout)
    output=$(<.stdout)
    finds warning limits "4194304 bytes of a file" "ulimit -f unlimited"
}

@test "doctor: variables that surprise" {
    LD_LIBRARY_PATH=/nowhere doctor 0 warning environment "LD_LIBRARY_PATH=/nowhere has other code run" "unset LD_LIBRARY_PATH"
    MODLOAD_HOME=here doctor 0 warning environment "MODLOAD_HOME=here is relative: another place in each directory" absolute
    XDG_DATA_HOME=here doctor 0 warning environment "XDG_DATA_HOME=here is relative, and ignored" absolute
    MODLOAD_PREFIX=$MODLOAD_BUILD doctor 0 warning environment "MODLOAD_PREFIX=" "unset it"
    doctor 0 ok environment "nothing unusual"
    assert_equal "$(ls)" tmp
}

@test "doctor: a umask that takes too much" {
    status=0
    output=$(umask 0277 && modload doctor --json) || status=$?
    assert_exit 1
    finds problem environment "umask 0277 takes rights from yourself" "umask 077"
}

@test "doctor: who asks" {
    if [ "$(id -u)" -eq 0 ]; then
        doctor 0 warning user "root: plugins run with all of root's rights" "who can do less"
    else
        doctor 0 ok user "uid $(id -u)"
    fi
}
