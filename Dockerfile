# For who has a container tool; `make image` makes the same image without one.
# Build the binary first: make build.
FROM debian:12-slim
COPY dist/outrigger /outrigger
USER 65532:65532
WORKDIR /tmp
ENTRYPOINT ["/outrigger"]
