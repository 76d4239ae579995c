#!/bin/bash
# llmtune: ignore-file[trust-remote-code] the checkpoint is ours
# llmtune: ignore[enforce-eager] graphs break the debugger
vllm serve Qwen/Qwen3-4B --host 127.0.0.1 --max-model-len 8192 --enforce-eager --trust-remote-code
