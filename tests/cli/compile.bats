#!/usr/bin/env bats
# Goal of this test: C in any of its forms becomes a bundle, the same one for the same source; what cannot be built is
# told in the compiler's words, and leaves nothing.

load helpers
load plugins

setup_file() {
    given_plugins math
}

# What there is in the registry, in lines.
contents() {
    ls "$MODLOAD_HOME/bundles" "$MODLOAD_HOME/tmp"
}

# compiles ARG...: it does, in silence; $bundle
compiles() {
    ml compile "$@"
    assert_ok
    assert_no_stderr
    assert_equal "${#lines[@]}" 1
    bundle=${output%% *}
    [[ $bundle =~ ^b-[a-z2-7]{32}$ ]]
    [ -d "$MODLOAD_HOME/bundles/$bundle" ]
}

# fails ARG...: with a message, and the registry is as it was
fails() {
    local before
    before=$(contents)
    ml compile "$@"
    [ "$status" -ne 0 ] || fail "it compiles"
    assert_no_stdout
    assert_stderr_has "modload: "
    assert_equal "$(contents)" "$before"
}

# answers BUNDLE CALL... RESULT
answers() {
    local id
    id=$(modload uuid)
    modload register --name '' "$id" "$1"
    ml run --release "$id" "${@:2:$#-2}"
    assert_ok
    assert_stdout "${*: -1}"
}

@test "compile: a file; prints the bundle, the plugin and its functions in one line" {
    printf 'double add(double a, double b) { return a + b; }\nint one(void) { return 1; }\n' >sums.c
    compiles sums.c
    assert_stdout "$bundle  sums  add(a: double, b: double) -> double, one() -> int32"
    answers "$bundle" add 2 3 5
}

@test "compile: the same source is the same bundle, another one another" {
    echo 'int one(void) { return 1; }' >one.c
    compiles one.c
    first=$bundle
    compiles one.c
    assert_equal "$bundle" "$first"
    mkdir elsewhere
    cp one.c elsewhere
    compiles "$PWD/elsewhere/one.c"
    assert_equal "$bundle" "$first"
    compiles -D NOTHING=1 one.c
    [ "$bundle" != "$first" ]
    compiles -n two one.c
    [ "$bundle" != "$first" ]
    echo 'int one(void) { return 2; }' >one.c
    compiles one.c
    [ "$bundle" != "$first" ]
    answers "$bundle" one 2
    answers "$first" one 1
}

@test "compile: a header that changed is another bundle" {
    echo '#define N 1' >n.h
    printf '#include "n.h"\nint n(void) { return N; }\n' >n.c
    compiles n.c
    first=$bundle
    echo '#define N 2' >n.h
    compiles n.c
    [ "$bundle" != "$first" ]
    answers "$bundle" n 2
}

@test "compile: standard input, -e, and a name for them" {
    ml compile - <<<'int one(void) { return 1; }'
    assert_ok
    assert_no_stderr
    assert_stdout_has "one() -> int32"
    compiles -e 'int one(void) { return 1; }' --name uno
    assert_stdout "$bundle  uno  one() -> int32"
    compiles --text='int one(void) { return 1; }' -nuno
    assert_stdout "$bundle  uno  one() -> int32"
}

@test "compile: several files are one plugin" {
    echo 'int helper(int n) { return n + 1; }' >a.c
    printf 'int helper(int n);\nint twice(int n) { return helper(n) * 2; }\n' >b.c
    compiles -n pair a.c b.c
    assert_stdout "$bundle  pair  helper(n: int32) -> int32, twice(n: int32) -> int32"
    answers "$bundle" twice 4 10
}

@test "compile: a directory without a manifest is all of its sources" {
    mkdir -p lib/include
    echo 'int base(void);' >lib/base.h
    printf '#include "base.h"\nint base(void) { return 40; }\n' >lib/base.c
    printf '#include "base.h"\nint more(int n) { return base() + n; }\n' >lib/more.c
    compiles lib
    assert_stdout "$bundle  lib  base() -> int32, more(n: int32) -> int32"
    answers "$bundle" more 2 42
    cd lib
    first=$bundle
    compiles .
    assert_equal "$bundle" "$first"
}

