#!/usr/bin/env bash
# Builds the image of ../Dockerfile and runs what it made the way a platform would, without a container engine.
#
#   image/test.sh        on Debian, as root or with sudo, with the project's Rust toolchain
#
# The build is buildah's, in its chroot isolation, from stand-ins for the two base images (bases.sh says how they
# differ from the real ones). It is offline: the crates come from this machine's cargo registry. What runs the image
# is container.sh. The port, the command, the folder and the variables are the image's; health path, disk
# and pre-deploy command are render.yaml's.
#
# Base images and the layers of earlier builds are kept in FUNCTION_ROUTER_CACHE (default ~/.cache/function-router).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cargo fetch --locked --quiet
if [[ $EUID -ne 0 ]]; then exec sudo -n --preserve-env env HOME="$HOME" PATH="$PATH" image/test.sh; fi
source .ci/packages.sh
source image/bases.sh
source image/container.sh
source image/user.sh

readonly UNPRIVILEGED=65532
readonly MAX_BINARY_MB=20 MAX_IMAGE_MB=60
# Layers of earlier builds are thrown away beyond this.
readonly MAX_CACHE_GB=20

cache=${FUNCTION_ROUTER_CACHE:-$HOME/.cache/function-router}
work=$(mktemp -d)
passed=0 failed=0

main() {
    need buildah buildah
    need debootstrap debootstrap
    need curl curl
    need ip iproute2
    need openssl openssl
    need pgrep procps
    need python3 python3
    choose_storage
    trap 'rm -rf "$work"' EXIT

    build
    read_settings
    report_sizes

    check "the image holds the router and its manifest, and nothing else of ours" holds_two_files
    check "the binary is at most $MAX_BINARY_MB MB and the image at most $MAX_IMAGE_MB MB" fits
    check "started as root on a disk of root's, it serves as uid $UNPRIVILEGED" serves_on_a_disk_of_root
    check "started as root, it owns what a service of root's left on the disk" takes_over_files_of_root
    check "started as uid $UNPRIVILEGED on a disk of its own, it serves" serves_on_a_disk_of_its_own
    check "started as uid $UNPRIVILEGED on a disk it cannot write, it refuses and says what to do" refuses_an_unwritable_disk
    check "a signed-in user's upload is on the disk, and comes back" keeps_an_upload
    check "on Render without a disk, it refuses and names the variable" refuses_render_without_a_disk
    check "on SIGTERM, it stops with status 0" stops_on_sigterm
    check "the pre-deploy command of render.yaml passes without the disk" pre_deploy_passes

    echo "$passed passed, $failed failed"
    [[ $failed -eq 0 ]]
}

# check NAME COMMAND…: runs COMMAND in a shell of its own with a fresh container, which is gone afterwards.
check() {
    local name=$1 status
    shift
    set +e
    (
        set -e
        new_root
        holder=
        trap 'kill_container; remove_root' EXIT
        "$@"
    ) >"$work/output" 2>&1
    status=$?
    set -e
    if [[ $status -eq 0 ]]; then
        passed=$((passed + 1))
        echo "ok      $name"
    else
        failed=$((failed + 1))
        echo "FAILED  $name"
        sed 's/^/        /' "$work/output"
    fi
}

# --- the build ---------------------------------------------------------------------------------------------

# Kept apart from any other storage of this machine's. Where the kernel cannot lay one layer over another, vfs
# copies them whole: it works everywhere and is too large to keep.
choose_storage() {
    local driver=${STORAGE_DRIVER:-}
    if [[ -z $driver ]]; then
        driver=$(can_overlay && echo overlay || echo vfs)
    fi
    mkdir -p "$cache"
    keep_layers=$([[ $driver == vfs ]] && echo false || echo true)
    storage=$cache/containers-$driver
    export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=$driver CONTAINERS_STORAGE_CONF=$cache/$driver.conf
    printf '[storage]\ndriver = "%s"\ngraphroot = "%s"\nrunroot = "%s"\n' \
        "$driver" "$storage" "$cache/run-$driver" >"$CONTAINERS_STORAGE_CONF"
}

can_overlay() {
    local probe=$work/overlay
    mkdir -p "$probe"/{lower,upper,work,merged}
    mount -t overlay -o "lowerdir=$probe/lower,upperdir=$probe/upper,workdir=$probe/work" overlay \
        "$probe/merged" 2>/dev/null && umount "$probe/merged"
}

# One build at a time: the storage is shared by every checkout on this machine.
build() {
    local lock started=$SECONDS
    exec {lock}>"$cache/lock"
    flock "$lock"
    if [[ -e $storage ]] && (($(du --summarize --block-size=1G "$storage" | cut -f1) > MAX_CACHE_GB)); then
        buildah rmi --all --force >/dev/null
    fi
    make_bases
    printf '[net]\noffline = true\n' >"$work/cargo-config.toml"
    if ! buildah build --layers="$keep_layers" --force-rm --pull-never --iidfile "$work/image" \
        --volume "${CARGO_HOME:-$HOME/.cargo}/registry:/usr/local/cargo/registry" \
        --volume "$work/cargo-config.toml:/usr/local/cargo/config.toml:ro" . >"$work/build.log" 2>&1; then
        cat "$work/build.log"
        return 1
    fi
    flock --unlock "$lock"
    exec {lock}>&-
    echo "built in $((SECONDS - started)) s"
}

