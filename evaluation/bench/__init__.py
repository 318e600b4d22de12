"""Speed, memory and disk, beside a plain LangChain pipeline: `make bench`."""