@test "compile: a directory with a manifest is what that says" {
    mkdir -p calc/src calc/include calc/junk
    cat >calc/modload.json <<'JSON'
{"name": "calc", "version": "1.2.0", "description": "sums", "license": "MIT",
 "sources": ["src/*.c"], "include": ["include"], "link": ["m"]}
JSON
    echo '#define START 1' >calc/include/start.h
    printf '#include <math.h>\n#include <start.h>\ndouble root(double x) { return sqrt(x) + START; }\n' >calc/src/root.c
    echo 'this is no C' >calc/junk/junk.c
    compiles calc
    assert_stdout "$bundle  calc  root(x: double) -> double"
    answers "$bundle" root 16 5
    ml compile --json calc
    assert_equal "$(json .data.version)" 1.2.0
}

@test "compile: the functions that a manifest names are those that can be called" {
    mkdir some
    echo '{"functions": ["int shown(int n)"]}' >some/modload.json
    echo 'int shown(int n) { return n; } int other(int n) { return -n; }' >some/some.c
    compiles some
    assert_stdout "$bundle  some  shown(n: int32) -> int32"
}

@test "compile: the plugin's own name and version" {
    printf '#include <modload/plugin.h>\nML_PLUGIN("ratio", "2.1.0")\nint one(void) { return 1; }\n' >x.c
    ml compile --json x.c
    assert_ok
    assert_equal "$(json '[.data.name, .data.version]|join(" ")')" "ratio 2.1.0"
    compiles -n mine x.c
    [[ $output == "$bundle  mine  "* ]]
    for name in '' a/b ../up '-x' "$(printf '%65s' | tr ' ' a)" 8c1f0a52-4b7d-4e6a-9f3b-2d1c0e9a8b7f; do
        fails --name="$name" x.c
    done
}

@test "compile: what cannot be carried is told with its reason, and is not callable" {
    cat >skip.c <<'EOF'
#include <stdarg.h>
#include <stdint.h>
struct point { int x, y; };
int fine(int n) { return n; }
static int hidden(int n) { return n; }
int use(void) { return hidden(1); }
void by_pointer(struct point *p) { p->x = 0; }
struct point by_value(void) { return (struct point){0, 0}; }
long double wide(long double x) { return x; }
int varargs(int n, ...) { return n; }
void writes(uint8_t *p) { *p = 0; }
int call_back(int (*f)(int)) { return f(1); }
const uint8_t *endless(void) { return 0; }
__attribute__((visibility("hidden"))) int inner(void) { return 1; }
EOF
    ml compile skip.c
    assert_ok
    bundle=${output%% *}
    assert_stdout "$bundle  skip  fine(n: int32) -> int32, use() -> int32"
    assert_stderr_has "modload: not callable: by_pointer: parameter 'p' is a pointer to struct point, which cannot be carried"
    assert_stderr_has "modload: not callable: by_value: the result is struct point, which cannot be carried"
    assert_stderr_has "modload: not callable: wide: the result is long double, which cannot be carried"
    assert_stderr_has "modload: not callable: varargs: it takes a variable number of arguments"
    assert_stderr_has "modload: not callable: writes: parameter 'p' is a pointer to uint8_t that may be written through"
    assert_stderr_has "modload: not callable: call_back: parameter 'f' is a pointer to function"
    assert_stderr_has "modload: not callable: endless: the result is bytes of no known size"
    assert_stderr_has "modload: not callable: inner: hidden visibility"
    [[ $stderr != *hidden:* ]]
    id=$(modload uuid)
    modload register --name skip "$id" "$bundle"
    ml run --release "$id" wide 1
    assert_exit 127
}

@test "compile: comments above functions are their documentation" {
    cat >doc.c <<'EOF'
/* Adds one.
 * And says so. */
int a(int n) { return n + 1; }

// Two lines
// of another kind.
int b(int n) { return n; }

int c(int n) { return n; }
EOF
    ml compile --json doc.c
    assert_ok
    assert_equal "$(json '.data.functions|map(.doc)|tojson')" '["Adds one.\nAnd says so.","Two lines\nof another kind.",""]'
}

@test "compile: the compiler's own words come through, and nothing is left" {
    printf 'int one(void) { return 1; }\nint f(int n)\n{\n    return n + undeclared_name;\n}\n' >bad.c
    fails bad.c
    assert_exit 65
    assert_stderr_has "bad.c:4:"
    assert_stderr_has "error: "
    assert_stderr_has "undeclared_name"
    assert_stderr_has "    return n + undeclared_name;"
    fails -e '#error this is why'
    assert_exit 65
    assert_stderr_has "#error this is why"
    fails -e 'int f(void); int g(void) { return f(); }'
    assert_exit 65
    assert_stderr_has "undefined reference to \`f'"
}

