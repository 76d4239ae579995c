#!/bin/bash
CUDA_VISIBLE_DEVICES=0 vllm serve Qwen/Qwen3-Embedding-8B --host 127.0.0.1 --port 8001 \
  --max-model-len 8192 --gpu-memory-utilization 0.45 &
sleep 120  # the second looks at what is free
CUDA_VISIBLE_DEVICES=0 vllm serve Qwen/Qwen3-Reranker-8B --host 127.0.0.1 --port 8002 \
  --max-model-len 8192 --gpu-memory-utilization 0.45 \
  --hf-overrides '{"architectures": ["Qwen3ForSequenceClassification"], "classifier_from_token": ["no", "yes"], "is_original_qwen3_reranker": true}' &
wait
