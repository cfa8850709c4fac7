#!/usr/bin/env bats
# Goal of this test: exec --batch answers each line with one line, in order and at once; what is wrong with a call costs
# its own line, and what ends the worker ends the batch in words, never in silence.

load helpers
load plugins

setup_file() {
    given_plugins math faults types streams tree
}

setup() {
    world_setup
    cp -a "$BATS_FILE_TMPDIR/home" "$MODLOAD_HOME"
    modload load math faults streams tree 3>&-
}

lines() { # lines LINE...
    printf '%s\n' "$@"
}

batch() { # batch U LINE...: $status, $output, $stderr; each line of the output must be an object
    local key=$1
    shift
    lines "$@" >.lines
    ml exec --batch "$key" <.lines
    [ -z "$output" ] || jq -e 'type == "object"' <<<"$output" >/dev/null
}

field() { # field FILTER: of each line
    jq -c "$1" <<<"$output" | tr '\n' ' ' | sed 's/ $//'
}

talk() { # a batch whose input is descriptor 8 and whose output is descriptor 9
    mkfifo in out
    env --default-signal=INT modload exec "$@" --batch faults <in >out 2>err 3>&- &
    talker=$!
    exec 8>in 9<out
}

hear() {
    read -r -t 60 -u 9 heard || fail "no answer; stderr: $(<err)"
}

@test "batch: a line for a line, in order, with the ids as they were given" {
    batch math '{"call":"add","args":[2,3],"id":1}' '{"id":{"a":[1]},"args":[7,2],"call":"divide"}' \
        '{"call":"multiply","args":["4","0.5"]}' '{"call":"subtract","args":[1,1],"id":"x\u0041"}'
    assert_ok
    assert_no_stderr
    assert_stdout '{"id":1,"status":"ok","data":5}
{"id":{"a":[1]},"status":"ok","data":3.5}
{"status":"ok","data":2}
{"id":"x\u0041","status":"ok","data":0}'
}

@test "batch: nothing in, nothing out; blank lines are no calls; the last line needs no end" {
    ml exec --batch math </dev/null
    assert_ok
    assert_no_stdout
    printf '\n  \t\r\n\n{"call":"add","args":[1,2]}' >.lines
    ml exec --batch math <.lines
    assert_ok
    assert_stdout '{"status":"ok","data":3}'
}

@test "batch: each kind of failure has its own line, its own exit code, and no other line" {
    batch faults '{"call":"fine"}' '{"call":"fails","args":["code","why"]}' '{"call":"nope"}' '{"call":"exits","args":["x"]}' \
        '{"call":"exits"}' 'no json' '{"call":"fine","calls":1}' '{"call":"fine","args":[null]}' '[]' '{"call":"fine"} x' \
        '{"call":"exits","args":[3]}' '{"call":"segv"}' '{"call":"aborts"}' '{"call":"dies_of","args":[9]}' '{"call":"fine"}'
    assert_exit 1
    assert_no_stderr
    assert_equal "$(field .status)" \
        '"ok" "error" "error" "error" "error" "error" "error" "error" "error" "error" "error" "error" "error" "error" "ok"'
    assert_equal "$(field .error.exit_code)" 'null 1 127 65 65 65 65 65 65 65 1 139 134 137 null'
    assert_equal "$(field .error.code | cut -d ' ' -f 1-4)" 'null "code" "undefined_function" "bad_argument"'
    assert_equal "$(field 'select(.error)|.error.message|length > 0' | tr ' ' '\n' | sort -u)" true
}

@test "batch: a call that is late costs its own line, whatever it does against it" {
    lines '{"call":"fine"}' '{"call":"hangs"}' '{"call":"hangs_deaf"}' '{"call":"spins"}' '{"call":"fine"}' >.lines
    ml exec -t 100ms --batch faults <.lines
    assert_exit 1
    assert_equal "$(field '.error.exit_code')" 'null 124 124 124 null'
}

@test "batch: variables live until a crash, which takes them with it" {
    cat >count.c <<'C'
#include <stdlib.h>
static int n;
int count(void) { return ++n; }
void crash(void) { abort(); }
C
    modload register --name count "$(modload uuid)" count.c
    modload load count 3>&-
    batch count '{"call":"count"}' '{"call":"count"}' '{"call":"crash"}' '{"call":"count"}'
    assert_equal "$(field '.data')" '1 2 null 1'
    batch count '{"call":"count"}'
    assert_equal "$(field '.data')" 1
}

@test "batch: supervisors let others go first, and none of their calls does, also the one that follows a crash" {
    cat >policy.c <<'C'
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>
int policy(void) { return sched_getscheduler(0); }
int of_supervisor(void) { return sched_getscheduler(getppid()); }
void crash(void) { abort(); }
C
    modload register --name policy "$(modload uuid)" policy.c
    modload load policy 3>&-
    batch policy '{"call":"policy"}' '{"call":"of_supervisor"}' '{"call":"crash"}' '{"call":"policy"}' '{"call":"of_supervisor"}'
    assert_equal "$(field .data)" "0 3 null 0 3" # SCHED_OTHER, SCHED_BATCH
}

