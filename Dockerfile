# Two stages: the first installs into a virtual environment, the second holds it, what it needs, and nothing else.
# Any image with python3 (3.11 or newer) and its venv module can be the base: scripts/image makes one.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
# Extras of pyproject.toml, separated by spaces. player and video bring FFmpeg with parts under the GPL.
ARG EXTRAS=tls
WORKDIR /src
COPY requirements requirements
RUN python3 -m venv /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --require-hashes --requirement requirements/build.txt \
 && python3 -m venv --without-pip /opt/framehook \
 && /opt/build/bin/python -m pip --python /opt/framehook/bin/python install --no-cache-dir --no-compile \
    --require-hashes $(printf -- '--requirement requirements/%s.txt ' ${EXTRAS:-runtime})
COPY pyproject.toml README.md LICENSE NOTICE openapi.yaml ./
COPY tools/package_metadata.py tools/
COPY handlers handlers
COPY models models
COPY scene scene
COPY player player
COPY conformance conformance
RUN /opt/build/bin/pip wheel --no-build-isolation --no-deps --wheel-dir dist . \
 && /opt/build/bin/python -m pip --python /opt/framehook/bin/python install --no-cache-dir --no-compile --no-deps dist/*.whl
# Remove what no request uses: the packages' own tests, stubs and sources, onnxruntime's model tools and its library for C
# programs, Pillow's codecs for other formats, and the spare bundles of Swagger UI. Then compile the rest to byte code,
# since a read-only root cannot cache it.
RUN cd /opt/framehook/lib/python3*/site-packages \
 && rm -rf numpy/*/tests numpy/tests numpy/_core/include numpy/f2py \
    onnxruntime/transformers onnxruntime/quantization onnxruntime/tools onnxruntime/datasets onnxruntime/backend \
    onnxruntime/capi/libonnxruntime.so* \
    PIL/_avif* PIL/_imagingcms* PIL/_imagingtk* \
    pillow.libs/libavif* pillow.libs/liblcms2* \
    swagger_ui_bundle/vendor/*/swagger-ui-es-* swagger_ui_bundle/vendor/*/swagger-ui.js \
    swagger_ui_bundle/vendor/*/swagger-ui-standalone-preset.js \
 && find . \( -name '*.map' -o -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.h' -o -name '*.c' -o -name '*.a' \) -delete \
 && /opt/framehook/bin/python -m compileall -q . \
 && find /opt/framehook/bin -mindepth 1 ! -name 'python*' ! -name framehook -delete
# Copy only the interpreter, its standard library and the shared libraries of the base: no shell, no pip, no package manager.
COPY tools/runtime_root.py tools/
RUN python3 tools/runtime_root.py /opt/framehook /runtime

FROM scratch
ARG HOME_PAGE= REVISION=
LABEL org.opencontainers.image.title="framehook" \
      org.opencontainers.image.description="Inference for video pipelines: post a frame over HTTP, get back what is in it." \
      org.opencontainers.image.version="0.2.0" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="${HOME_PAGE}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /runtime /
COPY --from=build /opt/framehook /opt/framehook
ENV PATH=/opt/framehook/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    FRAMEHOOK_HOST=0.0.0.0
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["python", "-m", "handlers.server.probe"]
ENTRYPOINT ["framehook"]
CMD ["serve"]
