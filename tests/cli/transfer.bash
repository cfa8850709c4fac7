# What the tests of export and import share: `load helpers`, `load plugins`, `load registry`, then `load transfer`. Each test
# has a registry of two entries, v and w, and of one that was taken out, gone, and what export wrote of it: ./file.
#
#   $here $there              that registry, and the home of another one, which is not there yet
#   $id $gone                 the keys of v and of gone
#   picture [HOME]            what it says and holds, whoever had its lock, and wherever its bundles were built
#   content FILE              what a file that export wrote holds, in its order, wherever the bundles were built
#   unpacked                  ./file as it is inside: ./inside
#   packed [ARG...]           ./bad: a file of ./inside again, by tar ARG...
#   refuses EXIT FILE [TEXT]  import refuses the file, into a registry with entries, and into none; nothing of it is there then
#   given_other [NAME]        makes $there the registry: of v alone, called NAME there, with another bundle, which is $own
# shellcheck disable=SC2034,SC2119,SC2120,SC2154

setup_file() {
    export MODLOAD_HOME=$BATS_FILE_TMPDIR/home MODLOAD_RUNTIME_DIR=$BATS_FILE_TMPDIR/run PATH=$MODLOAD_BUILD/bin:$PATH
    # Each in a file of histories of its own: two in one may be there in another order than here.
    versions v 2 1d000000-0000-4000-8000-00000000000a
    modload pin v 1
    modload register --name w b2000000-0000-4000-8000-00000000000b -e 'int v(void) { return 7; }' 3>&-
    modload register --name gone 62000000-0000-4000-8000-00000000000c -e 'int v(void) { return 8; }' 3>&-
    key_of gone >"$BATS_FILE_TMPDIR/gone"
    modload unregister gone
    modload export "$BATS_FILE_TMPDIR/file" # the registry has four bundles
}

setup() {
    world_setup
    cp -a "$BATS_FILE_TMPDIR/home" "$MODLOAD_HOME"
    cp "$BATS_FILE_TMPDIR/file" file
    here=$MODLOAD_HOME there=$PWD/there
    gone=$(<"$BATS_FILE_TMPDIR/gone")
    id=$(key_of v)
}

picture() (
    cd "${1:-$MODLOAD_HOME}" 2>/dev/null || return 0
    find . -mindepth 1 ! -path './locks*' -printf '%p %y %m %l\n' | sort
    find . -type f ! -path './locks*' ! -name build.json ! -name SHA256SUMS -exec sha256sum {} + | sort
    find . -name build.json -exec sed 's/"object":"packed"/"object":"built"/' {} + | sort | sha256sum
    find . -name SHA256SUMS -exec grep -v ' build.json$' {} + | sort | sha256sum
)

content() {
    rm -rf content
    mkdir content
    zstd -qdc "$1" | tar -t --warning=no-unknown-keyword
    zstd -qdc "$1" | tar -x -C content --warning=no-unknown-keyword
    picture content
}

unpacked() {
    rm -rf inside
    mkdir inside
    zstd -qdc file | tar -x -C inside --warning=no-unknown-keyword
    chmod -R u+w inside
}

packed() {
    (cd inside && tar -cP --sort=name "$@" -- *) | zstd -q >bad
}

refuses() {
    local home before
    for home in "$here" "$there"; do
        export MODLOAD_HOME=$home
        before=$(modload list && picture)
        [ "$home" = "$here" ] || rm -rf "$there"
        ml import "$2"
        assert_exit "$1"
        assert_no_stdout
        assert_stderr_has "modload: ${3-}"
        assert_equal "$(litter)" ""
        if [ "$home" = "$here" ]; then
            assert_equal "$(modload list && picture)" "$before"
        else
            assert_equal "$(modload list --removed)" ""
            assert_equal "$(find "$there"/{bundles,entries,history,names} -mindepth 1)" ""
        fi
    done
    export MODLOAD_HOME=$here
}

given_other() {
    export MODLOAD_HOME=$there
    modload register --name "${1:-v}" "$id" -e 'int v(void) { return 9; }' >/dev/null 3>&-
    own=$(modload lookup "$id")
}
