#!/bin/bash
vllm serve Qwen/Qwen3-4B --host 127.0.0.1 --max-model-len 16384 --max-num-batched-tokens 2048 --max-num-seqs 4096
vllm serve Qwen/Qwen3-4B --host 127.0.0.1 --port 8001 --max-model-len 16384 --max-num-batched-tokens 8192 --no-enable-chunked-prefill
vllm serve Qwen/Qwen3-4B --host 127.0.0.1 --port 8002 --max-model-len 8192 --max-num-batched-tokens 65536 --max-num-seqs 16
vllm serve Qwen/Qwen3-4B --host 127.0.0.1 --port 8003 --max-model-len 4096 --max-num-seqs 8192 --max-num-batched-tokens 16384
