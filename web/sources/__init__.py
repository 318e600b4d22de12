"""The source viewer's server side: what is known of a document, its pages with the quotes marked, its file.

`routes` mounts it. Kept empty, because the process that draws pages is below it and should start at once.
"""
