# no GPU here, just trying it out
docker run -it --rm -p 8000:8000 vllm/vllm-openai:v0.8.5 --model Qwen/Qwen2.5-0.5B-Instruct --device cpu --max-model-len 2048
