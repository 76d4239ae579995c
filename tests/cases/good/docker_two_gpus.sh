docker run --rm --gpus '"device=2,3"' --shm-size 16g -p 127.0.0.1:9000:9000 \
  --memory 200g \
  -v /data/models:/models:ro -v vllm-cache:/root/.cache/vllm \
  vllm/vllm-openai:v0.28.0 \
  /models/Llama-3.3-70B-Instruct-FP8-dynamic --served-model-name llama-70b --port 9000 \
  --tensor-parallel-size 2 --max-model-len 32768