@test "batch: a caller that waits for each answer gets it before it writes the next line" {
    talk
    for i in {1..20}; do
        echo "{\"call\":\"fine\",\"id\":$i}" >&8
        hear
        assert_equal "$heard" "{\"id\":$i,\"status\":\"ok\",\"data\":7}"
    done
    echo '{"call":"segv"}' >&8
    hear
    assert_equal "$(jq .error.exit_code <<<"$heard")" 139
    exec 8>&-
    status=0
    wait "$talker" || status=$?
    assert_equal "$status" 1
    exec 9<&-
}

@test "batch: an answer of before is not held back by a call that runs" {
    talk
    lines '{"call":"fine"}' '{"call":"hangs"}' >&8
    hear
    assert_equal "$(jq .data <<<"$heard")" 7
    kill -INT "$talker"
    exec 8>&-
    status=0
    wait "$talker" || status=$?
    assert_equal "$status" 130
    hear
    assert_equal "$(jq .error.exit_code <<<"$heard")" 130
    exec 9<&-
    ml exec faults fine
    assert_ok
}

@test "batch: ten thousand calls, and results of a megabyte, come through whole" {
    seq 10000 | sed 's/.*/{"call":"add","args":[&,1],"id":&}/' >.lines
    ml exec --batch math <.lines
    assert_ok
    assert_equal "$(jq -s 'length == 10000 and all(.[]; .data == .id + 1) and ([.[].id] == [range(1; 10001)])' <<<"$output")" true
    modload load types 3>&-
    word=$(head -c 1000000 /dev/zero | tr '\0' x)
    for i in 1 2 3; do echo "{\"call\":\"text\",\"args\":[\"$word\"],\"id\":$i}"; done >.lines
    ml exec --batch types <.lines
    assert_ok
    assert_equal "$(field '.data|length')" '1000000 1000000 1000000'
}

# A ring holds 256 KiB. The head of a request has 24 bytes, and each text one more than it has letters.
@test "batch: a request that fills what there is to the byte is sent on" {
    modload register --name sizes "$(modload uuid)" -e '#include <string.h>
        unsigned f(const char *a, const char *b) { return strlen(a) * 10 + strlen(b); }' 3>&-
    modload load sizes 3>&-
    ring=$((256 << 10)) full=$(head -c $((256 << 10)) /dev/zero | tr '\0' x)
    for ((n = ring - 24 - 2 - 3; n < ring - 24 - 2 + 3; n++)); do
        printf '{"call":"f","args":["%s","xy"]}\n' "${full:0:n}" >.lines
        ml exec -t 5s --batch sizes <.lines
        assert_ok
        assert_equal "$(field .data)" $((n * 10 + 2))
    done
}

@test "batch: who is slow to read the answers costs no call its time" {
    modload register --name large "$(modload uuid)" -e '#include <stdlib.h>
        #include <string.h>
        #include <unistd.h>
        char *f(void) { char *s = malloc(8001); memset(s, 120, 8000); s[8000] = 0; return s; }
        void hangs(void) { for (;;) pause(); }' 3>&-
    modload load large 3>&-
    yes '{"call":"f"}' | head -200 >.lines
    # Until a call with twice their time has had it nobody reads.
    modload exec -t 250ms --batch large <.lines 2>err 3>&- | {
        modload exec -t 500ms large hangs 2>/dev/null 3>&- || :
        cat
    } >out
    assert_equal "$(jq -r .status out | sort | uniq -c | xargs)" "200 ok"
    assert_equal "$(<err)" ""
}

@test "batch: what the functions print goes to stderr, and they have no stdin" {
    batch streams '{"call":"copy"}' '{"call":"first"}'
    assert_ok
    assert_equal "$(field .data)" "0 -1"
    batch faults '{"call":"prints"}' '{"call":"fine"}'
    assert_ok
    assert_equal "$(field .status)" '"ok" "ok"'
    [ -n "$stderr" ]
}

@test "batch: of an entry that is not loaded, or not there, nothing is read and nothing said" {
    modload release math
    batch math '{"call":"add","args":[1,2]}'
    assert_exit 69
    assert_no_stdout
    assert_stderr_has "modload load"
    batch "$(modload uuid)" '{"call":"add","args":[1,2]}'
    assert_exit 69
    assert_no_stdout
    ml exec --batch nobody </dev/null
    assert_exit 66
}

@test "batch: usage: U alone, and no --json" {
    for words in "math add" "" "--json math"; do
        # shellcheck disable=SC2086
        ml exec --batch $words </dev/null
        assert_exit 64
        assert_stderr_has "hint: usage: modload exec"
    done
}

