"""The models: they turn a frame into results. This package knows nothing about HTTP."""
