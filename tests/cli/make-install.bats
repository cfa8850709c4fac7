#!/usr/bin/env bats
# Goal of this test: what `make install` puts in place works from there, and `make uninstall` takes all of it away.

load helpers

setup_file() {
    export PLACE=$BATS_FILE_TMPDIR/place
    make_it install
}

# The build is there, and is not to be touched while other tests use it.
make_it() {
    make --no-print-directory -C "$MODLOAD_ROOT" -o all BUILD="$MODLOAD_BUILD" DESTDIR="$PLACE" prefix=/opt/ml "$1"
}

# pkg-config, as if the place were the root of the machine
installed() {
    PKG_CONFIG_SYSROOT_DIR=$PLACE PKG_CONFIG_LIBDIR=$PLACE/opt/ml/lib/pkgconfig pkg-config "$@"
}

@test "make install: every part is where it belongs" {
    cd "$PLACE/opt/ml"
    [ -x bin/modload ]
    [ -x libexec/modload/modload-core ]
    [ -x libexec/modload/modload-worker ]
    [ -x libexec/modload/modload-fetch ]
    [ -f lib/libmodload.so.0 ]
    assert_equal "$(readlink lib/libmodload.so)" libmodload.so.0
    [ -f include/modload/plugin.h ]
    [ -f lib/pkgconfig/modload-plugin.pc ]
    [ -f share/modload/math/modload.json ]
    assert_equal "$(find "$PLACE" -type f -perm /022)" ""
    assert_equal "$(ls "$PLACE" "$PLACE/opt")" "$(printf '%s:\nopt\n\n%s:\nml' "$PLACE" "$PLACE/opt")"
}

@test "make install: the tool works from there" {
    PATH=$PLACE/opt/ml/bin:$PATH
    version=$(sed -n 's/^#define ML_VERSION "\(.*\)"/\1/p' "$MODLOAD_ROOT/lib/include/modload/modload.h")
    ml version --json
    assert_ok
    assert_equal "$(json .data.version)" "$version"
    assert_no_stderr
    ml run --release "$PLACE/opt/ml/share/modload/math" add 2 3
    assert_ok
    assert_stdout 5
}

@test "make install: pkg-config gives what compiles and links a program" {
    cat >key.c <<'EOF'
#include <modload/modload.h>
#include <stdio.h>

int main(void)
{
    struct ml_key key;
    char uuid[ML_UUID_SIZE];
    ml_key_generate(&key);
    ml_key_to_uuid(&key, uuid);
    puts(uuid);
    return 0;
}
EOF
    # shellcheck disable=SC2046
    cc -Wall -Werror -o key key.c $(installed --cflags --libs modload)
    uuid=$(LD_LIBRARY_PATH=$PLACE/opt/ml/lib ./key)
    ml uuid check "$uuid"
    assert_ok
    ml version --json
    assert_equal "$(installed --modversion modload)" "$(json .data.version)"
}

@test "make install: the library exports what is public, and nothing else" {
    exported=$(nm -D --defined-only "$PLACE/opt/ml/lib/libmodload.so.0" | awk '$2 != "A" { print $3 }')
    echo "$exported"
    [[ $exported == *ml_key_generate* ]]
    assert_equal "$(grep -v '^ml_' <<<"$exported")" ""
}

@test "make install: pkg-config gives authors of plugins the header and no library" {
    assert_equal "$(installed --libs modload-plugin)" ""
    printf '#include <modload/plugin.h>\nML_PLUGIN("p", "1.0.0")\nint f(void) { return 1; }\n' >p.c
    # shellcheck disable=SC2046
    cc -Wall -Wextra -Werror -fPIC -shared -o p.so p.c $(installed --cflags modload-plugin)
}

@test "make install: uninstall leaves no file, and no directory of ours" {
    make_it uninstall
    assert_equal "$(find "$PLACE" ! -type d)" ""
    assert_equal "$(find "$PLACE" -name 'modload*')" ""
    make_it install # for whoever comes next
}
