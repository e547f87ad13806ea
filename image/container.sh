# Sourced by test.sh: runs the image the way a platform would. A container is a set of Linux namespaces: its own
# files; its own processes, of which the router is number 1; a network of its own, so that the image's port is free
# and nobody outside reaches it; and the capabilities that Docker gives.

# The default set of Docker and containerd.
readonly CAPABILITIES=$(printf %s -all ,+{audit_write,chown,dac_override,fowner,fsetid,kill,mknod} \
    ,+{net_bind_service,net_raw,setfcap,setgid,setpcap,setuid,sys_chroot})
# How long a container may take to do what is expected of it, in seconds: a bound for hangs, not a measure.
readonly PATIENCE=30

new_root() {
    container=$(buildah from --pull-never "$image")
    root=$(buildah mount "$container")
}

remove_root() { buildah rm "$container" >/dev/null; }

# new_disk OWNER: an empty disk that belongs to OWNER.
new_disk() {
    disk=$(mktemp -d "$work/disk.XXXXXX")
    chown "$1:$1" "$disk"
    chmod 0755 "$disk"
}

# run USER DISK [NAME=VALUE …] -- COMMAND…: becomes COMMAND in a container of the image, as USER, with the folder
# DISK as its disk ('' for none). The inner shell is the container's first process until it becomes COMMAND.
run() {
    local user=$1 disk=$2 variables=("${image_variables[@]}")
    shift 2
    while [[ $1 != -- ]]; do
        variables+=("$1")
        shift
    done
    shift
    exec unshare --mount --pid --net --ipc --uts --fork --kill-child bash -euc '
        user=$1 disk=$2 root=$3 folder=$4 capabilities=$5 disk_path=$6
        shift 6
        ip link set lo up
        mount -t proc proc "$root/proc"
        mount -t tmpfs tmpfs "$root/dev"
        for device in null zero random urandom; do
            touch "$root/dev/$device"
            mount --bind "/dev/$device" "$root/dev/$device"
        done
        if [[ -n $disk ]]; then
            mkdir -p "$root$disk_path"
            mount --bind "$disk" "$root$disk_path"
        fi
        enter=$(command -v unshare)
        exec setpriv --bounding-set "$capabilities" env --ignore-environment "${@:2:$1}" \
            "$enter" --root="$root" --wd="$folder" --setgid="$user" --setuid="$user" "${@:$1+2}"
    ' bash "$user" "$disk" "$root" "$image_folder" "$CAPABILITIES" "$disk_path" \
        "${#variables[@]}" "${variables[@]}" "$@"
}

# start USER DISK: the image's own command in the background, until it answers its health check. Leaves `holder`,
# the process to wait for, and `router`, the first process of the container.
start() {
    local variables=("RENDER_DISK_BASE_PATH=$disk_path" "FIREBASE_JWKS_URL=$KEYS_URL")
    (run "$1" "$2" "${variables[@]}" -- "${image_command[@]}") </dev/null >"$work/log" 2>&1 &
    holder=$!
    eventually answers
}

answers() {
    router=$(pgrep --parent "$holder") && request "http://127.0.0.1:$port$health_path" --output /dev/null
}

# eventually COMMAND…: runs COMMAND until it succeeds, while the container lives.
eventually() {
    local deadline=$((SECONDS + PATIENCE))
    until "$@" 2>"$work/last-try"; do
        if ! kill -0 "$holder" 2>/dev/null || ((SECONDS > deadline)); then
            echo "this never succeeded: $*"
            cat "$work/last-try" "$work/log"
            return 1
        fi
        sleep 0.1
    done
}

# finishes USER DISK [NAME=VALUE …] -- COMMAND…: runs COMMAND in a container until it ends by itself, shows what it
# said and leaves its `status`.
finishes() {
    status=0
    (run "$@") </dev/null >"$work/log" 2>&1 &
    holder=$!
    ended
    wait "$holder" || status=$?
    holder=
    cat "$work/log"
    echo "status $status"
}

# said TEXT…: the log has every TEXT, an extended regular expression.
said() {
    local text
    for text in "$@"; do
        if ! grep -qE "$text" "$work/log"; then
            echo "it does not say: $text"
            return 1
        fi
    done
}

# ended: waits until the container is gone.
ended() {
    local deadline=$((SECONDS + PATIENCE))
    while kill -0 "$holder" 2>/dev/null; do
        if ((SECONDS > deadline)); then
            echo "it is still running; its output:"
            cat "$work/log"
            return 1
        fi
        sleep 0.1
    done
}

# With its first process ends every other one. The holder alone would not do: a process that gives up root also
# gives up being killed with its parent.
kill_container() {
    if [[ -n $holder ]]; then
        pkill -KILL --parent "$holder" || kill -KILL "$holder" || true
        wait "$holder" || true
    fi 2>/dev/null
}
