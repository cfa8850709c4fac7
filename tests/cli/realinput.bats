#!/usr/bin/env bats
# Goal of this test: sources that nobody here wrote compile unchanged and can be called; large and spread-out ones too.

load helpers
load plugins
load repos

setup() {
    world_setup
    id=$(modload uuid)
}

# runs FUNCTION ARG... RESULT
runs() {
    ml run "$id" "${@:1:$#-1}"
    assert_ok
    assert_stdout "${*: -1}"
    assert_no_stderr
}

@test "realinput: stb_divide.h, divisions that round as one asks" {
    ml compile -D STB_DIVIDE_IMPLEMENTATION /usr/include/stb/stb_divide.h
    assert_ok
    assert_no_stderr
    bundle=${output%% *}
    modload register "$id" "$bundle"
    runs stb_div_trunc -7 2 -3
    runs stb_div_floor -7 2 -4
    runs stb_div_eucl -7 2 -4
    runs stb_div_eucl -7 -2 4
    runs stb_mod_trunc -7 2 -1
    runs stb_mod_floor -7 -2 -1
    runs stb_mod_eucl -7 2 1
    for a in -9 -1 0 5 1000000007; do
        for b in -3 2 7; do
            q=$(modload exec "$id" stb_div_eucl $a $b) r=$(modload exec "$id" stb_mod_eucl $a $b)
            [ $((q * b + r)) -eq $a ]
            [ "$r" -ge 0 ]
        done
    done
}

@test "realinput: stb_perlin.h, the same noise as when it is compiled into a program" {
    cat >direct.c <<'EOF'
#define STB_PERLIN_IMPLEMENTATION
#include <stb/stb_perlin.h>
#include <stdio.h>
int main(void)
{
    for (int i = 1; i <= 4; i++)
        printf("%.9g %.9g\n", stb_perlin_noise3(i * 0.3f, i * 0.7f, i * 1.1f, 0, 0, 0),
               stb_perlin_fbm_noise3(i * 0.3f, i * 0.7f, i * 1.1f, 2, 0.5f, 6));
}
EOF
    cc -O2 -o direct direct.c
    ./direct >expected
    modload register "$id" -D STB_PERLIN_IMPLEMENTATION /usr/include/stb/stb_perlin.h
    for i in 1 2 3 4; do
        read -r noise fbm < <(sed -n "${i}p" expected)
        point=$(awk "BEGIN { print $i * 0.3, $i * 0.7, $i * 1.1 }")
        # shellcheck disable=SC2086
        ml run "$id" stb_perlin_noise3 $point 0 0 0
        assert_ok
        assert_no_stderr
        awk "BEGIN { d = $output - $noise; exit !(d < 1e-5 && d > -1e-5) }"
        # shellcheck disable=SC2086
        ml run "$id" stb_perlin_fbm_noise3 $point 2 0.5 6
        assert_ok
        awk "BEGIN { d = $output - $fbm; exit !(d < 1e-5 && d > -1e-5) }"
    done
}

@test "realinput: xxhash.h, the same sums as the library that Debian built" {
    cat >direct.c <<'EOF'
#include <stdio.h>
#include <string.h>
#include <xxhash.h>
int main(int argc, char **argv)
{
    size_t n = strlen(argv[1]);
    printf("%u %llu %llu\n", XXH32(argv[1], n, 7), (unsigned long long)XXH64(argv[1], n, 7),
           (unsigned long long)XXH3_64bits(argv[1], n));
}
EOF
    cc -o direct direct.c -lxxhash
    ml register "$id" -D XXH_STATIC_LINKING_ONLY -D XXH_IMPLEMENTATION /usr/include/xxhash.h
    assert_ok
    assert_no_stdout
    assert_stderr_has "not callable: XXH64_reset: parameter 'statePtr' is a pointer to XXH64_state_t"
    for text in '' a 'some text' "$(seq 1000)" $'\xff\xfe'; do
        read -r x32 x64 x3 < <(./direct "$text")
        runs XXH32 "$text" 7 "$x32"
        runs XXH64 "$text" 7 "$x64"
        runs XXH3_64bits "$text" "$x3"
    done
    runs XXH64 '' 0 17241709254077376921 # ef46db3751d8e999, as the specification has it
    runs XXH32 '' 0 46947589             # 02cc5d05
}

@test "realinput: xxhsum agrees" {
    command -v xxhsum >/dev/null || skip "xxhsum is not installed"
    modload register "$id" -D XXH_STATIC_LINKING_ONLY -D XXH_IMPLEMENTATION /usr/include/xxhash.h 2>/dev/null
    sum=$(printf %s "some text" | xxhsum -H1)
    runs XXH64 "some text" 0 "$(printf '%u' "0x${sum%% *}")"
}

