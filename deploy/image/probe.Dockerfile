# Picket's probe: docker build -f deploy/image/probe.Dockerfile -t picket-probe .
#
# The image holds the program and the C library, no shell and no package manager: Mozilla's roots and time zones are
# compiled in. It writes nothing and runs with a read-only root and without any capability (deploy/compose/compose.yml).
FROM docker.io/library/rust:1.95.0-bookworm AS build
# The image's own toolchain is the one of rust-toolchain.toml; what that file adds for developers is not fetched.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --locked --release --bin picket-probe \
    && install -D target/release/picket-probe /out/picket-probe

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/picket-probe /usr/local/bin/picket-probe
# The image's user `nonroot`, by number so that an orchestrator can see that it is not root.
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/picket-probe"]
CMD ["run"]
