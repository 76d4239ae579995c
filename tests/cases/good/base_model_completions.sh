vllm serve meta-llama/Llama-3.1-8B --host 127.0.0.1 --max-model-len 8192 --max-num-seqs 64
