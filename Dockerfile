# syntax=docker/dockerfile:1

# The two programs, statically linked, in an image with nothing else but certificates. The programs
# contain the catalogs and the time zones.
#
#   docker build --build-arg VERSION=1.2.3 -t errata .
#   docker run --rm errata ingest help

# At least the version in go.mod.
ARG GO_VERSION=1.26.8

FROM --platform=$BUILDPLATFORM golang:${GO_VERSION} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETOS TARGETARCH
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -tags timetzdata -ldflags="-s -w" -o /out/ ./cmd/ingest ./cmd/report

FROM gcr.io/distroless/static-debian12:nonroot
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="errata" \
      org.opencontainers.image.description="Finds error envelopes in API gateway logs, joins them with the vendor's catalogs, reports and alerts" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /out/ /usr/local/bin/
# The programs read a config.yaml that is mounted here.
WORKDIR /etc/errata
USER 65532:65532
CMD ["ingest", "run"]
