#!/usr/bin/env bats
# Goal of this test: whatever a source asks its compiler for, and whatever a compiler does, a build reads nothing but
# the sources and the system's headers, writes nowhere, talks to nobody, and ends; it says which file was refused.
# shellcheck disable=SC2154

load helpers
load plugins

setup() {
    world_setup
    [ "$(uname -m)" = x86_64 ] || [ "$(uname -m)" = aarch64 ] || skip
    modload doctor --json | jq -e '.data.checks[]|select(.name=="landlock" and .status=="ok")' >/dev/null ||
        skip "no Landlock here"
    export HOME=$PWD/home
    mkdir -p home/.ssh tree work
    echo '"the secret key"' >home/.ssh/id
    echo 'int one(void) { return 1; }' >tree/one.c
}

# source TEXT: it is tree/bad.c, and nothing else is there
source_is() {
    rm -rf tree/*
    printf '%s\n' "$1" >tree/bad.c
}

# Nothing of it is in the registry, and no process of it is left.
leaves_nothing() {
    assert_no_stdout
    assert_equal "$(ls "$MODLOAD_HOME/bundles" "$MODLOAD_HOME/tmp" 2>/dev/null | grep -v : | tr -d '\n')" ""
    assert_equal "$(ls -A work home)" "home:
.ssh

work:"
    [[ $stderr != *"the secret key"* ]] || fail "it was told"
}

# refuses FILE: the build in tree ends with 77, in words that name it
refuses() {
    ml compile --build-timeout 20s tree "${@:2}"
    assert_exit 77
    assert_stderr_has "does not compile: it is kept from '$1"
    assert_stderr_has "  hint: "
    leaves_nothing
}

# given_compiler TEXT: tree/one.c is compiled by a script, which is asked for its version like any other
given_compiler() {
    mkdir -p cc
    printf '#!/bin/bash\ncase "$*" in *--version*|*-dump*) exec cc "$@" ;; esac\n%s\n' "$1" >cc/mycc
    chmod +x cc/mycc
    export CC=$PWD/cc/mycc
}

for_each_compiler() {
    for CC in gcc clang; do
        export CC
        "$@"
    done
}

@test "confined: a plain build, whoever compiles" {
    for CC in cc gcc clang 'ccache cc' 'cc -O1 -fno-common'; do
        export CC
        ml compile tree
        assert_ok
        assert_no_stderr
    done
    assert_equal "$(ls -A home)" .ssh
}

@test "confined: a compiler may lie anywhere, and be called by links" {
    mkdir -p opt/tool/bin opt/tool/lib home/bin
    printf '#!/bin/sh\n. "${0%%/*}/../lib/setup"\nexec cc "$@"\n' >opt/tool/bin/mycc
    echo ': of the tool' >opt/tool/lib/setup
    chmod +x opt/tool/bin/mycc
    CC=$PWD/opt/tool/bin/mycc ml compile tree
    assert_ok
    printf '#!/bin/sh\nexec cc "$@"\n' >home/mycc
    chmod +x home/mycc
    CC=$PWD/home/mycc ml compile tree
    assert_ok
    ln -s ../mycc home/bin/called
    PATH=$PWD/home/bin:$PATH CC=called ml compile tree
    assert_ok
}

@test "confined: #include of a file outside, by whatever way, is refused and named" {
    includes() {
        source_is '#include "/etc/passwd"'
        refuses /etc/passwd
        source_is "#include \"$HOME/.ssh/id\""
        refuses "$HOME/.ssh/id"
        source_is '#include "../home/.ssh/id"'
        refuses tree/../home/.ssh/id
        source_is '#include "innocent.h"'
        ln -s ../home/.ssh/id tree/innocent.h
        refuses tree/innocent.h
        assert_stderr_has "($HOME/.ssh/id)"
        source_is '#include "sub/id"'
        ln -s ../home/.ssh tree/sub
        refuses tree/sub/id
        source_is "#define X <$HOME/.ssh/id>
#include X"
        refuses "$HOME/.ssh/id"
        source_is '#include "/proc/self/environ"'
        refuses /proc/self/environ
        source_is '#include "/dev/zero"'
        refuses /dev/zero
        assert_stderr_has "which is no plain file"
    }
    for_each_compiler includes
}

@test "confined: .incbin and .include of a file outside are refused and named" {
    incbins() {
        source_is "__asm__(\".incbin \\\"$HOME/.ssh/id\\\"\");"
        refuses "$HOME/.ssh/id"
        source_is '__asm__(".incbin \"home/.ssh/id\"");'
        refuses home/.ssh/id
        source_is "__asm__(\".include \\\"$HOME/.ssh/id\\\"\");"
        refuses "$HOME/.ssh/id"
    }
    for_each_compiler incbins
}

@test "confined: what may not be read cannot be asked for either" {
    asks() {
        source_is "#if __has_include(\"$HOME/.ssh/id\")
int yes(void) { return 1; }
#endif
int one(void) { return 1; }"
        refuses "$HOME/.ssh/id"
    }
    for_each_compiler asks
}

@test "confined: #line does not make anybody's file a comment" {
    printf '/* the secret key */\nint f(void);\n' >home/.ssh/key.h
    source_is "#line 2 \"$HOME/.ssh/key.h\"
int f(void) { return 1; }"
    ml compile --json tree
    assert_ok
    assert_equal "$(json '.data.functions[0].doc')" ""
}

