#!/bin/bash
TAG=v0.9.0
cat > docker-compose.yml <<EOF
services:
  chat:
    image: vllm/vllm-openai:${TAG}
    command: --model org/m --seed 1
EOF
sudo tee /etc/systemd/system/vllm.service > /dev/null <<'EOF'
[Service]
ExecStart=/usr/bin/vllm serve org/m \
  --seed 1
EOF
kubectl apply -f - <<-EOF
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  containers:
    - name: c
      image: vllm/vllm-openai:v0.9.0
      args: [--model, org/m, --seed, "1"]
EOF
cat > Dockerfile <<\EOF
FROM vllm/vllm-openai:v0.9.0
CMD ["--model", "org/m", "--seed", "1"]
EOF