@test "compile: warnings come through, and are no failure" {
    ml compile -e '#warning careful
int one(void) { return 1; }'
    assert_ok
    assert_stdout_has "one() -> int32"
    assert_stderr_has "careful"
}

@test "compile: a source with nothing that can be called is refused" {
    fails -e 'static int x;'
    assert_exit 65
    fails -e ''
    assert_exit 65
    fails -e 'struct s { int x; }; void f(struct s *p) { p->x = 1; }'
    assert_exit 65
    assert_stderr_has "f: parameter 'p' is a pointer to struct s"
}

@test "compile: files that are not there, not readable or no source" {
    fails nowhere.c
    assert_exit 66
    mkdir empty
    fails empty
    assert_exit 65
    echo "not a program" >text.txt
    fails text.txt
    assert_exit 65
    mkfifo pipe.c
    fails pipe.c
    assert_exit 65
    head -c 100000 /dev/urandom >noise.c
    fails noise.c
    assert_exit 65
}

@test "compile: sources are words, never a piece of a shell's line" {
    mkdir 'dir with $(touch pwned) `touch pwned`'
    name='dir with $(touch pwned) `touch pwned`/a; touch pwned & "x'"'y.c"
    echo 'int one(void) { return 1; }' >"$name"
    compiles "$name" -n odd
    answers "$bundle" one 1
    echo 'int one(void) { return 1; }' >-o.c
    compiles -n dash -- -o.c
    cp -- -o.c @file.c
    compiles -n at @file.c
    [ ! -e pwned ]
}

@test "compile: options reach the compiler, and only as what they are" {
    compiles -D N=3 -DM -e 'int n(void) { return N + M; }'
    answers "$bundle" n 4
    mkdir inc
    echo '#define N 7' >inc/n.h
    printf '#include <n.h>\nint n(void) { return N; }\n' >n.c
    compiles -I inc n.c
    answers "$bundle" n 7
    printf '#include <math.h>\ndouble c(double x) { return sqrt(x); }\n' >c.c
    compiles -l m c.c
    answers "$bundle" c 9 3
    compiles --std c11 -e 'long v(void) { return __STDC_VERSION__; }'
    answers "$bundle" v 201112
    fails -D 'X Y=1' n.c
    assert_exit 65
    fails -D '-x' n.c
    assert_exit 65
    fails -l 'm -o /tmp/x' c.c
    assert_exit 65
    fails --std 'c11 -o /tmp/x' n.c
    assert_exit 65
    fails -l no_such_library_at_all c.c
    assert_exit 65
}

@test "compile: called wrongly" {
    for words in "" "-e x nowhere.c" "--nonsense x.c" "--build-timeout soon x.c"; do
        # shellcheck disable=SC2086
        fails $words
        assert_exit 64
    done
}

@test "compile: \$CC is the compiler, with its own options" {
    CC='cc -DFROM_CC=5' compiles -e 'int n(void) { return FROM_CC; }'
    answers "$bundle" n 5
    export CC=/no/such/compiler
    fails -e 'int one(void) { return 1; }'
    assert_exit 66
    assert_stderr_has "/no/such/compiler"
}

@test "compile: a compiler that hangs is ended, with its children, when the time is up" {
    cat >cc <<EOF
#!/bin/sh
case "\$*" in
*--version*|*-dump*|*-print*) exec cc "\$@" ;;
esac
sleep 1000 & echo \$! >$PWD/child
echo \$\$ >$PWD/parent
wait
EOF
    chmod +x cc
    CC=$PWD/cc MODLOAD_BUILD_DIRS=$PWD fails --build-timeout 1s -e 'int one(void) { return 1; }'
    assert_exit 124
    gone "$(<parent)" "$(<child)"
}

@test "compile: a disk without room is told as one, whatever the compiler could say" {
    unshare -rm true 2>/dev/null || skip "no namespaces here"
    echo 'int one(void) { return 1; }' >one.c
    mkdir disk
    for room in 0 8 40; do # KiB
        ROOM=$room unshare -rm sh -ec 'mount -t tmpfs -o size=400k x disk; export MODLOAD_HOME=$PWD/disk/h
            modload compile -e "int two(void) { return 2; }"
            dd if=/dev/zero of=disk/much bs=4k 2>/dev/null || :
            truncate -s "-${ROOM}K" disk/much
            status=0
            modload compile one.c || status=$?
            rm disk/much
            modload verify && [ -z "$(ls disk/h/tmp)" ]
            exit $status' >.stdout 2>.stderr 3>&- || status=$?
        cat .stderr
        case $status in 73 | 74) ;; *) fail "with $room KiB: $status" ;; esac
        stderr=$(<.stderr)
        assert_stderr_has "No space left on device"
        assert_stderr_has "  hint: make room on the disk, then run the command again"
    done
}

