#!/bin/bash
#SBATCH --job-name=vllm
#SBATCH --gres=gpu:4
#SBATCH --time=08:00:00
module load cuda/12.8
source "$HOME/envs/vllm-0.28/bin/activate"
srun --ntasks=1 vllm serve Qwen/Qwen3-30B-A3B-Instruct-2507 \
  --host 127.0.0.1 --port 8000 \
  --tensor-parallel-size 4 --enable-expert-parallel \
  --max-model-len 65536 &
sleep 600
python evaluate.py --base-url http://127.0.0.1:8000/v1
