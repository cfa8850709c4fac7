#!/usr/bin/env bats
# Goal of this test: pack writes what an entry points at, the same bytes for the same; a pack is taken where a source is,
# with no network and, a binary one, with no compiler; and one that is not what it says is refused, and nothing filed.

load helpers
load plugins
load registry

# A registry with a plugin that is built from files, with all that a build can be asked for, as p; one that came as an
# object, as o; and packs of them: p.pack, p.bin, o.pack, o.bin. $there is a home that is not there yet.
setup_file() {
    export MODLOAD_HOME=$BATS_FILE_TMPDIR/home MODLOAD_RUNTIME_DIR=$BATS_FILE_TMPDIR/run PATH=$MODLOAD_BUILD/bin:$PATH
    cd "$BATS_FILE_TMPDIR" || return 1
    mkdir -p src/sub inc
    printf '#include <math.h>\n#include <k.h>\n#include "sub/s.h"\n' >src/p.c
    printf 'int p(int x) { return x + K + S + V; }\ndouble root(double x) { return sqrt(x); }\n' >>src/p.c
    echo '#define S 10' >src/sub/s.h
    echo '#define K 100' >inc/k.h
    echo 'int o(int x) { return x * 2; }' >o.c
    cc -shared -fPIC -g -o o.so o.c
    modload register --name p 1d000000-0000-4000-8000-00000000000a src/p.c -Iinc -DV=1000 -lm --std gnu17 3>&-
    modload register --name o 1d000000-0000-4000-8000-00000000000b o.so 3>&-
    for name in p o; do
        modload pack $name -o $name.pack 2>/dev/null
        modload pack $name -o $name.bin --binary 2>/dev/null
    done
}

setup() {
    world_setup
    cp -a "$BATS_FILE_TMPDIR/home" "$MODLOAD_HOME"
    cp "$BATS_FILE_TMPDIR"/?.{pack,bin} .
    here=$MODLOAD_HOME there=$PWD/there
    p=$(modload lookup p) o=$(modload lookup o)
}

no_compiler() {
    export CC=/nonexistent/cc
}

# unpacked FILE: as it is inside: ./inside
unpacked() {
    rm -rf inside
    mkdir inside
    zstd -qdc <"$1" | tar -x -C inside --warning=no-unknown-keyword
    chmod -R u+w inside
}

# packed [ARG...]: ./bad: a pack of ./inside, by tar ARG...
packed() {
    (cd inside && tar -cP --sort=name "$@" -- *) | zstd -q >bad
}

