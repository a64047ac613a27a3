"""Models behind any OpenAI-compatible server: GPT-4o, vLLM, SGLang, `transformers serve`.

    run-eval --model openai:MODEL@http://localhost:8000/v1 --tasks gqa --model-options concurrency=64

Pictures and frames travel as data URLs. The key comes from OPENAI_API_KEY alone; a server of one's own may need none.
"""

from models.openai_endpoint.loading import check, load, settable

__all__ = ["check", "load", "settable"]
