#!/bin/bash
pip install vllm==0.31.0
vllm serve deepseek-ai/DeepSeek-V2-Lite-Chat --host 127.0.0.1 --max-model-len 8192 --block-size 16
vllm serve Qwen/Qwen3-30B-A3B --host 127.0.0.1 --port 8001 --max-model-len 8192 --tensor-parallel-size 8
vllm serve Qwen/Qwen3-8B-FP8 --host 127.0.0.1 --port 8002 --max-model-len 8192 --tensor-parallel-size 8 --max-num-seqs 64
