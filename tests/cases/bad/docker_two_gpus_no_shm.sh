#!/usr/bin/env bash
set -e
NAME=llama70b
docker rm -f "$NAME" 2>/dev/null || true
docker run -d --name "$NAME" --privileged \
  --gpus '"device=0,1"' \
  -e CUDA_VISIBLE_DEVICES=2,3 \
  --memory 32g --restart unless-stopped \
  -p 127.0.0.1:8000:8000 \
  -v /data/hf:/data/hf \
  vllm/vllm-openai:v0.30.0 \
  RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic \
  --tensor-parallel-size 2 --max-model-len 16384 --cpu-offload-gb 20 \
  --chat-template /templates/llama.jinja
