"""The command line: `framehook serve`, `infer`, `check` and others."""
