# notebook cell, T4 runtime
pip install vllm==0.11.2
vllm serve google/gemma-3-4b-it --dtype float16 --max-model-len 8192 --gpu-memory-utilization 0.95 --host 127.0.0.1 &
sleep 300
vllm serve Qwen/Qwen2.5-7B-Instruct --dtype bfloat16 --max-model-len 32768 --host 127.0.0.1 --port 8001
