"""The trainer: decides whether to retrain, fits in a process of its own, and packages the result."""
