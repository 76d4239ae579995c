#!/bin/sh
vllm serve Qwen/Qwen3-8B --uds /run/vllm/chat.sock --max-model-len 16384 --reasoning-parser qwen3
