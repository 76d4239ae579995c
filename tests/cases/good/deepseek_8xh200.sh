#!/bin/bash
# 8 x H200, clients come through the gateway on this host
vllm serve deepseek-ai/DeepSeek-V3.2 \
  --host 127.0.0.1 \
  --tensor-parallel-size 8 \
  --max-model-len 65536 \
  --tool-call-parser deepseek_v32 --enable-auto-tool-choice \
  --reasoning-parser deepseek_v3
