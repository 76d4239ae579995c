#!/bin/bash
# a pinned environment of 2025; flags of that release
pip install vllm==0.10.2
vllm serve Qwen/Qwen2.5-72B-Instruct-AWQ --host 127.0.0.1 --tensor-parallel-size 4 --max-model-len 32768 \
  --guided-decoding-backend xgrammar