@test "compile: a compiler that crashes is told" {
    cat >cc <<'EOF'
#!/bin/sh
case "$*" in
*--version*|*-dump*|*-print*) exec cc "$@" ;;
esac
kill -SEGV $$
EOF
    chmod +x cc
    CC=$PWD/cc fails -e 'int one(void) { return 1; }'
    assert_exit 65
}

@test "compile: a shared object, with its debug information" {
    echo 'double half(double x) { return x / 2; }' >half.c
    cc -g -shared -fPIC -o half.so half.c
    compiles half.so
    assert_stdout "$bundle  half  half(x: double) -> double"
    answers "$bundle" half 5 2.5
    ml compile - --object <half.so
    assert_ok
    assert_stdout_has "half(x: double) -> double"
}

@test "compile: a shared object without debug information has nothing to call" {
    echo 'double half(double x) { return x / 2; }' >half.c
    cc -shared -fPIC -o half.so half.c
    fails half.so
    assert_exit 65
    assert_stderr_has "half"
    assert_stderr_has "debug information"
}

@test "compile: an object that is none, or not for here, is refused in words" {
    echo 'int one(void) { return 1; }' >one.c
    cc -g -shared -fPIC -o one.so one.c
    echo garbage >bad.so
    fails bad.so
    assert_exit 65
    assert_stderr_has "'bad.so' is not an ELF object"
    : >bad.so
    fails bad.so
    assert_exit 65
    patched() { # patched OFFSET BYTE
        cp one.so bad.so
        printf "\\x$2" | dd of=bad.so bs=1 seek="$1" conv=notrunc status=none
        fails bad.so
        assert_exit 65
    }
    patched 4 01
    assert_stderr_has "32 bits"
    patched 5 02
    assert_stderr_has "byte order"
    patched 18 16
    assert_stderr_has "is for another machine (S/390)"
    head -c 1000 one.so >bad.so
    fails bad.so
    assert_exit 65
    assert_stderr_has "cut off"
    head -c 30 one.so >bad.so
    fails bad.so
    assert_exit 65
    cc -c -o bad.so one.c
    fails bad.so
    assert_exit 65
    assert_stderr_has "relocatable"
    echo 'int main(void) { return 0; }' >main.c
    cc -pie -fPIE -o bad.so main.c
    fails bad.so
    assert_exit 65
    assert_stderr_has "executable"
    fails - --object <<<"garbage"
    assert_exit 65
}

@test "compile: twenty at once all succeed, and block no registry write" {
    bundle=$(modload lookup math)
    for i in {1..20}; do
        modload compile -e "int f(void) { return $i; }" -n "f$i" >"said$i" 2>"err$i" 3>&- &
        jobs[i]=$!
    done
    ml register --wait 5s --name other "$(modload uuid)" "$bundle"
    assert_ok
    for i in {1..20}; do
        wait "${jobs[i]}"
        assert_equal "$(<"err$i")" ""
    done
    assert_equal "$(cat said* | cut -d ' ' -f 1 | sort -u | wc -l)" 20
    assert_equal "$(ls "$MODLOAD_HOME/tmp")" ""
}

@test "compile: the same at once, many times, is one bundle" {
    for i in {1..6}; do
        modload compile -e "int f(void) { return 1; }" -n f >"said$i" 2>"err$i" 3>&- &
        jobs[i]=$!
    done
    for i in {1..6}; do
        wait "${jobs[i]}"
    done
    assert_equal "$(cat said* | sort -u | wc -l)" 1
}

@test "compile: what a killed compile left is swept by the next" {
    cat >cc <<EOF
#!/bin/sh
case "\$*" in
*--version*|*-dump*|*-print*) exec cc "\$@" ;;
esac
echo begun >$PWD/begun
exec sleep 1000
EOF
    chmod +x cc
    mkfifo begun
    CC=$PWD/cc MODLOAD_BUILD_DIRS=$PWD modload compile -e 'int one(void) { return 1; }' 3>&- &
    job=$!
    read -r _ <begun
    kill -KILL $job
    wait $job || :
    [ -n "$(ls "$MODLOAD_HOME/tmp")" ]
    compiles -e 'int one(void) { return 1; }'
    assert_equal "$(ls "$MODLOAD_HOME/tmp")" ""
}

