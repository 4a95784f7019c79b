# Picket's collector with its own PostgreSQL: docker build -f deploy/image/collector.Dockerfile -t picket-collector .
#
# Data lies in /var/lib/picket, keys apart from it in /var/lib/picket-keys, settings in /etc/picket/config.toml. It runs
# with a read-only root and without any capability (deploy/compose/compose.yml).
FROM docker.io/library/rust:1.95.0-bookworm AS build
# The image's own toolchain is the one of rust-toolchain.toml; what that file adds for developers is not fetched.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --locked --release --bin picket-collector \
    && install -D target/release/picket-collector /out/picket-collector

FROM docker.io/library/debian:bookworm-slim
# The user comes first, so that its number is ours, and Debian's cluster is never made: the collector makes its own.
# PostgreSQL's minor versions are security updates that only start, so none is pinned.
# hadolint ignore=DL3008
RUN groupadd --system --gid 10001 picket \
    && useradd --system --uid 10001 --gid picket --no-create-home --home-dir /var/lib/picket \
        --shell /usr/sbin/nologin picket \
    && install -d -m 0700 -o picket -g picket /var/lib/picket /var/lib/picket-keys \
    && install -d /etc/postgresql-common \
    && echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf \
    && apt-get update \
    && apt-get install -y --no-install-recommends postgresql-15 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/picket-collector /usr/local/bin/picket-collector
USER 10001:10001
ENV PICKET_CONFIG=/etc/picket/config.toml
WORKDIR /var/lib/picket
VOLUME ["/var/lib/picket", "/var/lib/picket-keys"]
EXPOSE 8443
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/picket-collector"]
CMD ["serve"]
