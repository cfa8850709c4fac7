# What files about changes of the registry share: `load helpers`, `load plugins`, then `load registry`.
#
#   versions NAME N [KEY]     registers NAME N times, each time with other code: v() returns 1, 2 ... N. Sets $id
#   generation U N            prints the bundle of generation N
#   generations U             how many there are
#   snapshot [PART...]        all of the registry, or entries, names ...: every path with mode, times, target and digest;
#                             but for the file that says who had the lock last
#   litter                    what lies in its tmp/ and journal/, where nothing should be when nobody is at it
#   entry KEY MEMBER VALUE... a line of a list for register --many
#   many COUNT BUNDLE         a list, named n0, n1 ..., in no order of its keys, all over the registry
#   few COUNT BUNDLE          the same in two shards of it, each of which costs syncs
#   given_compiler            $CC: runs the commands on its standard input for each C file that it compiles, which is $file
#   backdate U N TIME         generation N was made then ("2020-01-02T03:04:05Z"), as far as history can tell
#   stopped_writer CALL ARG...  starts modload ARG... and stops it for good as soon as it has made this system call
#                             with the write lock held: its pid is $writer. Each test that does this ends it:
#   writer_goes_on            $status is what it ended with
#   $some_steps    numbers for it: not every one, since that takes long
#   killed_at CALL N ARG...   runs modload ARG..., which is killed (SIGKILL) at its Nth such system call. False when it
#                             ends before that
#   waits_for_lock PID        a condition: it has opened the lock file, and does not hold the lock
# shellcheck disable=SC2016,SC2034,SC2154

versions() {
    local i
    id=${3:-$(modload uuid)}
    for ((i = 1; i <= $2; i++)); do
        modload register --name "$1" "$id" -e "int v(void) { return $i; }" 3>&- || return 1
    done
}

generation() {
    modload history --json "$1" | jq -r ".data.generations[] | select(.generation == $2).bundle"
}

generations() {
    modload history "$1" | grep -c .
}

snapshot() (
    cd "$MODLOAD_HOME" || return 1
    find "${@:-.}" ! -path ./locks/write -printf '%p %y %m %T@ %l\n' | sort
    find "${@:-.}" -type f ! -path ./locks/write -exec sha256sum {} + | sort
)

litter() {
    find "$MODLOAD_HOME/tmp" "$MODLOAD_HOME/journal" -mindepth 1
}

entry() {
    printf '{"key":"%s"' "$1"
    printf ',"%s":"%s"' "${@:2}"
    echo '}'
}

few() {
    many "$@" | sed 's/"key":"./"key":"7/; s/"key":"7[^0]/"key":"71/'
}

many() {
    awk -v n="$1" -v bundle="$2" 'BEGIN {
        for (i = 0; i < n; i++)
            printf "{\"key\":\"%08x-0000-4000-8000-%012x\",\"bundle\":\"%s\",\"name\":\"n%d\"}\n", \
                i * 2654435761 % 4294967296, i, bundle, i
    }'
}

given_compiler() {
    {
        printf '#!/bin/sh\nfor file; do :; done\ncase " $* " in\n*" -c "*) case $file in *.c) file=${file##*/}\n'
        cat
        printf ';; esac ;; esac\nexec cc "$@"\n'
    } >compiler
    chmod +x compiler
    export CC=$PWD/compiler MODLOAD_BUILD_DIRS=$PWD
}

# FNV-1a of 64 bits: bash counts modulo 2^64 as well.
fnv1a() {
    local hash=$((0xcbf29ce484222325)) i
    for ((i = 0; i < ${#1}; i++)); do
        hash=$(((hash ^ $(printf %d "'${1:i:1}")) * 0x100000001b3))
    done
    printf %016x $hash
}

backdate() {
    local file line rest key
    key=$(modload history --json "$1" | jq -r .data.uuid)
    file=$MODLOAD_HOME/history/${key:0:2}
    while IFS= read -r line; do
        if [[ $line == "$key $2 "* ]]; then
            rest=${line#* * * }
            line="$key $2 $3 ${rest% *}"
            line="$line $(fnv1a "$line")"
        fi
        printf '%s\n' "$line"
    done <"$file" >history.new
    cp history.new "$file"
    [ "$(modload history --json "$key" | jq -r ".data.generations[] | select(.generation == $2).time")" = "$3" ]
}

# A leak checker cannot run beside strace: both are tracers. TRACE is where it writes.
traced() {
    ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 strace -qq -o "${TRACE:-/dev/null}" "$@"
}

# It is strace who says that it was stopped: whom it traces looks so at every system call, and a SIGCONT that comes
# before the SIGSTOP would be lost.
stopped_with_lock() {
    local said
    grep -qs '^--- stopped by SIGSTOP' writer.trace || return 1
    said=$(<"$MODLOAD_HOME/locks/write") && [[ $said == "pid "* ]] || return 1
    writer=${said#pid }
    writer=${writer%%,*}
}

stopped_writer() {
    : >"$MODLOAD_HOME/locks/write"
    rm -f writer.trace
    TRACE=writer.trace traced -e trace="$1" -e inject="$1:signal=SIGSTOP:when=1" modload "${@:2}" >writer.out 2>writer.err 3>&- &
    writer_job=$!
    within stopped_with_lock
}

writer_goes_on() {
    status=0
    kill -CONT "$writer"
    wait "$writer_job" || status=$?
    output=$(<writer.out) stderr=$(<writer.err)
}

# Enough of a command's steps to see that it is safe to kill it: all of them are for tests/fault, which needs no tracer.
some_steps='1 2 3 5 8 13 21 34 55'

killed_at() {
    local status=0
    traced -e trace="$1" -e inject="$1:signal=SIGKILL:when=$2" modload "${@:3}" >killed.out 2>killed.err 3>&- || status=$?
    [ "$status" -eq 137 ] || {
        [ "$status" -eq 0 ] || fail "at $1 $2: ended with $status" "$(<killed.err)" >&2
        return 1
    }
}

waits_for_lock() {
    [ -n "$(find "/proc/$1/fd" -lname '*/locks/write' 2>/dev/null)" ]
}
