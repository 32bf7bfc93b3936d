"""How good models are, on pictures whose objects are labelled: `framehook check --evaluate`."""