@test "batch: a worker that is killed, or released, in the middle: each line has one answer, and the end is told" {
    for how in "kill -KILL $(modload pid faults)" "modload release faults"; do
        modload load faults 3>&-
        how=${how/KILL */KILL $(modload pid faults)}
        rm -f in out
        talk
        # In one write, which is read as one: that of bash would be one for each line.
        lines '{"call":"fine","id":1}' '{"call":"hangs","id":2}' '{"call":"fine","id":3}' '{"call":3,"id":4}' >some
        cat some >&8
        hear
        assert_equal "$heard" '{"id":1,"status":"ok","data":7}'
        $how
        for id in 2 3; do
            hear
            assert_equal "$(jq -c '[.id, .error.exit_code]' <<<"$heard")" "[$id,69]"
        done
        hear
        assert_equal "$(jq -c '[.id, .error.code]' <<<"$heard")" '[null,"bad_line"]'
        status=0
        wait "$talker" || status=$?
        assert_equal "$status" 69
        grep -q '^modload: ' err
        exec 8>&- 9<&-
    done
}

@test "batch: lines that were read when the worker is killed are answered, be there no room to send them" {
    talk -t 0
    {
        lines '{"call":"fine","id":1}' '{"call":"hangs","id":2}'
        seq 3 9000 | sed 's/.*/{"call":"fine","id":&}/'
    } >many
    cat many >&8 3>&- &
    hear
    within eval '[ "$(sed -n "s/^rchar: //p" "/proc/$talker/io")" -gt "$(head -n 1000 many | wc -c)" ]'
    kill -KILL "$(modload pid faults)"
    cat <&9 >rest
    wait "$talker" || status=$?
    exec 8>&- 9<&-
    assert_equal "$status" 69
    n=$(jq -s length rest)
    [ "$n" -ge 998 ] || fail "only $n lines"
    seq 2 $((n + 1)) | sed 's/.*/[&,69]/' >expected
    jq -c '[.id, .error.exit_code]' rest | diff expected - | sed -n "1,3p;/^>/p" | head -n 12 >differences
    assert_equal "$(<differences)" ""
}

@test "batch: a call that kills its supervisor costs what was sent, and not what comes later" {
    talk
    lines '{"call":"fine","id":1}' '{"call":"kills_parent","id":2}' >&8
    hear
    hear
    assert_equal "$(jq -c '[.id, .error.code, .error.exit_code]' <<<"$heard")" '[2,"worker_gone",69]'
    for id in 3 5; do
        lines "{\"call\":\"fine\",\"id\":$id}" "{\"call\":\"kills_parent\",\"id\":$((id + 1))}" >&8
        hear
        assert_equal "$heard" "{\"id\":$id,\"status\":\"ok\",\"data\":7}"
        hear
        assert_equal "$(jq -c '[.id, .error.code]' <<<"$heard")" "[$((id + 1)),\"worker_gone\"]"
    done
    exec 8>&-
    wait "$talker" || status=$?
    exec 9<&-
    assert_equal "$status" 1
}

@test "batch: a worker that is stopped does not hold up calls; with its supervisor stopped too, the deadline is kept" {
    worker=$(modload pid faults)
    talk -t 300ms
    echo '{"call":"fine"}' >&8
    hear
    kill -STOP "$worker"
    echo '{"call":"fine"}' >&8
    hear
    assert_equal "$(jq .data <<<"$heard")" 7
    for pid in $(processes_of "$(key_of faults)"); do kill -STOP "$pid"; done
    echo '{"call":"fine","id":9}' >&8
    hear
    assert_equal "$(jq -c '[.id, .error.exit_code]' <<<"$heard")" '[9,124]'
    exec 8>&-
    status=0
    wait "$talker" || status=$?
    assert_equal "$status" 124
    exec 9<&-
    within gone "$worker"
    within eval '[ -z "$(processes_of "$(key_of faults)")" ]'
}

@test "batch: a reader that goes away ends it; a caller that is killed leaves no process" {
    yes '{"call":"fine"}' | head -n 20000 >.lines
    { modload exec --batch faults <.lines 2>err || echo "$?" >ended; } | head -n 1 >first
    assert_equal "$(<first)" '{"status":"ok","data":7}'
    [ -s ended ]
    talk
    echo '{"call":"hangs"}' >&8
    within eval '[ "$(processes_of "$(key_of faults)" | wc -l)" -gt 3 ]'
    kill -KILL "$talker"
    exec 8>&- 9<&-
    wait "$talker" || true
    within eval '[ "$(processes_of "$(key_of faults)" | wc -l)" -le 3 ]'
    ml exec faults fine
    assert_ok
}

@test "batch: each call is counted once, whenever its caller leaves" {
    for i in {1..20}; do
        modload load faults 3>&-
        batch faults '{"call":"fine"}' '{"call":"fails","args":["a","b"]}' '{"call":"segv"}' '{"call":"nope"}'
        assert_exit 1
        within eval '[ "$(modload ps --json | jq ".data.workers[]|select(.plugin==\"faults\")|.calls")" -ge 4 ]'
        ml ps --json
        assert_equal "$(json '.data.workers[]|select(.plugin=="faults")|[.calls,.ok,.errors,.crashes,.rejected,.cancelled]|tojson')" \
            '[4,1,1,1,1,0]'
        modload release faults
    done
}