# listed: SHA256SUMS of the one bundle in ./inside is right again, and build.json's digest of the object
listed() {
    (
        cd inside/plugins/*/ || return 1
        [ ! -e plugin.so ] || sed -i "s/\"object_sha256\":\"[0-9a-f]*\"/\"object_sha256\":\"$(sha256sum plugin.so | cut -d ' ' -f 1)\"/" build.json
        find . -type f ! -name SHA256SUMS -printf '%P\n' | LC_ALL=C sort | xargs sha256sum >new
        sed -i '/ new$/d' new
        mv new SHA256SUMS
    )
}

# named: the bundle in ./inside, and its head, get the id that its content has
named() {
    local was now
    was=$(ls inside/plugins)
    packed
    ml compile bad
    now=$(grep -o 'its content is that of bundle b-[a-z2-7]*' <<<"$stderr")
    now=${now##* }
    [ -n "$now" ] || fail "no other id"
    mv "inside/plugins/$was" "inside/plugins/$now"
    sed -i "s/$was/$now/" inside/pack.json
    packed
}

# refuses EXIT TEXT [FILE]: it is refused, and nothing is there then
refuses() {
    local home before file=${3:-bad}
    for home in "$here" "$there"; do
        export MODLOAD_HOME=$home
        [ "$home" = "$here" ] || rm -rf "$there"
        before=$(modload list && snapshot bundles entries history names 2>/dev/null || :)
        ml register 22222222-2222-4222-8222-222222222222 "$file"
        assert_exit "$1"
        assert_no_stdout
        assert_stderr_has "$2"
        assert_equal "$(litter)" ""
        if [ "$home" = "$here" ]; then
            assert_equal "$(modload list && snapshot bundles entries history names)" "$before"
        else
            assert_equal "$(find "$there"/{bundles,entries,history,names} -mindepth 1)" ""
        fi
    done
    export MODLOAD_HOME=$here
}

@test "pack: the same bytes, twice, to a pipe, and from another registry" {
    ml pack p -o again
    assert_ok
    assert_no_stdout
    assert_stderr "modload: packed p 0.0.0, to be built where it goes ($p)"
    cmp again p.pack
    assert_equal "$(stat -c %a again)" 644
    (umask 077 && modload pack p -o private 2>/dev/null)
    assert_equal "$(stat -c %a private)" 600
    modload pack p -o - 2>err | cat >piped
    cmp piped p.pack
    ml pack --binary -o again p
    assert_ok
    assert_stderr "modload: packed p 0.0.0, with what was built ($p)"
    cmp again p.bin
    export MODLOAD_HOME=$there
    for name in p o; do
        modload register --name $name "$(modload uuid)" ./$name.bin
        modload pack $name -o back
        modload pack $name --binary -o back.bin
        cmp back $name.pack
        cmp back.bin $name.bin
    done
    rm -rf "$MODLOAD_HOME"
    modload register --name p "$(modload uuid)" ./p.pack 3>&- 2>/dev/null
    modload pack p -o back
    cmp back p.pack
    modload pack p --binary -o back.bin
    cmp back.bin p.bin
}

@test "pack: an object that was put into a pack is never taken for one that was built of its sources" {
    mkdir -p evil/sub
    sed 's/x + K + S + V/x - 666/' "$BATS_FILE_TMPDIR/src/p.c" >evil/p.c
    cp "$BATS_FILE_TMPDIR/src/sub/s.h" evil/sub
    other=$(modload compile evil/p.c -I"$BATS_FILE_TMPDIR/inc" -DV=1000 -lm --std gnu17 3>&-)
    unpacked p.bin
    cp -f "$MODLOAD_HOME/bundles/${other%% *}/plugin.so" "inside/plugins/$p/"
    listed
    packed
    export MODLOAD_HOME=$there
    ml register --name bad "$(modload uuid)" bad # as good as whoever packed it
    assert_ok
    ml run --release bad p 0
    assert_stdout -666
    assert_equal "$(jq -r .object "$there/bundles/$p/build.json")" packed
    ml verify
    assert_ok
    ml register --name mine "$(modload uuid)" "$BATS_FILE_TMPDIR/src/p.c" "-I$BATS_FILE_TMPDIR/inc" -DV=1000 -lm --std gnu17
    assert_ok
    assert_equal "$(modload lookup mine)" "$p"
    ml run --release mine p 0
    assert_stdout 1110
    assert_equal "$(jq -r .object "$there/bundles/$p/build.json")" built
    ml verify
    assert_ok
    sed -i 's/"object":"built"/"object" : "built","x":{"object":"built"}/' "inside/plugins/$p/build.json"
    listed
    packed
    rm -rf "$there"
    ml register --name bad "$(modload uuid)" bad
    assert_exit 77
    assert_stderr_has "is not of the form that modload writes"
    assert_equal "$(litter)$(ls "$there/bundles")" ""
}

@test "pack: nothing of this machine or moment is in it" {
    for file in p.pack p.bin o.pack o.bin; do
        zstd -qdc <$file >tar
        tar -tvf tar --warning=no-unknown-keyword >list
        ! grep -v '^-rw-r--r-- 0/0 .* 1970-01-01 00:00 ' list
        for word in "$BATS_FILE_TMPDIR" "$here" "$(hostname)" "$HOME"; do
            [ "$word" = / ] || ! grep -aF "$word" tar
        done
    done
    unpacked p.pack
    assert_equal "$(jq -c . inside/pack.json)" "{\"bundles\":[{\"bundle\":\"$p\",\"name\":\"p\",\"version\":\"0.0.0\",\"binary\":false}]}"
    assert_equal "$(cd inside && find . -type f | LC_ALL=C sort | sed "s/$p/ID/")" "./modload-pack
./pack.json
./plugins/ID/SHA256SUMS
./plugins/ID/build.json
./plugins/ID/manifest.json
./plugins/ID/name
./plugins/ID/outside/1/inc/k.h
./plugins/ID/source/p.c
./plugins/ID/source/sub/s.h"
    unpacked o.pack
    [ -e "inside/plugins/$o/plugin.so" ]
    [ ! -e "inside/plugins/$o/entry.so" ]
}

@test "pack --json, and words that it cannot take" {
    ml pack --json p -o again
    assert_ok
    assert_equal "$(json .data | jq -c .)" "{\"bundle\":\"$p\",\"name\":\"p\",\"version\":\"0.0.0\",\"binary\":false}"
    ml pack p
    assert_exit 64
    assert_stderr_has "pack: no file: -o FILE"
    ml pack --json p -o -
    assert_exit 64
    ml pack nobody -o never
    assert_exit 66
    ml pack p -o nowhere/file
    assert_exit 73
    [ ! -e never ]
}

@test "pack: what is damaged is never packed, and the file there stays" {
    echo mine >kept
    chmod u+w "$here/bundles/$p/plugin.so"
    printf X >>"$here/bundles/$p/plugin.so"
    for words in p "p --binary"; do
        # shellcheck disable=SC2086
        ml pack $words -o kept
        assert_exit 77
        assert_stderr_has "modload: bundle '$p' is damaged: plugin.so"
        assert_equal "$(<kept)" mine
    done
    rm -rf "$here/bundles/$p"
    ml pack p -o kept
    assert_exit 77
    assert_stderr_has "bundle '$p' of key 1d000000-0000-4000-8000-00000000000a is missing"
    assert_equal "$(<kept)" mine
}

@test "pack: taken where a source is, it is the same bundle" {
    for file in p.pack p.bin o.pack o.bin; do
        rm -rf "$there"
        export MODLOAD_HOME=$there
        name=${file%.*}
        ml compile $file
        assert_ok
        assert_no_stderr
        assert_equal "${output%% *}" "${!name}"
        ml register 22222222-2222-4222-8222-222222222222 $file
        assert_ok
        ml verify
        assert_ok
        packed=() # what was built elsewhere is filed as that
        [ $file != p.bin ] || packed=(-x build.json -x SHA256SUMS)
        diff -r "${packed[@]}" "$there/bundles/${!name}" "$here/bundles/${!name}"
        assert_equal "$(modload history $name | awk '{print $NF}')" "$PWD/$file"
        assert_equal "$(litter)" ""
    done
    ml run --release ./p.pack p 1
    assert_stdout 1111
    ml run --release p.pack root 4
    assert_stdout 2
    ml run --release ./o.bin o 4
    assert_stdout 8
    ml compile --json p.pack
    assert_equal "$(json '.data.functions|map(.name)|join(" ")')" "p root"
}

@test "pack: a binary one takes no compiler and no network" {
    no_compiler
    export MODLOAD_HOME=$there
    alone=()
    ! unshare -rn true 2>/dev/null || alone=(unshare -rn)
    for name in p o; do
        "${alone[@]}" modload register --name $name "$(modload uuid)" $name.bin
        assert_equal "$(modload lookup $name)" "${!name}"
    done
    ml verify
    assert_ok
    ml run --release p p 2
    assert_stdout 1112
    rm -rf "$there"
    ml compile p.pack
    assert_exit 66
    assert_stderr_has "cannot build 'p.pack': there is no C compiler"
    assert_stderr_has "or get it packed with --binary"
    ml compile o.pack # entry.so has to be built
    assert_exit 66
    assert_equal "$(find "$there/bundles" -mindepth 1)" ""
}

@test "pack: what is here already is not built again" {
    no_compiler
    ml compile p.pack
    assert_ok
    assert_stdout_has "$p  p  "
}

@test "pack: another compiler makes another bundle of it, and that is told" {
    printf '#!/bin/sh\ncase "$*" in *--version*) echo other 1.0; exit ;; esac\nexec cc "$@"\n' >other
    chmod +x other
    export MODLOAD_HOME=$there CC=$PWD/other
    ml compile p.pack
    assert_ok
    other=${output%% *}
    [ "$other" != "$p" ]
    assert_stderr "modload: built here it is $other; where it comes from it was $p"
    ml run --release ./p.pack p 1
    assert_stdout 1111
    ml verify
    assert_ok
    ml compile p.bin # it is for this machine as it is
    assert_ok
    assert_no_stderr
    assert_stdout_has "$p  p  "
}

@test "pack: whatever a bundle is built from" {
    mkdir -p man/c man/i
    echo '{"name":"m","version":"1.2.3","sources":["c/*.c"],"include":["i"],"link":["m"],"pkg_config":["zlib"],"license":"MIT"}' >man/modload.json
    printf '#include <zlib.h>\n#include <i.h>\nint m(void) { return I + (zlibCompileFlags() == 0); }\n' >man/c/m.c
    echo '#define I 4' >man/i/i.h
    echo 'static inline int h(void) { return 5; } int hh(void) { return h(); }' >h.h
    modload register --name dir "$(modload uuid)" man 3>&-
    modload register --name text "$(modload uuid)" -e 'int t(void) { return 6; }' 3>&-
    modload register --name header "$(modload uuid)" h.h 3>&-
    for name in dir text header; do
        modload pack $name -o $name.pack
        modload pack $name --binary -o $name.bin
        for file in $name.pack $name.bin; do
            rm -rf "$there"
            MODLOAD_HOME=$there ml compile $file
            assert_ok
            assert_equal "${output%% *}" "$(modload lookup $name)"
        done
    done
}

# An object of another machine: its header says so, and all digests agree.
foreign() {
    unpacked "$1"
    printf '\xb7' | dd of="$(echo inside/plugins/*/plugin.so)" bs=1 seek=18 conv=notrunc status=none
    listed
    packed
}

