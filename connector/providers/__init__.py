"""OpenAI and Azure: base addresses, paths, authentication and error bodies.

The only package that knows what Azure is; the others speak neutral paths such as
`/chat/completions`.
"""
