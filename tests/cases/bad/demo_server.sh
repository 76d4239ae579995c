#!/bin/sh
python -m vllm.entrypoints.api_server --model facebook/opt-6.7b --port 8000 &
vllm serve --served-model-name chat Qwen/Qwen3-8B --max-model-len 8192 --host 127.0.0.1 --port 8001 &
vllm serve --model Qwen/Qwen3-8B --max-model-len 8192 --host 127.0.0.1 --port 8002 &
vllm serve Qwen/Qwen3-8B --model Qwen/Qwen3-4B --max-model-len 8192 --host 127.0.0.1 --port 8003 &
vllm serve --max-model-len 8192 --host 127.0.0.1 --port 8004
