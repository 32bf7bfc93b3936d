"""The edge: turns HTTP into calls and results into the contract."""
