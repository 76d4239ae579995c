vllm serve Qwen/Qwen2.5-7B-Instruct-AWQ --dtype half --host 127.0.0.1 --max-model-len 4096 --max-num-seqs 8