@test "pack: a binary one of another machine is built from its sources" {
    [ "$(uname -m)" = x86_64 ] || skip "the other machine is made for x86-64"
    foreign p.bin
    export MODLOAD_HOME=$there
    ml compile bad # the same compiler, so the same id
    assert_ok
    assert_equal "${output%% *}" "$p"
    ml run --release ./bad p 1
    assert_stdout 1111
    ml verify
    assert_ok
    export MODLOAD_HOME=$here
    rm -rf "$there"
    no_compiler
    export MODLOAD_HOME=$there
    ml compile bad
    assert_exit 65
    assert_stderr_has "modload: 'bad' is for AArch64 with plugin ABI 1, and this is x86-64 with plugin ABI 1; there is no compiler to build it from its sources"
    assert_stderr_has "  hint: get a pack for this platform, or install a C compiler: the sources are in it"
    assert_equal "$(find "$there/bundles" -mindepth 1)" ""
}

@test "pack: an object of another machine cannot be built" {
    [ "$(uname -m)" = x86_64 ] || skip "the other machine is made for x86-64"
    for file in o.bin o.pack; do
        foreign $file
        named
        refuses 65 "modload: 'bad' is for AArch64 with plugin ABI 1, and this is x86-64 with plugin ABI 1; its object was not built by modload"
    done
}

