FROM vllm/vllm-openai
CMD ["--model", "\ud800", "--served-model-name=\u0041"]
