# What files with calls share: `load helpers`, then `load plugins`. setup_file makes a registry once, with the
# plugins that the file needs; each test begins with a copy of it, and has its run-time directory to itself.
#
#   given_plugins NAME...     for setup_file: builds tests/plugins/NAME.c (or "math", "text") and registers it as NAME
#                             (of "zoo/memory": "memory")
#   key_of NAME               prints its key, the same in every test
#   load_impostor MODE        loads a plugin that speaks for its worker, as tests/plugins/impostor.c says; sets $id, and $worker
#   begin JOB ARG...          starts modload in the background and waits until it has printed a line, which is $said
#   finish JOB                waits for its end: $status, $output (what came after the first line), $stderr
#   within COMMAND...         a condition that nothing announces: looks again and again, for 30 s at most
#   answered TEXT COMMAND     runs a command of the shell on a terminal, where TEXT is typed when it asks [y/N]; what
#                             is seen there is in ./said
#   gone PID...               they have ended; one that nobody has waited for yet has ended as well
#   run_files                 what lies in the run-time directory, but for logs: those outlive a worker that was not released
#   processes_of KEY          the live processes of its worker: itself, supervisors, calls and what those forked
# shellcheck disable=SC2034,SC2154

given_plugins() {
    local name source key n=0
    export MODLOAD_HOME=$BATS_FILE_TMPDIR/home MODLOAD_RUNTIME_DIR=$BATS_FILE_TMPDIR/run PATH=$MODLOAD_BUILD/bin:$PATH
    for name; do
        source=$MODLOAD_ROOT/tests/plugins/$name.c
        [ -f "$source" ] || source=$MODLOAD_BUILD/share/modload/$name
        n=$((n + 1))
        key=$(modload uuid) # one that no other file has
        modload register --name "${name##*/}" "$(printf 'f%07x' $n)${key:8}" "$source" 3>&- || return 1
    done
}

setup() {
    world_setup
    [ ! -d "$BATS_FILE_TMPDIR/home" ] || cp -a "$BATS_FILE_TMPDIR/home" "$MODLOAD_HOME"
}

key_of() {
    local target
    target=$(readlink "$MODLOAD_HOME/names/$1") && echo "${target##*/}"
}

within() {
    local end=$((SECONDS + 30))
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || fail "not within 30 s: $*"
        sleep 0.02
    done
}

answered() {
    local terminal
    rm -f said keys
    mkfifo keys
    script -qefc "$2" said <keys >/dev/null 3>&- &
    terminal=$!
    exec 8>keys
    within grep -qs '\[y/N\]' said
    printf '%s\n' "$1" >&8
    exec 8>&-
    wait $terminal || :
}

gone() {
    local pid state
    for pid; do
        state=$(sed 's/.*) //; s/ .*//' "/proc/$pid/stat" 2>/dev/null) || continue
        case $state in '' | Z | X) ;; *) return 1 ;; esac
    done
}

run_files() {
    find "$MODLOAD_RUNTIME_DIR" ! -type d ! -name '*.log' ! -name '*.log.old'
}

processes_of() {
    local pid
    grep -lsaF "$1" /proc/[0-9]*/cmdline | cut -d / -f 3 | while read -r pid; do
        case $({ tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null) in
        modload-worker*) gone "$pid" || echo "$pid" ;;
        esac
    done
}

load_impostor() {
    register_text impostor "#define MODE \"$1\"
$(<"$MODLOAD_ROOT/tests/plugins/impostor.c")"
    modload load "$id" 3>&- || return 1
    worker=$(processes_of "$id")
}

# A background job of a shell ignores SIGINT, and hands that down.
begin() {
    local name=$1
    mkfifo "$name.out"
    env --default-signal=INT modload "${@:2}" >"$name.out" 2>"$name.err" 3>&- &
    declare -g "job_$name=$!"
    exec {fifo}<"$name.out"
    declare -g "fifo_$name=$fifo"
    said=
    read -r -t 60 -u "$fifo" said || {
        cat "$name.err"
        fail "'$name' never said anything"
    }
}

finish() {
    local job=job_$1 fifo=fifo_$1
    status=0
    wait "${!job}" || status=$?
    output=$(timeout 30 cat <&"${!fifo}") || fail "somebody still holds the output of '$1'"
    fifo=${!fifo}
    exec {fifo}<&-
    stderr=$(<"$1.err")
    printf '%s: status %s\nstdout: %s\nstderr: %s\n' "$1" "$status" "$output" "$stderr"
}
