# syntax=docker/dockerfile:1
ARG TAG=v0.17.1
FROM --platform=linux/amd64 vllm/vllm-openai:${TAG} AS base
ENV VLLM_USE_V1=1 HF_HOME="/data"
ENV HF_TOKEN hf_abcdefghijklmnopqrst
RUN pip install --no-cache-dir vllm==0.17.0 \
    && apt-get update
EXPOSE 8000/tcp
HEALTHCHECK --interval=30s --start-period=5m CMD curl -f http://localhost:8000/health || exit 1
ENTRYPOINT ["vllm", "serve"]
CMD ["Qwen/Qwen3-8B", "--port", "8000", "--max-model-len=8192", \
     "--enforce-eager"]
