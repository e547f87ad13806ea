#!/usr/bin/env bash
# The test command.
#
#   ./test.sh        everything: what a change must pass
#   ./test.sh fast   what is worth running at every edit: format, lints, unit and black-box tests
#
# It starts from a bare Debian with Rust and installs what is missing. The last line counts: every test is one, and so
# is a step that has no tests in it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source .ci/packages.sh

readonly CARGO_DENY=0.20.2
readonly ADVISORIES=https://github.com/RustSec/advisory-db

# Outside the checkout, so that a fresh clone does not build the tools again.
tools=${FUNCTION_ROUTER_CACHE:-$HOME/.cache/function-router}/tools
log=$(mktemp)
trap 'rm -f "$log"' EXIT
passed=0 failed=0

main() {
    local which=${1:-all}
    if [[ $# -gt 1 || ($which != all && $which != fast) ]]; then
        echo "usage: ./test.sh [fast]" >&2
        exit 2
    fi

    install_packages
    step "format" check_format
    step "lints" cargo clippy --locked --workspace --all-targets -- -D warnings
    step "tests" cargo test --locked --workspace --no-fail-fast
    if [[ $which == all ]]; then
        step "adding a function" cargo test --locked --workspace --test adding_a_function -- --include-ignored
        step "instructions" cargo run --locked --release --quiet --package guard
        step "behind a pooler" behind_a_pooler
        step "crashes" cargo test --locked --workspace --test crash -- --ignored
        step "clients" clients/run.sh
        step "fuzzing" fuzz/run.sh 20
        step "documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps
        step "dependencies" check_dependencies
        step "image" image/test.sh
    fi
    finish
}

# The SQLite and cryptography crates build C; the database tests start servers of their own; the media tests make
# their files; the guard counts instructions; tests of the end of a process send it signals with `kill`.
install_packages() {
    need cc build-essential
    need ffmpeg ffmpeg
    need git git
    need '/usr/lib/postgresql/*/bin/initdb' postgresql
    need pgbouncer pgbouncer
    need pgrep procps
    need strace strace
    need valgrind valgrind
}

# By name: `cargo fmt` does not follow the modules that functions/build.rs declares. The files git would take are
# asked for, so that a new one counts before it is added.
check_format() {
    local file files=()
    while IFS= read -r -d '' file; do
        if [[ -e $file ]]; then files+=("$file"); fi
    done < <(git ls-files -z --cached --others --exclude-standard '*.rs')
    rustfmt --check --edition 2024 "${files[@]}"
}

# What was tested on PostgreSQL itself, through PgBouncer in transaction mode: the contract of the database, the
# functions' tables, and every test of the product that has a variant `postgres`.
behind_a_pooler() {
    TEST_BEHIND_POOLER=1 cargo test --locked --workspace --lib --test router -- \
        database::tests:: tables:: postgres:: network_faults
}

# Advisories are a repository to be fetched. A machine that cannot reach it still checks everything else.
check_dependencies() {
    local checks=(bans licenses sources)
    if [[ $("$tools/bin/cargo-deny" --version 2>/dev/null) != "cargo-deny $CARGO_DENY" ]]; then
        cargo install cargo-deny --locked --quiet --version "$CARGO_DENY" --root "$tools"
    fi
    if GIT_TERMINAL_PROMPT=0 timeout 30 git ls-remote --quiet --exit-code "$ADVISORIES" HEAD >/dev/null 2>&1; then
        checks+=(advisories)
    else
        echo "advisories skipped: $ADVISORIES is not reachable"
    fi
    "$tools/bin/cargo-deny" check --hide-inclusion-graph "${checks[@]}"
}

# step NAME COMMAND…: runs COMMAND, shows it and its time, and counts what it tested. A failure ends the run.
step() {
    local name=$1 started=$SECONDS status=0
    shift
    printf '\n=== %s\n' "$name"
    set +e
    (set -e; "$@") 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    set -e
    if ! count "$status"; then
        printf '\n=== %s FAILED after %d s; of its output:\n' "$name" $((SECONDS - started))
        show_failures
        finish
    fi
    printf '=== %s: %d s\n' "$name" $((SECONDS - started))
}

# A failure may lie thousands of lines above the end.
show_failures() {
    grep -E -A 6 '^test .* FAILED$|^FAILED|^not ok|panicked at|^error' "$log" | cut -c 1-300 | tail -n 60 || true
}

# The lines `test result: ok. 3 passed; 0 failed; …` of cargo and `3 passed, 0 failed` of our own scripts.
count() {
    local status=$1 reports ok bad
    read -r reports ok bad < <(
        sed -nE "s/^(test result: [A-Za-z]+\. )?([0-9]+) passed[;,] ([0-9]+) failed.*/\2 \3/p" "$log" |
            awk '{ ok += $1; bad += $2 } END { print NR, ok + 0, bad + 0 }'
    )
    if [[ $reports -eq 0 && $status -eq 0 ]]; then ok=1; fi
    if [[ $ok -eq 0 && $status -eq 0 ]]; then
        echo "no test ran"
        status=1
    fi
    if [[ $bad -eq 0 && $status -ne 0 ]]; then bad=1; fi
    passed=$((passed + ok)) failed=$((failed + bad))
    return "$status"
}

finish() {
    printf '\n%d passed, %d failed\n' "$passed" "$failed"
    exit $((failed > 0))
}

main "$@"
