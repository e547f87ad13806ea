#!/usr/bin/env bash
# Runs Google's conformance client for Functions Frameworks against these functions.
#
#   examples/conformance/check.sh CLIENT [OPTION…]     for example: check.sh ~/go/bin/client -buildpacks=false
#
# Ends with a line that counts the checks of the client that passed, and those that failed.
set -euo pipefail
[[ $# -gt 0 ]] || { echo "usage: $0 CLIENT [OPTION…]" >&2; exit 2; }
client=("$@")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cargo build --quiet --locked --manifest-path "$root/Cargo.toml" --package conformance
target=${CARGO_TARGET_DIR:-$root/target}

# What the functions write, and what the server keeps.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
passed=0 failed=0

# check FUNCTION OPTION…
check() {
    local name=$1
    shift
    printf '%s: ' "$name"
    if "${client[@]}" -cmd="$target/debug/conformance dev" -envs="FUNCTION_TARGET=$name" "$@" >client.log 2>&1; then
        passed=$((passed + 1))
        tail -n 1 client.log
    else
        failed=$((failed + 1))
        echo FAILED
        tail -n 20 client.log
    fi
}

check write_http -type=http
check write_cloud_event -type=cloudevent -validate-mapping=true
check echo_typed -type=http -declarative-type=typed
check concurrent_http -type=http -validate-concurrency=true
check concurrent_cloud_event -type=cloudevent -validate-concurrency=true
check concurrent_typed -type=http -declarative-type=typed -validate-concurrency=true

printf '%d passed, %d failed\n' "$passed" "$failed"
exit $((failed > 0))
