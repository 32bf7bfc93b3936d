"""The models: what turns a frame into results, and how it is run. Knows nothing of HTTP."""
