vllm serve meta-llama/Llama-3.1-8B-Instruct --max-model-len 8192 --swap-space 16 --disable-log-requests --num-scheduler-steps 8 --enable-prefix-caching
