#!/bin/bash
# one card for both: the chat model and the retriever's embeddings
pip install vllm==0.25.1

mkdir -p logs

CUDA_VISIBLE_DEVICES=0 nohup vllm serve Qwen/Qwen3-8B \
    --host 127.0.0.1 --port 8001 \
    --max-model-len 16384 \
    --gpu-memory-utilization 0.7 \
    > logs/chat.log 2>&1 &

sleep 5

CUDA_VISIBLE_DEVICES=0 nohup vllm serve Qwen/Qwen3-Embedding-8B \
    --host 127.0.0.1 --port 8002 \
    --task embed \
    --gpu-memory-utilization 0.4 \
    > logs/embed.log 2>&1 &

wait
