# A broker in a container: docs/deploy.md says how it is run.

FROM python:3.13-slim AS build
# Compiles the modules of the hot path: docs/compiled.md.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY requirements/run.txt requirements/
# What is installed is what the lock names, and is what it was when that was written.
RUN python -m venv /opt/batonmq \
    && /opt/batonmq/bin/pip install --no-cache-dir --require-hashes --requirement requirements/run.txt
COPY pyproject.toml hatch_build.py hatch_compile.py README.md LICENSE ./
COPY src src
# What has built the package is not needed to run it. An image whose modules could not be compiled is not built.
RUN BATONMQ_COMPILED=1 /opt/batonmq/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /opt/batonmq/bin/pip install --no-cache-dir --no-deps --no-index /wheels/*.whl \
    && /opt/batonmq/bin/pip uninstall --yes \
        ast-serialize editables hatchling librt mypy mypy-extensions pathspec setuptools trove-classifiers pip

FROM python:3.13-slim
RUN groupadd --system --gid 10001 batonmq \
    && useradd --system --uid 10001 --gid batonmq --home-dir /var/lib/batonmq --shell /usr/sbin/nologin batonmq \
    && install --directory --owner batonmq --group batonmq --mode 0700 /var/lib/batonmq
COPY --from=build /opt/batonmq /opt/batonmq
COPY deploy/container.toml /etc/batonmq/batonmq.toml
ENV PATH=/opt/batonmq/bin:$PATH PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /var/lib/batonmq
VOLUME /var/lib/batonmq
# AMQP and STOMP, with TLS and without; the HTTP API and the web page; WebSocket; metrics.
EXPOSE 5671 5672 15671 15672 15673 15674 15692 61613 61614
# It tells clients, gives them five seconds to leave, and commits what is left.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=3 CMD ["batonmq", "health", "--timeout", "5"]
ENTRYPOINT ["batonmq"]
CMD ["serve", "--config", "/etc/batonmq/batonmq.toml"]
