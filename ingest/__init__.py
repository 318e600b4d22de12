"""From source files to an index version: sources, loaders, clean, split, pipeline. Knows nothing of questions."""
