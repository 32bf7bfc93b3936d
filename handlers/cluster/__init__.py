"""framehook on Ray Serve: the same contract in front of many machines (docs/ray.md). The only user of Ray."""
