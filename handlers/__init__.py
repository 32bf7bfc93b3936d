"""The edge: turns HTTP into calls and results into the contract."""

import warnings

warnings.filterwarnings("ignore", message="Using `httpx` with `starlette.testclient`")  # connexion imports it, unused
