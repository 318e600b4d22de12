"""One self-contained page of what an evaluation found, and its short form for a pull request."""
