# What `dataflow --run-in-docker` runs in: Python, a Java runtime, R and Dataflow, for a user that is not root.
#   docker build --tag dataflow:0.1.0 .
ARG PYTHON=python:3.11-slim-bookworm

# What Dataflow needs: most of the image, in a layer that changes only with pyproject.toml.
FROM ${PYTHON} AS needs
COPY pyproject.toml /src/
RUN python -c "import tomllib; it = tomllib.load(open('/src/pyproject.toml', 'rb'))['project']; print(*it['dependencies'], *sum(it['optional-dependencies'].values(), []), sep='\n')" > /src/needs.txt \
    && pip install --no-cache-dir --prefix=/needs --requirement /src/needs.txt

# Dataflow itself, with its recipes as a git bundle where .git is there.
FROM ${PYTHON} AS own
RUN apt-get update && apt-get install --yes --no-install-recommends git && rm -rf /var/lib/apt/lists/*
COPY . /src
RUN pip install --no-cache-dir --no-deps --prefix=/own /src

FROM ${PYTHON}
LABEL org.opencontainers.image.title="Dataflow" org.opencontainers.image.licenses="Apache-2.0"
# dplyr and its like are Debian's; sparklyr is CRAN's alone. `--build-arg SPARKLYR=` leaves it out.
ARG SPARKLYR=sparklyr
ARG CRAN=https://cloud.r-project.org
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git openjdk-17-jre-headless procps r-base-core \
        r-cran-dbplyr r-cran-dplyr r-cran-httr r-cran-jsonlite r-cran-openssl r-cran-testthat r-cran-tidyr r-cran-uuid \
        r-cran-xml2 r-cran-yaml \
    && rm -rf /var/lib/apt/lists/* \
    && if [ -n "${SPARKLYR}" ]; then \
        Rscript -e "install.packages('${SPARKLYR}', repos = '${CRAN}', Ncpus = 4L); library('${SPARKLYR}')"; \
    fi
COPY --from=needs /needs /usr/local
COPY --from=own /own /usr/local
RUN useradd --create-home --uid 1000 dataflow
USER dataflow
WORKDIR /home/dataflow
ENV LANG=C.UTF-8
ENTRYPOINT ["dataflow"]
CMD ["--help"]
