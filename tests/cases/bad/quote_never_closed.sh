#!/bin/bash
vllm serve Qwen/Qwen3-8B --host 127.0.0.1 --max-model-len 16384 \
  --default-chat-template-kwargs '{"enable_thinking": false} \
  --served-model-name qwen3
echo started
