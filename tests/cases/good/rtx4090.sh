vllm serve Qwen/Qwen3-14B-AWQ --host 127.0.0.1 --max-model-len 16384 --max-num-seqs 8 --reasoning-parser qwen3
