#!/bin/bash
# Two boxes with 8 H200 each; run this on both with NODE_RANK 1 and 2.
export NCCL_P2P_DISABLE=1
export GLOO_SOCKET_IFNAME=eth0

vllm serve deepseek-ai/DeepSeek-V3.2 \
  --host 127.0.0.1 \
  --max-model-len 65536 \
  --tensor-parallel-size 16 \
  --nnodes 2 --node-rank 2 \
  --master-addr 10.20.0.4 --master-port 29501 \
  --distributed-executor-backend ray \
  --enable-auto-tool-choice --tool-call-parser deepseek_v32 \
  --reasoning-parser deepseek_v3
