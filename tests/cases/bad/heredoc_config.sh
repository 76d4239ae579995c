#!/bin/sh
# writes the config and starts the server with it
set -eu

cat > /tmp/vllm.yaml <<'EOF'
max-model-len: 16384
gpu-memory-utilization: 0.85
enable-prefix-caching: false
served-model-name: assistant
EOF

exec vllm serve Qwen/Qwen3-30B-A3B-Instruct-2507 --config=/tmp/vllm.yaml --host 127.0.0.1 --port 8000
