# The product in one image; web, workers and beat are the same image with another command (compose.yaml).
FROM python:3.12-slim AS packages
COPY requirements/base.txt /tmp/base.txt
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --only-binary :all: --require-hashes -r /tmp/base.txt \
    && /opt/venv/bin/python -m compileall -q /opt/venv/lib

FROM python:3.12-slim
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 STATIC_ROOT=/srv/static
RUN useradd --system --uid 10001 --user-group --no-create-home millrace
COPY --from=packages /opt/venv /opt/venv
WORKDIR /srv/millrace
COPY . .
# collectstatic asks for settings, not for a database; these values end with this line.
RUN DATABASE_URL=postgres://none@/none SECRET_KEY=while-building FIELD_KEYS=d2hpbGUtYnVpbGRpbmctb25seS1ub3QtYS1zZWNyZXQ= \
    python manage.py collectstatic --no-input --verbosity 0 \
    && python -m compileall -q .
USER millrace
EXPOSE 8000
CMD ["granian", "config.wsgi:application", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", "--blocking-threads", "16", "--no-ws", "--http1-header-read-timeout", "10000"]
