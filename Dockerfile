# The image of pg-guard. From the root of a checkout: docker build --tag pg-guard:0.1.0 .
#
# It runs as a number without a name, needs no file that it may write (--read-only), no capability (--cap-drop ALL) and no
# secret while it is built. docs/howto-deploy.md tells how it is used.
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
# What pg-guard stands on comes first: that layer stays while only pg-guard changes. Wheels only, so that no package runs code here.
COPY deploy/docker/requirements.txt deploy/docker/
RUN python -m venv /opt/pg-guard
RUN /opt/pg-guard/bin/python -m pip install --only-binary=:all: --requirement deploy/docker/requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY pg_guard pg_guard
COPY policies policies
COPY rules rules
RUN python -m pip wheel --no-deps --wheel-dir /wheels .
RUN /opt/pg-guard/bin/python -m pip install --no-deps /wheels/*.whl
RUN /opt/pg-guard/bin/python -m pip check
# The image needs no installer.
RUN /opt/pg-guard/bin/python -m pip uninstall --yes pip setuptools
RUN /opt/pg-guard/bin/pg-guard --version

FROM python:${PYTHON}
LABEL org.opencontainers.image.title="pg-guard" \
      org.opencontainers.image.description="A declarative guard between language models and PostgreSQL" \
      org.opencontainers.image.licenses="Apache-2.0"
# Settings come from variables and from files that they name, never from an .env that happens to lie in the directory.
ENV PATH=/opt/pg-guard/bin:${PATH} HOME=/nonexistent PG_GUARD_ENV_FILE="" PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
COPY --from=build /opt/pg-guard /opt/pg-guard
COPY deploy/docker/entrypoint.sh /usr/local/bin/pg-guard-entrypoint
COPY deploy/docker/healthcheck.py /usr/local/lib/pg-guard/healthcheck.py
# For what is kept: tokens and the audit log. A new named volume takes this owner from the image.
RUN install -d -o 65532 -g 65532 -m 0700 /var/lib/pg-guard
RUN python -m pip uninstall --yes --root-user-action=ignore pip setuptools wheel
# For files of one's own, as in: docker run --rm --volume "$PWD:/work:ro" pg-guard:0.1.0 lint queries
WORKDIR /work
USER 65532:65532
EXPOSE 8080 9187
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-I", "/usr/local/lib/pg-guard/healthcheck.py", "9187", "8080"]
ENTRYPOINT ["pg-guard-entrypoint"]
CMD ["serve", "--http", "0.0.0.0:8080", "--observe", "0.0.0.0:9187"]
