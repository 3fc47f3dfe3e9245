"""The C core beside Rust crates; ``run`` builds and measures, ``keep`` writes what it found."""