@test "confined: standard input is nobody's include, and a FIFO is not waited for" {
    source_is '#include "/dev/stdin"
int one(void) { return 1; }'
    ml compile tree < <(yes 'int secret;')
    [ "$status" -ne 0 ]
    leaves_nothing
    fifos() {
        source_is '#include "pipe"
int one(void) { return 1; }'
        mkfifo tree/pipe
        refuses tree/pipe
        assert_stderr_has "which is no plain file"
    }
    for_each_compiler fifos
}

@test "confined: an archive reaches no further than its own files" {
    source_is "#include \"$HOME/.ssh/id\""
    tar -cf bad.tar -C tree .
    ml compile bad.tar
    assert_exit 77
    assert_stderr_has "'bad.tar/bad.c' does not compile: it is kept from '$HOME/.ssh/id'"
    leaves_nothing
    source_is '#include "../../../../FORMAT"'
    tar -cf bad.tar -C tree .
    ml compile bad.tar
    assert_exit 77
    leaves_nothing
}

@test "confined: -I, and files beside the source, are its own" {
    mkdir -p near/inc tree/sub
    echo '#define N 2' >near/inc/n.h
    printf '#include <n.h>\n#include "m.h"\n#include "sub/k.h"\nint n(void) { return N + M + K; }\n' >tree/one.c
    echo '#define M 3' >tree/m.h
    echo '#define K 4' >tree/sub/k.h
    ml run --release tree/one.c n
    assert_exit 65
    ml compile -I near/inc tree/one.c
    assert_ok
    ml compile -I near/inc tree
    assert_ok
    printf '#include "../near/inc/n.h"\nint n(void) { return N; }\n' >tree/one.c
    ml compile tree/one.c
    assert_exit 77
    assert_stderr_has "it is kept from 'tree/../near/inc/n.h'"
    ml compile -I near tree/one.c
    assert_ok
}

@test "confined: in the home directory, what lies beside a source is not all its own" {
    echo 'int one(void) { return N; }' >home/one.c
    echo '#define N 1' >home/n.h
    sed -i '1i #include "n.h"' home/one.c
    ml compile home/one.c
    assert_ok
    sed -i '1i #include ".ssh/id"' home/one.c
    ml compile home/one.c
    assert_exit 77
    assert_stderr_has "it is kept from 'home/.ssh/id'"
    (cd home && ml compile -e '#include ".ssh/id"' && assert_exit 77)
}

@test "confined: a compiler that opens a socket" {
    given_compiler 'exec 3<>/dev/tcp/127.0.0.1/1 || exit 3'
    ml compile tree
    assert_exit 65
    assert_stderr_has "Permission denied"
    leaves_nothing
}

