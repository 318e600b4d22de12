"""Training of the fusion and of the confidence from question sets, see rag/fusion.md."""
