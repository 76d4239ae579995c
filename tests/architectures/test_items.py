"""The largest item that start-up encodes, family by family: what vLLM 0.33.0 says of it, worked out by hand."""

from __future__ import annotations

import pytest

from llmtune.architectures import read_model
from llmtune.architectures.config import Config
from llmtune.architectures.minicpmv import describe as describe_minicpmv
from llmtune.catalog import models

# Published model, tokens, patches.
ITEMS = [
    ("Qwen/Qwen2.5-VL-7B-Instruct", 128**2, 256**2),  # 12,845,056 pixels are 128 x 128 tokens of 28 x 28
    ("Qwen/Qwen3-VL-8B-Instruct", 128**2, 256**2),  # 16,777,216 pixels are 128 x 128 tokens of 32 x 32
    ("Qwen/Qwen3.5-27B", 128**2, 256**2),
    ("Qwen/Qwen3-Omni-30B-A3B-Instruct", 112**2, 224**2),  # 12,845,056 pixels are 112 x 112 tokens of 32 x 32
    ("google/gemma-3-27b-it", 256, 64**2),
    ("google/gemma-4-31B-it", 32 * 78, 32 * 630),  # a video: 32 frames of 70 tokens, 6 of a time stamp and 2 marks
    ("google/gemma-4-12B-it", 32 * 78, 32 * 70),
    ("llava-hf/llava-1.5-7b-hf", 24**2, 24**2 + 1),
    ("llava-hf/llava-v1.6-mistral-7b-hf", 48 * 49 + 576, 5 * 577),  # 2 x 2 tiles, 48 rows with a newline, thumbnail
    ("ibm-granite/granite-vision-3.3-2b", 270 * 28 + 729, 11 * 729),  # 10 tiles on top of each other
    ("meta-llama/Llama-4-Scout-17B-16E-Instruct", 17 * 144, 17 * 577),
    ("mistralai/Mistral-Small-3.1-24B-Instruct-2503", 55**2, 110**2),  # 1540 pixels are 55 tokens of 28
    ("mistralai/Pixtral-12B-2409", 64**2, 64**2),
    ("OpenGVLab/InternVL3-8B", 13 * 256, 13 * 1025),  # 12 tiles and a thumbnail
    ("openbmb/MiniCPM-V-2_6", 16 * 64, 16 * 1024),  # a video of 16 frames; an image has 640 tokens
    ("microsoft/Phi-4-multimodal-instruct", 16 * 17 * 36 + 16 * 17 + 1, 37 * 1024),
    ("moonshotai/Kimi-VL-A3B-Instruct", 33**2, 66**2),  # 1024 pixels are shrunk to 897 and padded to 924
    ("moonshotai/Kimi-K2.5", 65**2, 130**2),  # 3000 pixels are shrunk to 1794 and padded to 1820
    ("moonshotai/Kimi-K3", 67 * 251, 134 * 502),  # 1861 x 7041 pixels are shrunk to 1850 x 7002 and padded
    ("zai-org/GLM-4.5V", 78**2, 156**2),  # 9,633,792 / 2 pixels: 2194 a side, 78 tokens of 28
    ("baidu/ERNIE-4.5-VL-28B-A3B-PT", 78**2, 156**2),  # 4,842,768 pixels: 2200 a side
    ("stepfun-ai/Step-3.7-Flash", 36 * 83 + 171 + 5, 36 * 36**2 + 52**2),
    ("nvidia/MiniMax-M3-NVFP4", 24**2, 48**2),  # 672 x 672 pixels
    ("meta-models/Muse-Glimmer-30B", 64**2, 128**2),
    ("deepseek-ai/DeepSeek-V4.1-Flash", 1024, 3 * 3063),  # one row of 1021 tokens, a newline, two marks
    ("openai/whisper-large-v3", 1500, 1500),
    ("meta-llama/Llama-3.2-11B-Vision-Instruct", 4 * 1601, 4 * 1601),
]


@pytest.mark.parametrize(("name", "tokens", "patches"), ITEMS)
def test_largest_item(name: str, tokens: int, patches: int) -> None:
    facts = models.find(name)
    model = read_model(facts.config, facts.quantization, model_id=facts.id)
    assert (model.item_tokens, model.item_patches) == (tokens, patches)


def test_qwen2_vl_has_the_item_of_qwen2_5_vl() -> None:
    facts = models.find("Qwen/Qwen2.5-VL-7B-Instruct")
    vision = {**facts.config["vision_config"], "embed_dim": 1280, "hidden_size": 3584}
    config = {**facts.config, "architectures": ["Qwen2VLForConditionalGeneration"], "vision_config": vision}
    model = read_model({**config, "model_type": "qwen2_vl"}, model_id="qwen2-vl")
    assert (model.item_tokens, model.item_patches) == (16_384, 65_536)


def test_minicpmv_2_5_reads_images_only() -> None:
    """Nine slices of 32 x 32 patches and the image, 1 to 9: 11 x 96 patches, to which all ten are padded."""
    config = {**models.find("openbmb/MiniCPM-V-2_6").config, "version": 2.5, "query_num": 96}
    model = describe_minicpmv(Config(config))
    assert (model.item_tokens, model.item_patches) == (10 * 96, 10 * 11 * 96)


def test_internvl_without_dynamic_size_has_one_tile() -> None:
    config = {**models.find("OpenGVLab/InternVL3-8B").config, "dynamic_image_size": False}
    model = read_model(config, model_id="internvl")
    assert (model.item_tokens, model.item_patches) == (256, 1025)


def test_a_text_model_has_no_item() -> None:
    model = read_model(models.find("Qwen/Qwen3-8B").config, model_id="text")
    assert (model.item_tokens, model.item_patches) == (0, 0)