@test "pack: a binary one of another plugin ABI is built from its sources" {
    unpacked p.bin
    sed -i 's/"abi":1,/"abi":2,/' "inside/plugins/$p/build.json"
    listed
    named
    other=$(ls inside/plugins)
    export MODLOAD_HOME=$there
    ml compile bad
    assert_ok
    assert_equal "${output%% *}" "$p"
    assert_stderr_has "modload: it is for "
    assert_stderr_has " with plugin ABI 2: built from its sources"
    assert_stderr_has "modload: built here it is $p; where it comes from it was $other"
    rm -rf "$there"
    no_compiler
    ml compile bad
    assert_exit 65
    assert_stderr_has " with plugin ABI 2, and this is "
}

@test "pack: where the entry came from goes along, if others can reach it" {
    unpacked p.pack
    sed -i 's|}]}$|}],"origin":"https://example.org/p@v1"}|' inside/pack.json
    packed
    ml register --name q 22222222-2222-4222-8222-222222222222 bad
    assert_ok
    assert_equal "$(modload history q | awk '{print $NF}')" "https://example.org/p@v1"
    modload pack q -o again
    unpacked again
    assert_equal "$(jq -r .origin inside/pack.json)" "https://example.org/p@v1"
    modload register q -e 'int q(void) { return 1; }' 3>&-
    modload pack q -o again
    unpacked again
    assert_equal "$(jq -r .origin inside/pack.json)" null
    commit=0123456789012345678901234567890123456789 # what is followed here stays here
    unpacked p.pack
    sed -i "s|}]}\$|}],\"origin\":\"git+https://example.org/p?path=a\&ref=^1\&tag=v1\&index=mine\&name=p#$commit\"}|" inside/pack.json
    packed
    modload register --name r "$(modload uuid)" bad 3>&- 2>/dev/null
    modload pack r -o again
    unpacked again
    assert_equal "$(jq -r .origin inside/pack.json)" "git+https://example.org/p?path=a&tag=v1#$commit"
    for origin in /home/me file:///home/me 'a\nb' 7 ''; do
        unpacked p.pack
        sed -i "s|}]}\$|}],\"origin\":\"${origin//\\/\\\\}\"}|" inside/pack.json
        [ "$origin" != 7 ] || sed -i 's/"7"/7/' inside/pack.json
        packed
        refuses 77 "'bad': its pack.json: 'origin' must be a place that others can reach"
    done
}