read_settings() {
    image=$(<"$work/image")
    mapfile -t image_variables < <(lines_of_image Env)
    mapfile -t image_command < <(lines_of_image Entrypoint && lines_of_image Cmd)
    image_folder=$(of_image '{{.OCIv1.Config.WorkingDir}}')
    port=$(printf '%s\n' "${image_variables[@]}" | sed -n 's/^PORT=//p')
    health_path=$(of_render healthCheckPath)
    disk_path=$(of_render mountPath)
    read -ra pre_deploy < <(of_render preDeployCommand)
}

of_image() { buildah inspect --type image --format "$1" "$image"; }

lines_of_image() { of_image "{{range .OCIv1.Config.$1}}{{println .}}{{end}}" | sed '/^$/d'; }

of_render() { sed -nE "s/^ +$1: *//p" render.yaml | grep .; }

report_sizes() {
    new_root
    image_bytes=$(du --summarize --bytes "$root" | cut -f1)
    binary_bytes=$(stat --format %s "$root/app/router")
    remove_root
    # For the benchmark's table.
    echo "$image_bytes" >"$cache/image_bytes"
    echo "image $(megabytes "$image_bytes") MB uncompressed, of which the binary is $(megabytes "$binary_bytes") MB"
}

megabytes() { printf '%d.%d' $(($1 / 1000000)) $(($1 / 100000 % 10)); }

# --- what must hold ----------------------------------------------------------------------------------------

holds_two_files() {
    local expected=$'/app\n/app/manifest.toml\n/app/router'
    diff <(echo "$expected") <(find "$root/app" -printf '/app/%P\n' | sed 's:/$::' | sort)
}

fits() {
    echo "binary $binary_bytes bytes, image $image_bytes bytes"
    ((binary_bytes <= MAX_BINARY_MB * 1000000 && image_bytes <= MAX_IMAGE_MB * 1000000))
}

serves_on_a_disk_of_root() {
    new_disk 0
    start 0 "$disk"
    is_unprivileged
    has_written
}

takes_over_files_of_root() {
    new_disk 0
    install --directory --mode=0700 "$disk/user_chunks/alice"
    echo '{}' >"$disk/user_chunks/alice/chunk.json"
    chmod 0600 "$disk/user_chunks/alice/chunk.json"
    start 0 "$disk"
    belongs_to_the_unprivileged "$disk" "$disk"/user_chunks{,/alice,/alice/chunk.json}
}

serves_on_a_disk_of_its_own() {
    new_disk "$UNPRIVILEGED"
    start "$UNPRIVILEGED" "$disk"
    is_unprivileged
    has_written
}

keeps_an_upload() {
    local api=http://127.0.0.1:$port/api/v1/chunks chunk=$work/chunk.bin stored
    new_disk 0
    start 0 "$disk"
    sign_in alice
    head --bytes 1048576 /dev/urandom >"$chunk"
    request "$api/upload_chunk/alice" --header "Authorization: Bearer $token" --form "file=@$chunk"
    stored=$disk/user_chunks/alice/chunk.bin
    cmp "$chunk" "$stored"
    belongs_to_the_unprivileged "$stored"
    request "$api/download_chunk/alice/chunk.bin" --header "Authorization: Bearer $token" | cmp "$chunk" -
}

refuses_an_unwritable_disk() {
    new_disk 0
    finishes "$UNPRIVILEGED" "$disk" "RENDER_DISK_BASE_PATH=$disk_path" -- "${image_command[@]}"
    has_failed
    said "$disk_path" "chown|$UNPRIVILEGED"
}

refuses_render_without_a_disk() {
    finishes 0 "" RENDER=true -- "${image_command[@]}"
    has_failed
    said RENDER_DISK_BASE_PATH
}

stops_on_sigterm() {
    local status=0
    new_disk 0
    start 0 "$disk"
    kill -TERM "$router"
    ended
    wait "$holder" || status=$?
    holder=
    cat "$work/log"
    echo "status $status"
    [[ $status -eq 0 ]]
}

# Render runs it in a container without the disk, and with the service's variables.
pre_deploy_passes() {
    finishes 0 "" RENDER=true "RENDER_DISK_BASE_PATH=$disk_path" -- "${pre_deploy[@]}"
    [[ $status -eq 0 ]]
}

# By its own decision: 101 is a panic, 126 and above are a command not found or a signal.
has_failed() { [[ $status -ne 0 && $status -ne 101 && $status -lt 126 ]]; }

# All four of the router's uids and gids are the unprivileged ones; it has no other group and no capability.
is_unprivileged() {
    local id=$UNPRIVILEGED none=0000000000000000
    diff <(printf '%s\n' "Uid: $id $id $id $id" "Gid: $id $id $id $id" Groups: "CapPrm: $none" "CapEff: $none") \
        <(sed -nE '/^(Uid|Gid|Groups|CapPrm|CapEff):/ { s/[[:space:]]+/ /g; s/ $//; p }' "/proc/$router/status" |
            sed "s/^Groups: $id\$/Groups:/")
}

has_written() {
    if [[ -z $(find "$disk" -type f -user "$UNPRIVILEGED") ]]; then
        echo "uid $UNPRIVILEGED wrote nothing on the disk"
        return 1
    fi
}

belongs_to_the_unprivileged() {
    local path
    for path in "$@"; do
        if [[ $(stat --format %u "$path") != "$UNPRIVILEGED" ]]; then
            echo "$path belongs to uid $(stat --format %u "$path")"
            return 1
        fi
    done
}

main "$@"
