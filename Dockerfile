# The image: one binary and its manifest on a base that has glibc, libgcc and nothing to log in with.
# `image/test.sh` builds this file and runs what it makes.

FROM docker.io/library/rust:1.95-slim-bookworm AS build
WORKDIR /src

# The dependencies have a layer of their own, which a change of our code leaves alone: a deploy then compiles
# the workspace and not the two hundred crates below it. Cargo wants to see sources, so it gets empty ones.
# It judges by the clock what is stale, and a checkout can be older than this layer: hence the clean.
COPY Cargo.toml Cargo.lock ./
COPY runtime/Cargo.toml runtime/
COPY runtime/manifest/Cargo.toml runtime/manifest/
COPY functions/Cargo.toml functions/
COPY examples/conformance/Cargo.toml examples/conformance/
COPY examples/faulty/Cargo.toml examples/faulty/
COPY bench/Cargo.toml bench/
COPY bench/functions/Cargo.toml bench/functions/
COPY bench/guard/Cargo.toml bench/guard/
RUN mkdir runtime/src runtime/manifest/src \
    && touch runtime/src/lib.rs runtime/manifest/src/lib.rs functions/lib.rs \
        examples/conformance/lib.rs examples/faulty/lib.rs \
    && echo 'fn main() {}' | tee functions/build.rs functions/main.rs \
        examples/conformance/build.rs examples/conformance/main.rs examples/faulty/build.rs > examples/faulty/main.rs \
    && cargo build --locked --release --package functions \
    && cargo clean --release --package manifest --package runtime --package functions

COPY manifest.toml ./
COPY runtime runtime
COPY functions functions
RUN cargo build --locked --release --package functions

# CA roots are compiled in; resolving names needs only glibc.
FROM gcr.io/distroless/cc-debian12
WORKDIR /app
COPY --from=build /src/target/release/router ./
COPY --chmod=0644 manifest.toml ./
ENV PORT=10000 HOST=0.0.0.0
# What a burst needed stays with the arenas of glibc it was taken from: of eight for each core, or of these.
ENV MALLOC_ARENA_MAX=2
EXPOSE 10000
# No USER: a mounted disk may belong to root. The process hands it to uid 65532, then becomes that user.
ENTRYPOINT ["/app/router"]
CMD ["serve"]
