"""The registry: what exists, what is released, who signed it and why; the only service that releases."""
