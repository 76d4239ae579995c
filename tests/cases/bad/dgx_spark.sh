#!/bin/bash
vllm serve openai/gpt-oss-120b --host 127.0.0.1 --max-model-len 65536 --gpu-memory-utilization 0.95 \
  --tool-call-parser openai --enable-auto-tool-choice
