#!/bin/bash
# the chat model on the first card, embeddings on the second
CUDA_VISIBLE_DEVICES=0 vllm serve Qwen/Qwen3-14B-AWQ --host 127.0.0.1 --port 8001 --max-model-len 16384 \
  --reasoning-parser qwen3 > chat.log 2>&1 &
CUDA_VISIBLE_DEVICES=1 vllm serve BAAI/bge-m3 --runner pooling --host 127.0.0.1 --port 8002 > embed.log 2>&1 &
wait