@test "pack: in a list of register --many" {
    printf '{"key":"%s","path":"p.bin","name":"a"}\n{"key":"%s","path":"two.c"}\n{"key":"%s","path":"p.bin","name":"c"}\n' \
        33333333-0000-4000-8000-000000000001 33333333-0000-4000-8000-000000000002 33333333-0000-4000-8000-000000000003 >list
    echo 'int two(void) { return 2; }' >two.c
    export MODLOAD_HOME=$there
    ml register --many list
    assert_ok
    assert_equal "$(modload lookup a) $(modload lookup c)" "$p $p"
    rm -rf "$there"
    head -c 2000 p.bin >bad
    sed -i 's/"path":"p.bin","name":"c"/"path":"bad","name":"c"/' list
    ml register --many list
    assert_exit 65
    assert_stderr_has "list:3: cannot unpack 'bad': "
    assert_equal "$(modload list)" ""
    sed -i '$d' list
    ml register --many list -DX=1
    assert_exit 64
}

@test "pack: it was built as it was, and options would change that" {
    for words in -DX -I. -lm "--std c11"; do
        # shellcheck disable=SC2086
        ml compile p.pack $words
        assert_exit 64
        assert_stderr_has "compile: a pack is built as it was: without -D, -I, -l, --std"
    done
    ml compile p.pack --name other
    assert_exit 64
    ml compile p.pack two.c
    assert_exit 65
}

