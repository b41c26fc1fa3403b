"""Evidence that may be looked at after every block: e-processes, conformal ranks, spending. Pure; numpy only."""

from shared.evidence.betting import betting_e_process, confidence_lower_bound, confidence_upper_bound
from shared.evidence.prediction_powered import AuditSums, Interval, corrected_mean
from shared.evidence.ranks import LARGEST, conformal_p, e_of_p, e_sr, uniform_of
from shared.evidence.signs import sign_e_process
from shared.evidence.spending import e_bh, spending

__all__ = [
    "LARGEST",
    "AuditSums",
    "Interval",
    "betting_e_process",
    "confidence_lower_bound",
    "confidence_upper_bound",
    "conformal_p",
    "corrected_mean",
    "e_bh",
    "e_of_p",
    "e_sr",
    "sign_e_process",
    "spending",
    "uniform_of",
]
