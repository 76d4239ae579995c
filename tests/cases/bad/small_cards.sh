#!/bin/bash
# which of these runs on the L4 boxes?
pip install vllm==0.30.0
vllm serve Qwen/Qwen3-32B --host 127.0.0.1 --max-model-len 8192
vllm serve Qwen/Qwen3-8B --host 127.0.0.1 --max-model-len 16384 --max-num-seqs 256
vllm serve Qwen/Qwen3-14B-AWQ --host 127.0.0.1 --reasoning-parser qwen3
vllm serve Qwen/Qwen3-0.6B --host 127.0.0.1 --max-model-len 4096 --max-num-seqs 2
