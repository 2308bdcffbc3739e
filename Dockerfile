# The gateway on SQLite, with everything it keeps in the volume /var/lib/guard.
FROM python:3.11-slim

WORKDIR /opt/guard
COPY requirements/base.txt requirements/
RUN pip install --no-cache-dir --require-hashes -r requirements/base.txt

COPY pyproject.toml setup.py MANIFEST.in README.md LICENSE ./
COPY guard guard
COPY migrations migrations
COPY policies policies
RUN pip install --no-cache-dir --no-deps --no-build-isolation . \
 && useradd --system --uid 10001 --user-group guard \
 && install -d -o guard -g guard -m 700 /var/lib/guard

WORKDIR /var/lib/guard
USER guard
ENV GUARD_HOST=0.0.0.0 GUARD_PORT=8080 GUARD_DATA_DIR=/var/lib/guard
VOLUME /var/lib/guard
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/readyz', timeout=2)"]
CMD ["guard", "serve"]