@test "realinput: a plugin of 2000 functions compiles and lists" {
    seq 2000 | sed "s,.*,/* number & */\nlong f&(long n) { return n + &; }," >many.c
    ml register "$id" many.c
    assert_ok
    assert_no_stderr
    ml info --json "$id"
    assert_ok
    assert_equal "$(json '.data.functions|length')" 2000
    assert_equal "$(json '.data.functions|map(select(.name=="f1234"))|.[0]|[.signature,.doc]|join("|")')" \
        "f1234(n: int64) -> int64|number 1234"
    ml info "$id"
    assert_ok
    assert_equal "$(grep -c '^  f[0-9]*(n: int64) -> int64$' <<<"$output")" 2000
    runs f1 1 2
    runs f2000 1 2001
    runs f999 -999 0
    ml exec "$id" f2001 1
    assert_exit 127
}

@test "realinput: a header-only library in a directory" {
    mkdir divide
    cp /usr/include/stb/stb_divide.h divide/
    ml register "$id" -D STB_DIVIDE_IMPLEMENTATION divide
    assert_ok
    assert_no_stdout
    runs stb_div_floor -7 2 -4
}

@test "realinput: a library of several files in a directory" {
    mkdir -p sums/src sums/include
    cp /usr/include/xxhash.h /usr/include/stb/stb_divide.h sums/include
    printf '#define XXH_STATIC_LINKING_ONLY\n#define XXH_IMPLEMENTATION\n#include "xxhash.h"\n' >sums/src/hash.c
    printf '#define STB_DIVIDE_IMPLEMENTATION\n#include "stb_divide.h"\n' >sums/src/divide.c
    cat >sums/src/bucket.c <<'EOF'
#include <stdint.h>
#include <string.h>
#include "xxhash.h"
int stb_mod_eucl(int value1, int value2);
int bucket(const char *text, int n)
{
    return stb_mod_eucl((int)XXH32(text, strlen(text), 0), n);
}
EOF
    cat >sums/modload.json <<'EOF'
{"name": "sums", "version": "0.8.1", "sources": ["src/*.c"], "include": ["include"]}
EOF
    ml register "$id" sums
    assert_ok
    ml info --json sums
    assert_ok
    for name in bucket XXH64 stb_div_floor; do
        jq -e --arg n $name '.data.functions|map(.name)|index($n)' <<<"$output" >/dev/null || fail "no $name"
    done
    runs stb_div_floor -7 2 -4
    ml run "$id" bucket abc 10
    assert_ok
    [ "$output" -ge 0 ] && [ "$output" -lt 10 ]
}

@test "realinput: a repository of libraries as they are, served bare, in two homes by one lock" {
    repos_setup
    mkdir -p work/{xxhash,divide}/src work/stb
    cp /usr/include/stb/*.h work/stb # more than two MiB that nothing of it needs
    cp /usr/include/xxhash.h work/xxhash
    cp /usr/include/stb/stb_divide.h work/divide
    printf '#define XXH_STATIC_LINKING_ONLY\n#define XXH_IMPLEMENTATION\n#include "../xxhash.h"\n' >work/xxhash/src/x.c
    printf '#define STB_DIVIDE_IMPLEMENTATION\n#include "../stb_divide.h"\n' >work/divide/src/d.c
    for name in xxhash divide; do
        jq -n --arg name $name '{name: $name, version: "1.0.0", license: "MIT", sources: ["src/*.c"]}' >work/$name/modload.json
    done
    repo_commit work v1.0.0
    printf '\n/* The end. */\n' >>work/divide/stb_divide.h
    repo_commit work v1.1.0
    git clone -q --bare work libs.git
    serve_git
    jq -n --arg git "$served/libs.git" '{plugins: {xxhash: {git: $git, path: "xxhash", version: "^1"},
        divide: {git: $git, path: "divide", ref: "v1.0.0"}}}' >modload.json
    ml sync --yes
    assert_ok
    lock=$(<modload.lock)
    first=$(modload list --json | jq -c '[.data.entries[].bundle] | sort')
    export MODLOAD_HOME=$PWD/home2 XDG_CACHE_HOME=$PWD/cache2
    ml sync --frozen
    assert_ok
    assert_equal "$(modload list --json | jq -c '[.data.entries[].bundle] | sort')" "$first"
    assert_equal "$(<modload.lock)" "$lock"
    serve_end
    ml run --release xxhash XXH64 '' 0
    assert_stdout 17241709254077376921
    ml run --release divide stb_div_floor -7 2
    assert_stdout -4
}
