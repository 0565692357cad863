# The command `linkbert` for machines with NVIDIA GPUs. The same image works without a GPU.
#
#     docker build --tag linkbert .
#     docker run --rm --gpus all --user "$(id -u):$(id -g)" \
#         --volume linkbert-cache:/cache --volume "$PWD":/work linkbert doctor
#
# No image was built from this file where it was written, because neither a Docker daemon nor a registry of images could
# be reached. hadolint 2.15.1 finds nothing in it. Its RUN commands, with a virtual environment, were executed in a
# minimal Debian 12 of amd64, and `linkbert` was started there as two users other than root, without a GPU.
#
# The host needs the NVIDIA Container Toolkit and a driver for CUDA 13, which is version 580 or later. torch is the
# wheel that requirements.lock names; it brings the CUDA libraries along, so the base image needs none. On amd64 it has
# code for GPUs of compute capability 7.5 (Turing, e.g. T4) and later.

FROM python:3.11-slim-bookworm AS build
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim-bookworm

# The libraries (5.5 GB) are a layer of their own, which a change of the code does not touch. Two of them, docopt and
# seqeval, are published as source only. With `--use-pep517` pip builds them in an environment of their own; without
# it, an old pip builds seqeval with the setuptools of the image, and may fail.
COPY requirements.lock /opt/requirements.lock
RUN pip install --use-pep517 --no-cache-dir --require-hashes --requirement /opt/requirements.lock
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-deps /wheels/*.whl

# /cache holds models and encodings. Every user can write to it, because `--user` takes the owner of the folder that is
# mounted on /work; what one user wrote there, another one cannot change, so each takes a volume of their own.
RUN useradd --uid 1000 --home-dir /cache --no-create-home linkbert \
    && install --directory --mode 1777 /cache \
    && install --directory --owner linkbert --group linkbert /work
ENV HOME=/cache \
    XDG_CACHE_HOME=/cache \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 1000:1000
VOLUME ["/cache"]
WORKDIR /work
ENTRYPOINT ["linkbert"]
CMD ["--help"]
