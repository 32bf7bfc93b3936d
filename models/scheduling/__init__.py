"""Who waits, for how long, and where jobs run. Knows neither models nor codecs."""
