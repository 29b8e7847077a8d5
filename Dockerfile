# syntax=docker/dockerfile:1
# The final image holds one static binary and runs it as nobody in particular.
#   docker build -t portcullis .
#   docker build --build-arg BASE=gcr.io/distroless/static-debian12:nonroot -t portcullis .
ARG GO_VERSION=1.26
ARG BASE=scratch

FROM golang:${GO_VERSION} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o /root-of-image/portcullis .
# Scratch has no /tmp, and "test", "check", "eval" and their like keep what they hand to OPA there.
RUN mkdir /root-of-image/tmp && chmod 1777 /root-of-image/tmp

FROM ${BASE}
COPY --from=build /root-of-image/ /
# A number, because scratch has no names, and because a restricted Pod must be able to see that it is not root.
USER 65532:65532
EXPOSE 8443 8081
ENTRYPOINT ["/portcullis"]
CMD ["serve", "--listen=:8443", "--health-listen=:8081", "--policies=/policies"]
