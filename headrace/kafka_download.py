"""Fetches the jars of one set of Maven coordinates into a directory; run as a process of its own."""

import logging
import sys
from pathlib import Path


def main(coordinates: str, target: Path) -> None:
    """Fill `target`/environment with the jars; raises what jgo raises when that is impossible."""
    logging.disable(logging.WARNING)
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.env import EnvironmentBuilder, LinkStrategy
    from jgo.maven import MavenContext

    # Folders of its own instead of ~/.m2: jgo does not verify what it finds on disk.
    maven = MavenContext(repo_cache=target / "repository", remote_repos={"central": MAVEN_CENTRAL_URL})
    builder = EnvironmentBuilder(context=maven, cache_dir=target / "environment", link_strategy=LinkStrategy.AUTO)
    builder.from_endpoint(endpoint=coordinates, update=False)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
