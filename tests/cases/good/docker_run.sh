#!/bin/bash
set -euo pipefail
docker run -d --name qwen --restart unless-stopped \
  --gpus '"device=0"' --ipc=host \
  -p 127.0.0.1:8000:8000 \
  -v /srv/hf:/root/.cache/huggingface \
  -e HF_TOKEN \
  vllm/vllm-openai:v0.33.0 \
  Qwen/Qwen3-8B-FP8 --max-model-len 32768 --reasoning-parser qwen3
