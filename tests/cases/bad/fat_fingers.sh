#!/bin/sh
vllm serve Qwen/Qwen3-8B --max-model-length 16384 --max-num 128 --gpu-memory-util 0.9 --host 127.0.0.1
vllm serve Qwen/Qwen3-8B --max-model-len 16k --max-num-seqs 1e2 --max-num-batched-tokens 8.5K --host 127.0.0.1 --port 8001
vllm serve Qwen/Qwen3-8B --max-model-len 16384 --tensor-parallel-size --host 127.0.0.1 --port 8002 --port 8003
vllm serve Qwen/Qwen3-8B chat --max-model-len 16384 --dtype fp16 --host 127.0.0.1 --enable-prefix-caching true
