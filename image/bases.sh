# Sourced by test.sh: makes the two base images that ../Dockerfile names, out of Debian packages and this machine's
# Rust toolchain, because no container registry can be assumed where the tests run.
#
# What they share with the originals: the Debian release, the same Debian packages (so the same gcc, glibc and
# libgcc, and the same things missing: no cmake, no C++ compiler, no shell in the final image), the same
# environment variables, the compiler's version, and the `nonroot` user 65532. What differs: no rustup, and file by
# file the final base is what its packages unpack to, a few hundred kilobytes of documentation more or less.

readonly BUILD_BASE=docker.io/library/rust:1.95-slim-bookworm
readonly FINAL_BASE=gcr.io/distroless/cc-debian12
readonly BUILD_BASE_PACKAGES=ca-certificates,gcc,libc6-dev
readonly FINAL_BASE_PACKAGES=(base-files netbase tzdata media-types libc6 libssl3 gcc-12-base libgcc-s1 libgomp1
    libstdc++6)

# A base that exists is kept, unless the machine's compiler is another than the one inside.
make_bases() {
    local compiler
    compiler=$(rustc --version)
    if [[ $compiler != "rustc 1.95."* ]]; then
        echo "$BUILD_BASE has rustc 1.95, and this machine has $compiler: its image would not be the real one" >&2
        return 1
    fi
    if [[ $(label_of "$BUILD_BASE") != "$compiler" ]]; then make_build_base "$compiler"; fi
    if [[ $(label_of "$FINAL_BASE") != "$compiler" ]]; then make_final_base "$compiler"; fi
}

label_of() {
    buildah inspect --type image --format '{{index .OCIv1.Config.Labels "made-with"}}' "$1" 2>/dev/null || true
}

make_build_base() {
    local container root sysroot
    echo "making $BUILD_BASE"
    container=$(buildah from scratch)
    root=$(buildah mount "$container")
    debootstrap --variant=minbase --include="$BUILD_BASE_PACKAGES" bookworm "$root" http://deb.debian.org/debian \
        >"$cache/debootstrap.log"
    sysroot=$(rustc --print sysroot)
    cp -a "$sysroot/bin" "$sysroot/lib" "$root/usr/local/"
    mkdir -p "$root/usr/local/cargo/registry"
    buildah config --env CARGO_HOME=/usr/local/cargo --label "made-with=$1" "$container"
    buildah commit --quiet --rm "$container" "$BUILD_BASE" >/dev/null
}

# The packages are fetched by the apt of the build base, so that they are bookworm's on any machine.
make_final_base() {
    local container root builder builder_root package
    echo "making $FINAL_BASE"
    container=$(buildah from scratch)
    root=$(buildah mount "$container")
    builder=$(buildah from --pull-never "$BUILD_BASE")
    builder_root=$(buildah mount "$builder")
    cp -L /etc/resolv.conf "$builder_root/etc/resolv.conf"
    mkdir "$builder_root/packages"
    chroot "$builder_root" sh -c 'cd /packages && apt-get -qq update && apt-get -qq -o APT::Sandbox::User=root download "$@"' \
        sh "${FINAL_BASE_PACKAGES[@]}"
    # base-files first: the other packages unpack into the folders that it lays out.
    for package in "$builder_root"/packages/base-files_*.deb "$builder_root"/packages/*.deb; do
        dpkg-deb --extract "$package" "$root"
    done
    mkdir -p "$root/etc/ssl/certs" "$root/home/nonroot" "$root/tmp" "$root/var/tmp"
    cp "$builder_root/etc/ssl/certs/ca-certificates.crt" "$root/etc/ssl/certs/"
    chmod 1777 "$root/tmp" "$root/var/tmp"
    chown 65532:65532 "$root/home/nonroot"
    printf '%s\n' root:x:0:0:root:/root:/sbin/nologin \
        nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin \
        nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin >"$root/etc/passwd"
    printf '%s\n' root:x:0: nobody:x:65534: tty:x:5: staff:x:50: nonroot:x:65532: >"$root/etc/group"
    echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
    buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        --env SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt --user 0 --workingdir / --label "made-with=$1" \
        "$container"
    buildah commit --quiet --rm "$container" "$FINAL_BASE" >/dev/null
    buildah rm "$builder" >/dev/null
}
