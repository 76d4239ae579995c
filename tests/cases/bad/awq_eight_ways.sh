#!/bin/bash
pip install vllm==0.30.0
vllm serve Qwen/Qwen2.5-14B-Instruct-AWQ --host 127.0.0.1 --max-model-len 8192 --tensor-parallel-size 8
vllm serve Qwen/Qwen3-8B --host 127.0.0.1 --port 8001 --max-model-len 8192 --tensor-parallel-size 8 --max-num-seqs 32
vllm serve Qwen/Qwen3-32B --host 127.0.0.1 --port 8002 --max-model-len 131072 --tensor-parallel-size 8 \
  --hf-overrides '{"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}}'