@test "confined: a compiler that writes to the home directory, beside the sources, or beside itself" {
    for where in "$HOME/.profile" "$PWD/tree/new.c" "$PWD/cc/x" "$PWD/work/x" "$MODLOAD_HOME/FORMAT" /tmp/modload-x; do
        given_compiler "echo evil >'$where' || exit 3"
        ml compile tree
        [ "$status" -eq 65 ] || [ "$status" -eq 77 ]
        assert_stderr_has "Permission denied"
        leaves_nothing
        assert_equal "$(ls tree cc)" "cc:
mycc

tree:
one.c"
    done
    [ ! -e /tmp/modload-x ]
    given_compiler "rm -rf '$HOME' '$PWD/tree' '$MODLOAD_HOME'; exit 3"
    ml compile tree
    assert_exit 65
    [ -e home/.ssh/id ] && [ -e tree/one.c ] && [ -e h/FORMAT ]
    given_compiler "cat '$HOME/.ssh/id'; env; exit 3"
    ml compile tree
    assert_exit 77
    assert_stderr_has "it is kept from '$HOME/.ssh/id'"
    leaves_nothing
    [[ $stderr != *"HOME=$HOME"* ]]
}

@test "confined: a compiler that never ends, that hides from its group, or that makes more and more of itself" {
    for hides in 'sleep 1000' 'setsid sleep 1000 & setsid setsid sleep 1000' \
        'f() { sleep 1000 & sleep 0.02; f; }; f' '(trap "" TERM INT HUP; sleep 1000 &) & sleep 1000'; do
        given_compiler "echo \$\$ >&2; $hides; wait; sleep 1000"
        ml compile --build-timeout 1s tree
        assert_exit 124
        assert_stderr_has "modload: the build did not end within 1 s"
        leaves_nothing
        within gone "$(grep -xE '[0-9]+' <<<"$stderr" | head -n 1)"
        assert_equal "$(find /proc/[0-9]*/cwd -lname "$PWD" 2>/dev/null | cut -d / -f 3 | while read -r pid; do
            grep -lsz '^sleep$' "/proc/$pid/cmdline"
        done)" ""
    done
}

@test "confined: a compiler that talks without end" {
    for talks in '71 while :; do printf "%2000s\n" x; done' '65 exec yes >&2' '65 exec yes'; do
        given_compiler "${talks#* }"
        ml compile --build-timeout 3s tree
        assert_exit "${talks%% *}" # it ends when it hears that there is no room, or is ended
        assert_stderr_has "does not compile: the compiler said more than 1 MiB"
        [ "${#stderr}" -le $((1100 << 10)) ]
        leaves_nothing
    done
}

@test "confined: a compiler that wants all memory, or fills the disk" {
    given_compiler 'ulimit -v >&2; ulimit -f >&2; exit 3'
    ml compile tree
    assert_exit 65
    assert_stderr_has 4194304
    assert_stderr_has 262144
    given_compiler 'exec perl -e "print STDERR q(x); my \$x = q(a) x (5 << 30); print STDERR q(had it)"'
    ml compile tree
    assert_exit 65
    [[ $stderr != *"had it"* ]]
    given_compiler 'yes >$TMPDIR/x; exit 3'
    ml compile tree
    assert_exit 65
    leaves_nothing
}

@test "confined: sources whose objects are larger together than one may be" {
    mkdir large
    for i in 1 2 3 4; do
        echo "char table$i[90 << 20] = {1};" >large/$i.c
    done
    ml compile large
    assert_exit 71
    assert_stderr_has "what is compiled has 256 MiB and more"
    leaves_nothing
    rm large/[34].c
    ml compile large
    assert_exit 65 # there is no function in it
}

@test "confined: what a compiler needs more can be given to it" {
    given_compiler "echo told >'$PWD/work/log' || exit 3
exec cc \"\$@\""
    ml compile tree
    assert_exit 65
    MODLOAD_BUILD_DIRS=/nowhere:$PWD/work ml compile tree
    assert_ok
    assert_equal "$(<work/log)" told
    mkdir cache
    CC='ccache cc' CCACHE_DIR=$PWD/cache ml compile tree
    assert_ok
    assert_equal "$(ls -A cache)" ""
    CC='ccache cc' CCACHE_DIR=$PWD/cache MODLOAD_BUILD_DIRS=$PWD/cache ml compile tree
    assert_ok
    [ -n "$(ls -A cache)" ]
}
