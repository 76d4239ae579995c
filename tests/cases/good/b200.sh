#!/bin/bash
pip install vllm==0.32.0
vllm serve nvidia/DeepSeek-V3.1-NVFP4 --host 127.0.0.1 --tensor-parallel-size 8 --max-model-len 131072 --kv-cache-dtype fp8 \
  --enable-expert-parallel
