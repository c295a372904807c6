"""See, cap, cut and prove what language models cost in LangChain."""