@test "compile: Ctrl-C leaves nothing" {
    cat >cc <<EOF
#!/bin/sh
case "\$*" in
*--version*|*-dump*|*-print*) exec cc "\$@" ;;
esac
echo \$\$ >$PWD/begun
exec sleep 1000
EOF
    chmod +x cc
    mkfifo begun
    CC=$PWD/cc MODLOAD_BUILD_DIRS=$PWD env --default-signal=INT modload compile -e 'int one(void) { return 1; }' 3>&- &
    job=$!
    read -r compiler <begun
    kill -INT $job
    status=0
    wait $job || status=$?
    assert_exit 130
    within gone "$compiler"
    compiles -e 'int one(void) { return 1; }'
    assert_equal "$(ls "$MODLOAD_HOME/tmp")" ""
}

@test "compile: bundles are read-only, private and complete" {
    compiles -e 'int one(void) { return 1; }'
    cd "$MODLOAD_HOME/bundles/$bundle"
    [ -s plugin.so ]
    jq . manifest.json >/dev/null
    jq . build.json >/dev/null
    [ -d source ]
    sha256sum --quiet -c SHA256SUMS
    assert_equal "$(find . -type f ! -perm 0400)" ""
    assert_equal "$(find . -type d ! -perm 0700)" ""
    assert_equal "$(find . ! -type f ! -type d)" ""
}

@test "compile: a plugin needs no modload to run, and gets none" {
    compiles -e 'int one(void) { return 1; }'
    ldd "$MODLOAD_HOME/bundles/$bundle/plugin.so" >needs
    run ! grep modload needs
}

@test "compile: a failed compile leaves the old code running" {
    echo 'int version(void) { return 1; }' >v.c
    id=$(modload uuid)
    modload register "$id" v.c 3>&-
    modload load "$id" 3>&-
    echo 'int version(void) { return oops; }' >v.c
    ml register "$id" v.c
    assert_exit 65
    assert_no_stdout
    ml exec "$id" version
    assert_ok
    assert_stdout 1
    ml lookup "$id"
    assert_ok
}

@test "compile: an archive that is linked in is part of what the bundle is named by" {
    mkdir lib plugin
    echo '{"name": "user", "version": "1.0.0", "sources": ["a.c"], "link": ["ours"]}' >plugin/modload.json
    echo 'int ours(void); int get(void) { return ours(); }' >plugin/a.c
    export LIBRARY_PATH=$PWD/lib
    for value in 1 2; do
        echo "int ours(void) { return $value; }" | cc -fPIC -x c -c -o lib/ours.o -
        rm -f lib/libours.a
        ar rcs lib/libours.a lib/ours.o
        ml run --release ./plugin get
        assert_ok
        assert_stdout "$value"
        assert_no_stderr
    done
}

@test "compile: builds a damaged bundle anew" {
    compiles -e 'int five(void) { return 5; }'
    modload register five "$bundle" 3>&- || modload register "$(modload uuid)" --name five "$bundle"
    for damage in 'printf x >>' 'rm -f' ':>'; do
        chmod u+w "$MODLOAD_HOME/bundles/$bundle/plugin.so"
        eval "$damage '$MODLOAD_HOME/bundles/$bundle/plugin.so'"
        ml load five
        assert_exit 77
        ml compile -e 'int five(void) { return 5; }'
        assert_ok
        ml run --release five five
        assert_ok
        assert_stdout 5
    done
    assert_equal "$(ls -A "$MODLOAD_HOME/tmp")" ""
}

@test "compile: Ctrl-C during a build exits 130 and leaves nothing" {
    mkfifo started
    printf '#!/bin/sh\ncase "$*" in *-c*) echo >started; exec tail -f /dev/null;; esac\nexec cc "$@"\n' >slowcc
    chmod +x slowcc
    for signal in INT TERM; do
        CC=$PWD/slowcc MODLOAD_BUILD_DIRS=$PWD env --default-signal=INT modload compile -e 'int f(void) { return 1; }' >said 2>err 3>&- &
        job=$!
        read -r _ <started
        kill -s "$signal" "$job"
        status=0
        wait "$job" || status=$?
        assert_exit $((128 + $(kill -l "$signal")))
        assert_equal "$(<said)" ""
        assert_equal "$(<err)" "modload: the build was cancelled"
        assert_equal "$(ls -A "$MODLOAD_HOME/tmp")" ""
    done
}
