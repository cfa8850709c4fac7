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
