serve() {
  docker run --rm -d --name "$1" --gpus '"device=0,1"' --ipc=host -p 127.0.0.1:8000:8000 \
    -v ~/.cache/huggingface:/root/.cache/huggingface -e "HF_TOKEN=$HF_TOKEN" --env VLLM_USE_V1=0 \
    --health-cmd 'curl -f http://localhost:8000/health' --health-start-period 10m --memory 64g \
    vllm/vllm-openai:v0.9.2 --model meta-llama/Llama-3.1-8B-Instruct --max_model_len=16k $EXTRA_ARGS
}
serve chat
bash -c 'python3 -m vllm.entrypoints.openai.api_server --model mistralai/Mistral-7B-Instruct-v0.3 -tp 2 -O3'
cat > start.sh <<'EOF'
#!/bin/sh
exec vllm serve openai/gpt-oss-20b --no-enable-prefix-caching --kv-cache-dtype fp8
EOF
srun --nodes=2 ssh "$node" "vllm serve m --hf-overrides.rope_scaling.factor 2 --config vllm.yaml"
