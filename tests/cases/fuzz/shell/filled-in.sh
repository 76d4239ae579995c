cat > a.yml <<EOF
services:
  chat:
    image: vllm/vllm-openai:v0.9.0
    command: [--model, org/m, --se$ed]
EOF
