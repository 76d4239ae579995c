#!/bin/bash
docker run -d --device /dev/kfd --device /dev/dri --group-add video --cap-add SYS_ADMIN \
  --ipc=host --network host \
  -e HIP_VISIBLE_DEVICES=0,1,2,3 -e CUDA_VISIBLE_DEVICES=4,5,6,7 \
  -v /mnt/hf:/root/.cache/huggingface \
  vllm/vllm-openai-rocm:v0.29.0 \
  Qwen/Qwen3-235B-A22B-FP8 --tensor-parallel-size 4 --max-model-len 32768 --enable-expert-parallel
