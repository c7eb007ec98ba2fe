# docker build -t whobuys .
# docker run --rm --volume /srv/shop:/shop whobuys                     the shop's week; the exit code is that of whobuys weekly
# docker run --rm --volume /srv/shop:/shop whobuys who tent --top 10   anything else
# The folder must belong to user 10001, as who the container runs.

FROM python:3.11-slim AS build
WORKDIR /whobuys
RUN python -m venv /opt/whobuys
COPY requirements.lock ./
RUN /opt/whobuys/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY features ./features
COPY models ./models
COPY training ./training
COPY serving ./serving
COPY whobuys ./whobuys
RUN /opt/whobuys/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim
# LightGBM needs the OpenMP library
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home whobuys
COPY --from=build /opt/whobuys /opt/whobuys
ENV PATH=/opt/whobuys/bin:$PATH WHOBUYS_SHOP=/shop OMP_WAIT_POLICY=PASSIVE OPENBLAS_NUM_THREADS=1 MLFLOW_DISABLE_TELEMETRY=true
USER 10001
WORKDIR /shop
VOLUME /shop
# exit code 1, unhealthy: a file is not as it was sealed, the disk is nearly full, a library is missing
HEALTHCHECK --interval=1h --timeout=5m --start-period=1m CMD ["whobuys", "doctor"]
ENTRYPOINT ["whobuys"]
CMD ["weekly", "--wait", "3600"]
