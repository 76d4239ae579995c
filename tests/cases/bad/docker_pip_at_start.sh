#!/bin/bash
# newer transformers for the new model
podman run -d --name gemma --device nvidia.com/gpu=all \
  --shm-size 16g \
  -e HF_TOKEN \
  -e VLLM_SERVER_DEV_MODE=1 \
  -p 8000:8000 \
  -v $HOME/.cache/huggingface:/root/.cache/huggingface:Z \
  --entrypoint /bin/bash \
  docker.io/vllm/vllm-openai:v0.31.0 \
  -c "pip install -U transformers && exec vllm serve google/gemma-4-31B-it --max-model-len 32768 --tensor-parallel-size 2 --limit-mm-per-prompt.image 2"
