#!/bin/bash
# the same script on both machines; NODE_RANK is 0 or 1
vllm serve Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8 \
  --host 127.0.0.1 \
  --tensor-parallel-size 8 --pipeline-parallel-size 2 \
  --nnodes 2 --node-rank "${NODE_RANK:?}" --master-addr 10.0.0.10 \
  --enable-expert-parallel \
  --max-model-len 131072 \
  --enable-auto-tool-choice --tool-call-parser qwen3_coder