@test "pack: a damaged bundle here is replaced by the one that comes" {
    for damage in "printf X >>plugin.so" "rm -f build.json" ": >more"; do
        (cd "$here/bundles/$p" && chmod u+w ./* && eval "$damage")
        ml verify
        assert_exit 77
        ml compile p.bin
        assert_ok
        ml verify
        assert_ok
        assert_equal "$(litter)" ""
    done
}

@test "pack: cut short, or with another byte in it" {
    for file in p.pack o.bin; do
        size=$(stat -c %s $file)
        for n in 5 17 100 $((size / 2)) $((size - 4)) $((size - 1)); do
            head -c "$n" $file >bad
            MODLOAD_HOME=$there ml compile bad
            [ "$status" -eq 65 ] || fail "$n of $size"
        done
        for at in 64 $((size / 8)) $((size / 4)) $((size / 3)) $((size / 2)) $((size * 2 / 3)) $((size - 100)); do
            cp $file bad
            byte=$(od -An -tu1 -j "$at" -N 1 $file)
            printf '%b' "$(printf '\\x%02x' $((byte ^ 0x55)))" | dd of=bad bs=1 seek="$at" conv=notrunc status=none
            MODLOAD_HOME=$there ml compile bad
            case $status in 65 | 77 | 78) ;; *) fail "at $at of $size: $status" ;; esac
        done
        assert_equal "$(find "$there/bundles" "$there/tmp" -mindepth 1)" ""
    done
}

@test "pack: a form that is none, or a newer one" {
    plain_only
    unpacked p.pack
    rm inside/pack.json
    packed
    refuses 65 "'bad' is no pack of modload: it has no pack.json"
    unpacked p.pack
    rm -r inside/plugins
    packed
    refuses 65 "'bad' is no pack of modload: it has no plugins"
    unpacked p.pack
    echo "modload pack 2" >inside/modload-pack
    packed
    refuses 78 "'bad' has form 2; this modload knows form 1"
    echo "modload pack one" >inside/modload-pack
    packed
    refuses 65 "'bad' is no pack of modload: its modload-pack says something else"
    unpacked p.pack
    jq -c '.bundles += .bundles' inside/pack.json >new
    mv new inside/pack.json
    packed
    refuses 78 "'bad' has 2 bundles: the plugin with what it requires; this modload takes one"
    unpacked p.pack
    jq -c '.more = 1' inside/pack.json >new
    mv new inside/pack.json
    packed
    refuses 77 "'bad': its pack.json says something that this modload does not know"
    for text in '' '[]' '{"bundles":[]}' '{"bundles":[7]}' "{\"bundles\":[{\"bundle\":\"../../x\",\"name\":\"p\",\"version\":\"0.0.0\",\"binary\":false}]}" \
        "{\"bundles\":[{\"bundle\":\"$p\",\"name\":\"-\",\"version\":\"0.0.0\",\"binary\":false}]}" \
        "{\"bundles\":[{\"bundle\":\"$p\",\"name\":\"p\",\"name\":\"q\",\"version\":\"0.0.0\",\"binary\":false}]}"; do
        unpacked p.pack
        echo "$text" >inside/pack.json
        packed
        refuses 77 "'bad': "
    done
}

@test "pack: files that are of no pack, and none that lead out" {
    for more in more plugins/more "plugins/$p/more" "plugins/$p/source/more.c" "plugins/$p/plugin.so"; do
        unpacked p.pack
        echo more >"inside/$more"
        packed
        refuses 77 "'bad'"
    done
    unpacked p.pack
    mkdir "inside/plugins/$p/source/empty"
    packed
    refuses 77 "'bad': bundle '$p' is not what it says it is: source/empty"
    unpacked p.pack
    ln -s /etc/passwd "inside/plugins/$p/source/link"
    packed
    refuses 77 "cannot unpack 'bad': 'plugins/$p/source/link' is a symbolic link"
    unpacked p.pack
    packed --transform "s,^plugins/$p/name,../escaped,"
    refuses 77 "cannot unpack 'bad': '../escaped' climbs out"
    packed --transform "s,^plugins/$p/name,plugins/$p/build.json,"
    refuses 77 "cannot unpack 'bad': "
    assert_equal "$(find "$BATS_TEST_TMPDIR" -name escaped)" ""
}

@test "pack: content that is not what it says" {
    plain_only
    for damage in 'printf X >>source/p.c' ': >SHA256SUMS' 'rm build.json' 'rm source/p.c' 'rm outside/1/inc/k.h' 'echo q@0.0.0 >name' ': >manifest.json'; do
        unpacked p.pack
        (cd "inside/plugins/$p" && eval "$damage")
        packed
        refuses 77 "'bad': bundle '$p' is not what it says it is: "
    done
    for damage in 'printf X >>source/p.c' 'sed -i s/gnu17/gnu11/ build.json' 'echo "#define K 1" >outside/1/inc/k.h'; do # with a list that agrees
        unpacked p.pack
        (cd "inside/plugins/$p" && eval "$damage")
        object=$(grep plugin.so "inside/plugins/$p/SHA256SUMS")
        listed
        echo "$object" >>"inside/plugins/$p/SHA256SUMS"
        packed
        refuses 77 "'bad': bundle '$p' is not what it says it is: "
    done
    other=b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    unpacked p.pack
    mv "inside/plugins/$p" inside/plugins/$other
    sed -i "s/$p/$other/" inside/pack.json
    packed
    refuses 77 "'bad': bundle '$other' is not what it says it is: . its content is that of bundle $p"
    unpacked p.pack
    sed -i 's/"name":"p"/"name":"math"/' inside/pack.json
    packed
    refuses 77 "'bad': bundle '$p' is not what it says it is: pack.json gives its plugin another name or version"
    unpacked p.pack # what is said to be built is not there
    sed -i 's/"binary":false/"binary":true/' inside/pack.json
    packed
    refuses 77 "'bad': bundle '$p' is not what it says it is: plugin.so is missing"
    unpacked p.bin
    sed -i 's/"binary":true/"binary":false/' inside/pack.json
    packed
    refuses 77 "'bad': bundle '$p' is not what it says it is: plugin.so is there"
    unpacked p.bin
    printf X >>"inside/plugins/$p/plugin.so"
    packed
    refuses 77 "'bad': bundle '$p' is not what it says it is: plugin.so is not what was filed"
    unpacked p.bin # an object that is none
    head -c 100 /dev/zero >"inside/plugins/$p/plugin.so"
    listed
    packed
    MODLOAD_HOME=$there ml compile bad
    [ "$status" -ne 70 ]
    [ ! -e "$there/bundles/$p" ] || cmp "$there/bundles/$p/plugin.so" "$here/bundles/$p/plugin.so"
}

@test "pack: sources that do not compile are the build's failure" {
    echo 'int f(void) { return 1; }' >f.c
    modload register --name f "$(modload uuid)" f.c 3>&-
    modload pack f -o f.pack
    unpacked f.pack
    f=$(ls inside/plugins)
    echo 'int f(void) { return oops; }' >"inside/plugins/$f/source/f.c"
    object=$(grep plugin.so "inside/plugins/$f/SHA256SUMS")
    sum=$(sha256sum <"inside/plugins/$f/source/f.c")
    sed -i "s/\"path\":\"f.c\",\"sha256\":\"[0-9a-f]*\"/\"path\":\"f.c\",\"sha256\":\"${sum%% *}\"/" "inside/plugins/$f/build.json"
    listed
    echo "$object" >>"inside/plugins/$f/SHA256SUMS"
    named
    refuses 65 "undeclared"
    assert_stderr_has "cannot build 'bad': "
}

@test "pack: a bomb is told by what it becomes" {
    unpacked p.pack
    truncate -s 600M "inside/plugins/$p/source/bomb.c"
    packed
    refuses 71 "cannot unpack 'bad': 'plugins/$p/source/bomb.c' has more than 536870912 bytes"
    assert_stderr_has "  hint: nothing was filed"
}

@test "pack: a small one whose JSON is large is refused before it is read" {
    for name in manifest.json build.json; do
        unpacked p.pack
        head -c 5000000 /dev/zero | tr '\0' '[' >"inside/plugins/$p/$name"
        listed
        packed
        [ "$(stat -c %s bad)" -lt 100000 ]
        refuses 71 "$name of its bundle has more than 4 MiB"
    done
}

@test "pack: one that nobody could take in is not written" {
    words=$(printf '%.0s""""""""""""""""\n' {1..960}) # each of which takes two bytes there
    for i in {1..150}; do
        printf '/*\n%s\n*/\nint f%d(void) { return %d; }\n' "$words" "$i" "$i"
    done >large.c
    modload register --name large "$(modload uuid)" large.c 3>&-
    ml pack large -o large.pack
    assert_exit 71
    assert_stderr_has "cannot be packed: its manifest.json has more than 4 MiB"
    [ ! -e large.pack ]
}

@test "pack: a tar of another compression, and what is an archive of sources" {
    unpacked p.pack
    (cd inside && tar -czf ../p.tgz -- *)
    MODLOAD_HOME=$there ml compile p.tgz
    assert_ok
    assert_equal "${output%% *}" "$p"
    mkdir src
    echo 'int s(void) { return 1; }' >src/s.c
    echo 'modload pack 1' >src/zz-modload-pack
    tar -czf src.tgz src
    ml compile src.tgz
    assert_ok
    assert_stdout_has "s() -> int"
}

@test "pack: killed at whatever call, nothing is beside the file, and it is the old or the new one" {
    mkdir place
    killed=0
    for call in write fsync linkat rename; do
        for n in 1 2; do
            echo mine >place/file
            killed_at $call $n pack p -o place/file || break
            killed=$((killed + 1))
            [ "$call" = rename ] || assert_equal "$(ls -A place)" file # for a moment it has a name beside the other's
            rm -f place/.[0-9a-f]*
            cmp -s place/file p.pack || assert_equal "$(<place/file)" mine
        done
    done
    [ $killed -ge 4 ] || fail "killed $killed times only"
    assert_equal "$(litter)" ""
}

@test "pack: who takes one in and is killed leaves what the next command sweeps" {
    plain_only
    export MODLOAD_HOME=$there
    killed=0
    for file in p.bin p.pack; do
        for call in mkdirat fchmod fsync renameat2 unlinkat symlinkat; do
            for n in 1 4; do
                rm -rf "$there"
                killed_at $call $n register 22222222-2222-4222-8222-222222222222 $file || break
                killed=$((killed + 1))
                ml register 22222222-2222-4222-8222-222222222222 $file
                assert_ok
                assert_equal "$(modload lookup p)" "$p"
                ml verify
                assert_ok
                assert_equal "$(litter)" ""
            done
        done
    done
    [ $killed -ge 10 ] || fail "killed $killed times only"
}

@test "pack: from a registry that its owner may only read" {
    chmod -R a-w "$MODLOAD_HOME"
    ml pack p -o again
    chmod -R u+w "$MODLOAD_HOME"
    assert_ok
    cmp again p.pack
}
