# syntax=docker/dockerfile:1
# The service as an image: docker build -t sfu . Three stages: wheel, packages, runtime.
# Behind a proxy that ends TLS: --build-arg PIP_CERT=/run/ca.crt, with that file mounted for the build.
ARG RUST_IMAGE=docker.io/library/rust:1.95-slim-bookworm
ARG PYTHON_IMAGE=docker.io/library/python:3.12-slim-bookworm

# The wheels: the service, and its client, which it uses. Needs Rust, and the tools that patch, compile and bind BoringSSL.
FROM ${RUST_IMAGE} AS wheel
ARG PIP_CERT
# The base image determines the versions of these packages.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ git make python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY constraints.txt ./
COPY scripts/configure-build scripts/
RUN python3 -m venv /build \
    && /build/bin/python -m pip install --no-cache-dir --disable-pip-version-check --constraint constraints.txt \
        cmake flit-core libclang maturin \
    && /build/bin/python scripts/configure-build
COPY Cargo.toml Cargo.lock pyproject.toml README.md LICENSE ./
COPY sfu sfu
COPY api api
COPY clients/python clients/python
# If the engine keeps caches, the target folder survives, and the next build compiles only changes.
RUN --mount=type=cache,target=/src/target \
    /build/bin/maturin build --release --locked --strip --out /wheel \
    && /build/bin/python -m pip wheel --disable-pip-version-check --no-index --no-deps --no-build-isolation \
        --wheel-dir /wheel ./clients/python

# The wheels and their pinned dependencies in a virtual environment.
FROM ${PYTHON_IMAGE} AS packages
ARG PIP_CERT
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY constraints.txt /
COPY --from=wheel /wheel /wheel
RUN python3 -m venv /opt/sfu \
    && /opt/sfu/bin/python -m pip install --constraint /constraints.txt /wheel/*.whl \
    && /opt/sfu/bin/python -m pip uninstall --yes pip

# The runtime: no compiler, an unprivileged user, and nothing is written.
FROM ${PYTHON_IMAGE} AS runtime
LABEL org.opencontainers.image.title="sfu" \
      org.opencontainers.image.description="A selective forwarding unit: WebRTC rooms steered by REST and WebSocket." \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=packages /opt/sfu /opt/sfu
ENV PATH=/opt/sfu/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SFU_HOST=0.0.0.0 \
    SFU_INTERNAL_HOST=127.0.0.1 \
    SFU_INTERNAL_PORT=7881
WORKDIR /
USER 10001:10001
EXPOSE 7880/tcp 7882/udp 7882/tcp
# SIGTERM begins a drain: give `docker stop` a --time above SFU_DRAIN_LIMIT.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['SFU_INTERNAL_PORT'] + '/live', timeout=2)"]
ENTRYPOINT ["sfu"]
CMD ["serve"]
