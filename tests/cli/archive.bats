#!/usr/bin/env bats
# Goal of this test: an archive is built like the directory in it, wherever a source can stand; one that is damaged or
# hostile is told so, with the right exit code, and leaves nothing.

load helpers

# A plugin of several files with a manifest, in calc/.
setup() {
    world_setup
    mkdir -p calc/src calc/include
    cat >calc/modload.json <<'JSON'
{"name": "calc", "version": "1.2.0", "sources": ["src/*.c"], "include": ["include"]}
JSON
    echo '#define START 1' >calc/include/start.h
    printf '#include <start.h>\nint next(int n) { return n + START; }\n' >calc/src/next.c
    printf 'const char *where(void) { return __FILE__; }\n' >calc/src/where.c
    chmod -R u=rwX,go=rX calc
}

# All archives of what tar and zip are given, in one place.
pack() { # pack ARGUMENT...
    mkdir -p packed
    tar -cf packed/c.tar "$@"
    tar -czf packed/c.tar.gz "$@"
    tar -czf packed/c.tgz "$@"
    tar -cJf packed/c.tar.xz "$@"
    tar --zstd -cf packed/c.tar.zst "$@"
    tar --format=pax -cf packed/pax.tar "$@"
}

nothing_left() {
    [ ! -e "$MODLOAD_HOME/tmp" ] || assert_equal "$(ls -A "$MODLOAD_HOME/tmp")" ""
    [ ! -e "$MODLOAD_HOME/bundles" ] || assert_equal "$(ls -A "$MODLOAD_HOME/bundles")" ""
}

# refused STATUS CODE WORDS FILE: with this exit status, and nothing is left
refused() {
    ml compile "$4"
    assert_exit "$1"
    assert_no_stdout
    assert_stderr_has "modload: cannot unpack '$4': "
    assert_stderr_has "$3"
    ml compile --json "$4"
    assert_exit "$1"
    assert_equal "$(json '.errors[0].code')" "$2"
    nothing_left
}

