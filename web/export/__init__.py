"""Answers and conversations as files: Markdown, a page for print, BibTeX, RIS, JSON. Knows nothing of Gradio or HTTP.

Questions, answers and what documents say of themselves are untrusted: each format escapes all of it in its own way.
"""
