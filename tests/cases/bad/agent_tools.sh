#!/bin/bash
# three models for the agent bench, one GPU each
export HF_HUB_OFFLINE=1

CUDA_VISIBLE_DEVICES=0 vllm serve Qwen/Qwen3-Coder-30B-A3B-Instruct --host 127.0.0.1 --port 8101 \
  --max-model-len 65536 --enable-auto-tool-choice --tool-call-parser hermes &

CUDA_VISIBLE_DEVICES=1 vllm serve openai/gpt-oss-20b --host 127.0.0.1 --port 8102 \
  --max-model-len 65536 --enable-auto-tool-choice &

CUDA_VISIBLE_DEVICES=2 vllm serve Qwen/Qwen3-14B --host 127.0.0.1 --port 8103 \
  --max-model-len 32768 --enable-auto-tool-choice --tool-call-parser qwen3 &

CUDA_VISIBLE_DEVICES=3 vllm serve deepseek-ai/DeepSeek-R1-Distill-Llama-8B --host 127.0.0.1 --port 8104 \
  --max-model-len 32768 --tool-call-parser llama3_json

wait
