# Sourced by the project's scripts: installs the Debian packages that are missing, so that a bare machine with
# Rust on it is a place to start from.

PATH=$PATH:/usr/sbin:/sbin

# need COMMAND PACKAGE: installs PACKAGE unless COMMAND is there already. COMMAND may be a path, with wildcards.
need() {
    if ! command -v "$1" >/dev/null && ! compgen -G "$1" >/dev/null; then install_package "$2"; fi
}

install_package() {
    local package=$1 apt=(apt-get)
    if [[ $EUID -ne 0 ]]; then apt=(sudo -n apt-get); fi
    echo "installing the Debian package $package"
    export DEBIAN_FRONTEND=noninteractive
    if ! { "${apt[@]}" -qq update && "${apt[@]}" -qq install --no-install-recommends "$package"; } >/dev/null 2>&1; then
        echo "it cannot be installed from here: install it and run this again" >&2
        return 1
    fi
}
