#!/bin/sh
podman run -d --name glm --device /dev/kfd --device /dev/dri --group-add video --ipc host \
  -p 127.0.0.1:8000:8000 -v /mnt/hf:/root/.cache/huggingface \
  docker.io/vllm/vllm-openai-rocm:v0.30.0 \
  zai-org/GLM-4.5-Air --tensor-parallel-size 2 --max-model-len 65536 \
  --enable-auto-tool-choice --tool-call-parser glm45 --reasoning-parser glm45
