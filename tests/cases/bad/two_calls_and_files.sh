#!/usr/bin/env bash
# starts two servers and writes what the other machines need
set -euo pipefail

serve() {
  local model="$1" port="$2" gpu="$3"
  shift 3
  CUDA_VISIBLE_DEVICES="$gpu" vllm serve "$model" --host 127.0.0.1 --port "$port" "$@" &
}

serve Qwen/Qwen3-8B 8001 0 --max-model-len 16384 --swap-space 4
serve Qwen/Qwen3-4B 8002 1 --max-model-len 16384 --tensor-paralel-size 2

sudo tee /etc/systemd/system/embed.service > /dev/null <<'EOF'
[Service]
ExecStart=/opt/vllm/bin/vllm serve BAAI/bge-m3 --host 127.0.0.1 --task embed
Restart=always
EOF

cat > compose.yaml <<EOF
services:
  chat:
    image: vllm/vllm-openai:${TAG}
    restart: always
    command: --model Qwen/Qwen3-8B --max-modl-len 16384
EOF

kubectl apply -f - <<'EOF'
apiVersion: v1
kind: Pod
metadata:
  name: chat
spec:
  containers:
    - name: vllm
      image: vllm/vllm-openai:v0.20.0
      args: [--model, Qwen/Qwen3-8B, --max-model-len=16k, --dtype, bf16]
      resources: {limits: {nvidia.com/gpu: 1}}
EOF
