# invprior on the CPU:
#   docker build -t invprior .
#   docker run --rm -v "$PWD:/data" invprior solve photo.png --operator blur --prior tv
# For a GPU, build with --build-arg TORCH=https://download.pytorch.org/whl/cu126 and run with --gpus all.
FROM python:3.12-slim
ARG TORCH=https://download.pytorch.org/whl/cpu
COPY pyproject.toml README.md LICENSE constraints.txt /source/
COPY invprior /source/invprior
RUN pip install --no-cache-dir --extra-index-url "$TORCH" -c /source/constraints.txt /source && rm -r /source
WORKDIR /data
ENTRYPOINT ["invprior"]
CMD ["--help"]
