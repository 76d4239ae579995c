#!/bin/bash
# one after the other, to compare quality
vllm serve unsloth/Meta-Llama-3.1-8B-Instruct-bnb-4bit --quantization bitsandbytes --load-format bitsandbytes --max-model-len 8192 --host 127.0.0.1
vllm serve Qwen/Qwen3-14B-AWQ --quantization fp8 --max-model-len 8192 --host 127.0.0.1
vllm serve Qwen/Qwen3-14B-AWQ --quantization awq_marlin --max-model-len 8192 --host 127.0.0.1
vllm serve Qwen/Qwen3-8B --quantization fp_quant --max-model-len 8192 --host 127.0.0.1
vllm serve Qwen/Qwen3-32B-FP8 --tensor-parallel-size 8 --max-model-len 8192 --host 127.0.0.1
vllm serve Qwen/Qwen3-8B --dtype bfloat16 --kv-cache-dtype float16 --max-model-len 8192 --host 127.0.0.1
vllm serve google/gemma-3-27b-it --kv-cache-dtype fp8 --max-model-len 8192 --max-num-seqs 8 --host 127.0.0.1
