# shellcheck shell=bash
# Git repositories for tests of commands: plugins, and indexes of them. After `load helpers`.
#
#   repos_setup             HOME of the test's own, and nothing of the user's git
#   index_make DIR [NAME]   an empty index
#   index_plugin DIR NAME VERSION... [-- JQ]   (over)writes a plugin's file with these versions, by a jq filter, and
#                           commits; its git URL is file://$PWD/NAME
#   index_file NAME         where in an index a plugin is
#   plugin_make DIR NAME [VERSION [JQ]]   a plugin in a directory
#   repo_commit DIR [TAG]   commits all of it, and tags that
#   release DIR NAME VERSION CLONE   tags, publishes and pushes a version of a plugin, and updates the indexes
#   plugin_repo DIR         an empty repository for plugins
#   plugin_commit DIR VERSION [TEXT]   commits a plugin "calc" of this version, whose twice() doubles and whose tests say
#                           so, with TEXT in place of that function; tags it vVERSION
#   serve_git [BYTES]       serves the repositories of the working directory at $served (git://127.0.0.1:PORT), and is
#                           silent after so many bytes; a line in ./connections for each connection
#   serve_https             the same by https: $served, tests/lib/https-server.py has its paths, ./requests its requests;
#                           its authority is ca.pem
#   serve_end               ends them; each test that begins one ends with this
# shellcheck disable=SC2034

repos_setup() {
    export HOME=$BATS_TEST_TMPDIR/home
    export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
    export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@example.org
    mkdir -p "$HOME"
}

index_make() {
    git init -q -b main "$1"
    printf '{"format": 1, "name": "%s"}\n' "${2:-main}" >"$1/index.json"
    echo "An index." >"$1/README.md"
    git -C "$1" add -A
    git -C "$1" commit -q -m made
}

index_file() {
    local key
    key=$(tr 'A-Z_' 'a-z-' <<<"$1")
    case ${#key} in
    1 | 2) echo "${#key}/$key.json" ;;
    3) echo "3/${key:0:1}/$key.json" ;;
    *) echo "${key:0:2}/${key:2:2}/$key.json" ;;
    esac
}

index_plugin() {
    local dir=$1 name=$2 file versions=() filter=.
    shift 2
    while [ $# -gt 0 ]; do
        [ "$1" != -- ] || { filter=$2 && break; }
        versions+=("$1")
        shift
    done
    file=$dir/$(index_file "$name")
    mkdir -p "${file%/*}"
    jq -cn --arg name "$name" --arg git "file://$PWD/$name" \
        '{name: $name, description: "Does \($name).", license: "MIT", git: $git, path: "", versions: [$ARGS.positional[] |
        {version: ., tag: "v\(.)", commit: ("0123456789" * 4), tree: ("0123456789" * 4), source: ("h1:" + "A" * 43 + "="),
        published: "2026-11-26T15:00:00Z"}]} | '"$filter" --args "${versions[@]}" >"$file"
    git -C "$dir" add -A
    git -C "$dir" commit -q -m "$name"
}

plugin_make() {
    rm -rf "$1/src"
    mkdir -p "$1/src"
    printf 'double add(double a, double b) { return a + b; }\n' >"$1/src/$2.c"
    jq -n --arg name "$2" --arg version "${3:-1.0.0}" '{name: $name, version: $version, description: "Adds numbers.",
        license: "MIT", sources: ["src/*.c"], tests: [{call: "add", args: [2, 3], expect: 5}]} | '"${4:-.}" >"$1/modload.json"
}

repo_commit() {
    [ -d "$1/.git" ] || git init -q -b main "$1"
    git -C "$1" add -A
    git -C "$1" commit -q --allow-empty -m change
    [ $# -lt 2 ] || git -C "$1" tag "$2"
}

release() {
    plugin_make "$1" "$2" "$3"
    repo_commit "$1" "v$3"
    ml publish "$1" --index "$4" --url "file://$PWD/$1"
    assert_ok
    git -C "$4" push -q
    modload index update 2>/dev/null
}

plugin_repo() {
    git init -q -b main "$1"
}

plugin_commit() {
    local twice='/* Twice x. */
int twice(int x) { return 2 * x; }'
    mkdir -p "$1/src"
    printf '%s\n' "${3:-$twice}" >"$1/src/calc.c"
    jq -n --arg version "$2" '{name: "calc", version: $version, description: "Doubles.", license: "MIT",
        sources: ["src/*.c"], tests: [{call: "twice", args: [21], expect: 42}]}' >"$1/modload.json"
    git -C "$1" add -A
    git -C "$1" commit -q -m "$2"
    git -C "$1" tag "v$2"
}

serve() {
    local port
    mkfifo "port.$$"
    python3 "$@" >"port.$$" 2>/dev/null 3>&- &
    servers+=($!)
    read -r port <"port.$$"
    rm "port.$$"
    served_port=$port
}

serve_git() {
    serve "$MODLOAD_ROOT/tests/lib/git-server.py" "$PWD" "$@"
    served=git://127.0.0.1:$served_port
}

serve_https() {
    local key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2)
    openssl req -x509 "${key[@]}" -keyout ca.key -out ca.pem -subj "/CN=test authority" 2>/dev/null
    openssl req "${key[@]}" -keyout server.key -out server.csr -subj /CN=127.0.0.1 2>/dev/null
    openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 2 \
        -extfile <(echo "subjectAltName=DNS:127.0.0.1") 2>/dev/null
    serve "$MODLOAD_ROOT/tests/lib/https-server.py" "$PWD"
    served=https://127.0.0.1:$served_port
}

serve_end() {
    local pid
    for pid in "${servers[@]}"; do
        kill -KILL "$pid" 2>/dev/null || :
        wait "$pid" 2>/dev/null || :
    done
    servers=()
}
