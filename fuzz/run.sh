#!/usr/bin/env bash
# Fuzzes what reads the bytes of strangers, from the seeds and from what earlier runs found.
#
#   fuzz/run.sh SECONDS [TARGET…]    each target for so long, one on each core
#
# An input that breaks a target is kept in fuzz/artifacts. cargo-fuzz and what it builds are kept in
# FUNCTION_ROUTER_CACHE (default ~/.cache/function-router).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source ../.ci/packages.sh

readonly CARGO_FUZZ=0.13.2
# libFuzzer and AddressSanitizer ask for options of rustc that are unstable: with this the project's own
# toolchain has them.
export RUSTC_BOOTSTRAP=1

cache=${FUNCTION_ROUTER_CACHE:-$HOME/.cache/function-router}
platform=$(rustc -vV | sed -n 's/^host: //p')
export binaries=$cache/fuzz/$platform/release

main() {
    if [[ ! ${1:-} =~ ^[0-9]+$ ]]; then
        echo "usage: fuzz/run.sh SECONDS [TARGET…]" >&2
        exit 2
    fi
    export seconds=$1
    shift
    local targets=("$@")
    if [[ $# -eq 0 ]]; then targets=(fuzz_targets/*.rs); fi
    build
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I{} bash -c 'fuzz "$(basename {} .rs)"' | tee "$log"
    local failed
    failed=$(grep -c '^not ok' "$log" || true)
    echo "$((${#targets[@]} - failed)) passed, $failed failed"
    [[ $failed -eq 0 ]]
}

build() {
    need cc build-essential
    local tools=$cache/tools
    if [[ $("$tools/bin/cargo-fuzz" --version 2>/dev/null) != "cargo-fuzz $CARGO_FUZZ" ]]; then
        cargo install cargo-fuzz --locked --quiet --version "$CARGO_FUZZ" --root "$tools"
    fi
    check_versions
    PATH=$tools/bin:$PATH cargo fuzz build --fuzz-dir . --target "$platform" --target-dir "$cache/fuzz"
}

# What is fuzzed is what is shipped. cargo-fuzz would bring its Cargo.lock up to date and say nothing.
check_versions() {
    local others
    cargo metadata --locked --format-version 1 >/dev/null
    others=$(comm -23 <(packages Cargo.lock) <(packages ../Cargo.lock) | grep -vE '"(arbitrary|fuzz|libfuzzer-sys)"' || true)
    if [[ -n $others ]]; then
        echo "fuzz/Cargo.lock has versions that Cargo.lock has not:" $others >&2
        echo "copy Cargo.lock over it and run cargo metadata in fuzz" >&2
        return 1
    fi
}

packages() {
    awk '/^name = /{ name = $3 } /^version = /{ print name, $3 }' "$1" | sort
}

# What is read of a file takes memory in proportion to limits of the product: those of libFuzzer are wider.
fuzz() {
    local target=$1 log options=()
    log=$(mktemp)
    mkdir -p "corpus/$target" "artifacts/$target"
    if [[ -e dictionaries/$target ]]; then options+=("-dict=dictionaries/$target"); fi
    if "$binaries/$target" -max_total_time="$seconds" -timeout=60 -rss_limit_mb=1024 -detect_leaks=0 \
        -artifact_prefix="artifacts/$target/" "${options[@]}" "corpus/$target" "seeds/$target" >"$log" 2>&1; then
        echo "ok $target: $(sed -nE 's/^#([0-9]+)\s+DONE\s+(.*)/\1 runs, \2/p' "$log")"
    else
        echo "not ok $target"
        grep -E -A 3 'panicked at|ERROR: (libFuzzer|AddressSanitizer)' "$log" | head -n 12 | cut -c 1-300 || tail -n 12 "$log"
        sed -nE "s|.*Test unit written to (.*)|once more: $binaries/$target fuzz/\1|p" "$log"
        sed -nE 's|^Base64: (.*)|its input in base64: \1|p' "$log" | cut -c 1-4000
    fi
    rm -f "$log"
}
export -f fuzz

main "$@"
