"""Training of the bundled multilingual encoder, see rag/embed/MODEL.md."""
