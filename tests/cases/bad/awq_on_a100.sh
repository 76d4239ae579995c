#!/bin/bash
# vLLM 0.16 in the old environment
source /opt/vllm-0.16/bin/activate
pip install vllm==0.16.0
export VLLM_USE_V1=1
export VLLM_LOGING_LEVEL=DEBUG

vllm serve Qwen/Qwen2.5-72B-Instruct-AWQ \
  --quantization awq \
  --tensor-parallel-size 8 \
  --max-model-len 32768 \
  --kv-cache-dtype fp16 \
  --host 127.0.0.1

vllm serve Qwen/Qwen2.5-14B-Instruct-AWQ \
  --quantization awq --dtype bfloat16 \
  --max-model-len 32768 \
  --host 127.0.0.1 --port 8001
