"""Parity for ever: what answered as in training when it was loaded must do so now; scored again on a schedule.

A difference makes the worker degraded and is logged and counted. It is no refusal of the release: the package passed
when it was loaded, so it is this process that changed, and taking back the release would not mend it.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from services.serving import metrics
from services.serving.live import Live, Served
from services.serving.loading import Packages
from services.serving.score import OverloadedError
from shared.package.parity import Checked, check_form, forms_of
from shared.package.refusal import PackageRefused
from shared.spine.problems import Problem

log = logging.getLogger(__name__)


@dataclass
class Parity:
    """Checks what is live; `wrong` says by use case what was found, and is shown by health."""

    served: Served
    packages: Packages
    seconds: float
    wrong: dict[str, str]

    async def run(self) -> None:
        """Check everything that is live, every so many seconds; 0: never."""
        while self.seconds:
            await asyncio.sleep(self.seconds)
            for live in list(self.served.live.values()):
                try:
                    await self.check(live)
                except Exception:
                    log.exception("parity could not be checked", extra={"use_case": live.version.use_case})

    async def check(self, live: Live) -> list[Checked]:
        """Score the golden records of what is live, by every form that may answer, in the thread that scores."""
        loaded = await self.packages.get(live.version.package_digest, live.contract)
        golden, use_case = loaded.package.golden, live.version.use_case
        forms = forms_of(loaded.package, loaded.compiled)
        if loaded.compiled and "model" not in vars(loaded.package):
            del forms["original"]  # it never answered here: to load it costs seconds, and `headrace verify` does
        found = []
        for form, scorer in forms.items():
            checked = await loaded.model.in_thread(check_form, form, golden, scorer)
            metrics.SERVING_PARITY_CHECKS_TOTAL.labels(use_case, form, "different" if checked.fault else "equal").inc()
            found.append(checked)
        self._remember(use_case, live, found)
        return found

    async def document(self, live: Live) -> dict[str, Any]:
        """Check and say it as JSON data; raises Problem 503 when the package is neither in memory nor to be had."""
        version = live.version
        try:
            found = await self.check(live)
        except (PackageRefused, OSError, OverloadedError) as error:
            raise Problem(503, f"package {version.package_digest} cannot be checked: {error}") from error
        return {
            "use_case": version.use_case,
            "release": version.sequence,
            "version": version.package_digest,
            "equal": not any(each.fault for each in found),
            "forms": [each.to_json() for each in found],
        }

    def _remember(self, use_case: str, live: Live, found: list[Checked]) -> None:
        faults = [f"{each.form}: {each.fault}" for each in found if each.fault]
        if not faults:
            self.wrong.pop(use_case, None)
            return
        self.wrong[use_case] = "; ".join(faults)
        package = live.version.package_digest
        log.error("parity is lost", extra={"use_case": use_case, "package": package, "faults": faults})
