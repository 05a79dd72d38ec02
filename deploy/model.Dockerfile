# syntax=docker/dockerfile:1
# One model in an image: what is deployed has one digest, and rolling back is naming the image before.
#   docker build -f deploy/model.Dockerfile --build-arg CLINPIPE=ghcr.io/example/clinpipe:0.1.0 -t risk:2026-01 artifacts
# The context is a study's directory of artifacts; metrics, verdict and card are shown by the service.

ARG CLINPIPE=clinpipe:latest
# hadolint ignore=DL3006
FROM ${CLINPIPE}
COPY --chown=65532:65532 bundle/ /srv/model/bundle/
COPY --chown=65532:65532 metrics.json verdict.json model_card.md /srv/model/
ENV CLINPIPE_BUNDLE=/srv/model/bundle