@test "archive: every kind is the same bundle as the directory, to the byte" {
    ml compile calc
    assert_ok
    bundle=${output%% *}
    want=$output
    given=$(cd "$MODLOAD_HOME/bundles/$bundle" && cat SHA256SUMS)
    pack calc
    zip -qr packed/c.zip calc
    for archive in packed/*; do
        rm -rf "$MODLOAD_HOME"
        ml compile "$archive"
        assert_ok
        assert_no_stderr
        assert_stdout "$want"
        assert_equal "$(cd "$MODLOAD_HOME/bundles/$bundle" && cat SHA256SUMS)" "$given"
        assert_equal "$(ls -A "$MODLOAD_HOME/tmp")" ""
    done
}

@test "archive: with or without a directory around it, whatever it is called" {
    ml compile calc
    bundle=${output%% *}
    tar -C calc -czf flat.tgz .
    tar -C calc -czf flat2.tgz modload.json src include
    tar -czf 'what ever' calc
    tar -czf looks.c calc
    for archive in flat.tgz flat2.tgz 'what ever' ./looks.c; do
        ml compile "$archive"
        assert_ok
        assert_equal "${output%% *}" "$bundle"
    done
}

@test "archive: the name comes from the one directory in it, or else from the archive's own" {
    mkdir -p area-1.2
    echo 'double area(double r) { return 3 * r * r; }' >area-1.2/area.c
    tar -czf x.tar.gz area-1.2
    ml compile area-1.2
    given=$output
    ml compile x.tar.gz
    assert_stdout "$given"
    assert_stdout_has "  area-1.2  "
    for name in y.tar.gz y.tgz y.tar y.zip; do
        case $name in
        *.zip) (cd area-1.2 && zip -qr "../$name" .) ;;
        *.tar) tar -C area-1.2 -cf "$name" area.c ;;
        *) tar -C area-1.2 -czf "$name" area.c ;;
        esac
        ml compile "$name"
        assert_ok
        assert_stdout_has "  y  area(r: double) -> double"
    done
}

@test "archive: what git makes of a commit" {
    command -v git >/dev/null || skip "no git"
    ml compile calc
    bundle=${output%% *}
    git init -q calc
    git -C calc add .
    git -C calc -c user.name=x -c user.email=x@example.org commit -q -m x
    for format in tar tar.gz zip; do
        git -C calc archive --prefix=calc-1.2/ -o "../git.$format" HEAD
        ml compile "git.$format"
        assert_ok
        assert_equal "${output%% *}" "$bundle"
    done
}

@test "archive: register and run take it" {
    tar -czf calc.tgz calc
    id=$(modload uuid)
    ml register "$id" calc.tgz
    assert_ok
    assert_no_stderr
    ml run --release calc next 41
    assert_ok
    assert_stdout 42
    ml info "$id"
    assert_stdout_has "$PWD/calc.tgz"
    ml run --release calc.tgz next 1
    assert_ok
    assert_stdout 2
    ml run --release ./calc.tgz where
    assert_stdout src/where.c
    cp -r calc other
    echo 'int next(int n) { return n - 1; }' >other/src/next.c
    tar -czf calc.tgz other
    ml run --release calc.tgz next 1
    assert_stdout 0
}

@test "archive: a source of its own may be in an archive, headers only, or a shared object" {
    echo 'int one(void) { return 1; }' >one.c
    tar -czf one.tgz one.c
    ml run --release ./one.tgz one
    assert_stdout 1
    cc -shared -g -fPIC -o one.so one.c
    mkdir so
    mv one.so so
    echo '{"sources": ["one.so"]}' >so/modload.json
    zip -qr so.zip so
    ml run --release ./so.zip one
    assert_ok
    assert_stdout 1
}

@test "archive: the compiler's words name what is in the archive, not where it was unpacked" {
    echo 'int bad( {' >calc/src/bad.c
    tar -czf bad.tgz calc
    ml compile bad.tgz
    assert_exit 65
    assert_no_stdout
    assert_stderr_has "bad.tgz/calc/src/bad.c:1:"
    assert_stderr_has "modload: 'bad.tgz/calc/src/bad.c' does not compile"
    [[ $stderr != *"$MODLOAD_HOME"* ]] || fail "it names a place that is gone"
    nothing_left
    rm calc/src/bad.c
    echo '{"sources": ["none/*.c"]}' >calc/modload.json
    tar -C calc -czf bad.tgz .
    ml compile ./bad.tgz
    assert_exit 78
    assert_stderr_has "modload: ./bad.tgz/modload.json: key 'sources'"
    nothing_left
}

@test "archive: without a source, or with others beside it" {
    mkdir empty
    touch empty/readme
    tar -czf empty.tgz empty
    ml compile empty.tgz
    assert_exit 65
    assert_stderr_has "there is no C source in 'empty.tgz/empty/'"
    tar -czf calc.tgz calc
    ml compile calc.tgz calc/src/next.c
    assert_exit 65
    assert_stderr_has "'calc.tgz' is not C source"
    assert_stderr_has "a directory, an archive or a shared object is compiled alone"
    nothing_left
}

@test "archive: links and other kinds are refused, and nothing is left" {
    ln -s /etc/passwd calc/src/l.c
    tar -czf a.tgz calc
    refused 77 hostile_archive "'calc/src/l.c' is a symbolic link" a.tgz
    zip -qry a.zip calc
    refused 77 hostile_archive "'calc/src/l.c' is a symbolic link" a.zip
    ml compile a.tgz
    assert_stderr_has "  hint: only plain files and directories are taken"
    rm calc/src/l.c
    ln calc/src/next.c calc/src/twin.c
    tar -czf b.tgz calc
    refused 77 hostile_archive "is a hard link" b.tgz
    rm calc/src/twin.c
    mkfifo calc/fifo
    tar -czf c.tgz calc
    refused 77 hostile_archive "'calc/fifo' is a FIFO" c.tgz
}

@test "archive: names that lead out write nothing there" {
    echo 'int one(void) { return 1; }' >escaped.c
    mkdir deep
    tar -C deep -czf up.tgz --absolute-names ../escaped.c
    tar -czf root.tgz --absolute-names "$PWD/escaped.c"
    rm escaped.c
    refused 77 hostile_archive "'../escaped.c' climbs out by '..'" up.tgz
    refused 77 hostile_archive "is an absolute path" root.tgz
    [ ! -e escaped.c ] && [ ! -e "$MODLOAD_HOME/tmp/escaped.c" ]
    mkdir -p calc/.git/hooks
    echo 'exit 1' >calc/.git/hooks/post-checkout
    tar -czf git.tgz calc
    refused 77 hostile_archive "'calc/.git" git.tgz
}

@test "archive: a bomb is refused, what is merely large hits a limit" {
    mkdir big
    head -c 100000000 /dev/zero >big/zeros.c
    tar -czf bomb.tgz big
    refused 77 hostile_archive "more than 200 times its own size, as bombs do" bomb.tgz
    rm big/zeros.c
    head -c $(((64 << 20) + 1)) /dev/urandom >big/noise
    tar -cf big.tar big
    refused 71 archive_too_large "'big/noise' has more than 67108864 bytes" big.tar
}

@test "archive: cut, damaged, or none" {
    tar -czf calc.tgz calc
    head -c 200 calc.tgz >cut.tgz
    refused 65 bad_archive "it is damaged or cut short" cut.tgz
    tar -cf calc.tar calc
    head -c 2048 calc.tar >cut.tar
    refused 65 bad_archive "it is " cut.tar
    gzip -c calc/src/next.c >next.c.gz
    refused 65 not_an_archive "it is compressed, and is not a tar" next.c.gz
    cat calc.tgz calc.tgz >two.tgz
    refused 77 hostile_archive "something behind its end" two.tgz
    : >empty.tgz
    ml compile empty.tgz
    assert_exit 65
    assert_stderr_has "is not C source"
}

@test "archive: time that is up ends it, and nothing is left" {
    tar -czf calc.tgz calc
    ml compile --build-timeout 1ms calc.tgz
    assert_exit 124
    assert_no_stdout
    assert_stderr_has "modload: the build did not end within"
    nothing_left
}

@test "archive: without the library it says what to do" {
    mkdir lib
    echo 'no library' >lib/libarchive.so.13
    tar -czf calc.tgz calc
    export LD_LIBRARY_PATH=$PWD/lib
    ml compile calc
    assert_ok
    ml compile calc.tgz
    unset LD_LIBRARY_PATH
    assert_exit 66
    assert_no_stdout
    assert_stderr_has "archives need libarchive, which cannot be loaded: "
    assert_stderr_has "  hint: install it"
}
