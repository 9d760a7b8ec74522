# The image holds a static binary, certificates and licenses, and nothing
# else: no shell, nothing to update but itself.
#
#   docker build --build-arg VERSION="$(cat VERSION)" -t access-analyzer-exporter .
#
# The same commit, Go and arguments give the same binary. --platform chooses
# between linux/amd64 and linux/arm64; both are compiled on the builder's own.

# The certificates are from this image, the digest of which Dependabot updates.
FROM --platform=$BUILDPLATFORM golang:1.26.8@sha256:0f063af2d465d8dcae54cce04278ada488b96f77b42449c8d071e47d016cc65a AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETPLATFORM
ARG TARGETOS=linux
ARG TARGETARCH
ARG VERSION=""
ARG REVISION=""
ARG BRANCH=""
ARG BUILD_DATE=""
# A release brings the binaries of its archives, as PLATFORM/NAME, so that its
# images hold the same bytes.
RUN if [ -e "$TARGETPLATFORM/access-analyzer-exporter" ]; then \
        cp "$TARGETPLATFORM/access-analyzer-exporter" /; \
    else \
        CGO_ENABLED=0 GOOS="$TARGETOS" GOARCH="$TARGETARCH" go build -trimpath -buildvcs=false -o / -ldflags "-s -w \
            -X github.com/prometheus/common/version.Version=$VERSION \
            -X github.com/prometheus/common/version.Revision=$REVISION \
            -X github.com/prometheus/common/version.Branch=$BRANCH \
            -X github.com/prometheus/common/version.BuildDate=$BUILD_DATE" .; \
    fi

FROM scratch
ARG VERSION=""
ARG REVISION=""
ARG BUILD_DATE=""
LABEL org.opencontainers.image.title="access-analyzer-exporter" \
      org.opencontainers.image.description="Watches AWS IAM Access Analyzer over an organization, for Prometheus" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/access-analyzer-exporter/access-analyzer-exporter" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$BUILD_DATE"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY LICENSE THIRD_PARTY_NOTICES /licenses/
COPY --from=build /access-analyzer-exporter /
# By number: Kubernetes cannot verify that a name is not root.
USER 65532:65532
EXPOSE 10289
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["/access-analyzer-exporter", "healthcheck"]
ENTRYPOINT ["/access-analyzer-exporter"]
