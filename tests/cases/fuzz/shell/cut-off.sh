docker run --gpus all \ 
  --ipc=host
  --model m vllm/vllm-openai:v0.9.2 --max-model-len 8192
docker run --gpus \ 
  --name x
vllm serve \ 
  --model x
