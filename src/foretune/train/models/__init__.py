"""Networks: encoders, heads, and where their weights come from.

May import core, config.schema, torch, transformers, timm, huggingface_hub.
"""
