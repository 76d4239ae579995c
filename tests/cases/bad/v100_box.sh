#!/bin/bash
# DGX-1 with V100
vllm serve Qwen/Qwen2.5-7B-Instruct-AWQ --dtype half --max-model-len 8192 --max-num-seqs 16 --host 127.0.0.1 --port 8000
vllm serve Qwen/Qwen2.5-7B-Instruct --max-model-len 8192 --max-num-seqs 16 --host 127.0.0.1 --port 8001
vllm serve Qwen/Qwen2.5-7B-Instruct --dtype bfloat16 --max-model-len 131072 --host 127.0.0.1 --port 8002
