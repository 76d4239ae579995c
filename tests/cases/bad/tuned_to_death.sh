#!/bin/bash
# "performance" settings collected over a year; two H100 in this box
export VLLM_ALLOW_LONG_MAX_MODEL_LEN=1
export NCCL_P2P_DISABLE=1
pip install vllm==0.33.0

vllm serve meta-llama/Llama-3.1-8B-Instruct \
  --host 127.0.0.1 \
  --tensor-parallel-size 2 \
  --max-model-len 262144 \
  --max-num-seqs 2 \
  --max-num-batched-tokens 1024 \
  --disable-custom-all-reduce \
  --no-enable-prefix-caching \
  --enable-chunked-prefill \
  --cpu-offload-gb 8

vllm serve Qwen/Qwen3-8B \
  --host 127.0.0.1 --port 8001 \
  --tensor-parallel-size 2 \
  --max-model-len 8192 --max-num-seqs 2 --max-num-batched-tokens 1024 \
  --kv-cache-memory-bytes 4G --gpu-memory-utilization 0.8 \
  --disable-custom-all-reduce --no-enable-prefix-caching --enforce-eager
