"""Published zero-shot accuracies on the paper's eleven tasks, in percent, for comparison."""

from __future__ import annotations

SOURCE = (
    "Tan et al. (2023), arXiv 2311.06720, figures as tabled in the README of github.com/tanyuqian/cappy; "
    "those of OPT, OPT-IML and T0 are from Iyer et al. (2022), arXiv 2212.12017, section 5.2"
)

SYSTEMS = ("OPT 30B", "OPT-IML 30B", "OPT 175B", "OPT-IML 175B", "T0 11B", "Cappy-large 0.36B")

ACCURACY: dict[str, tuple[float, ...]] = {
    "ANLI R1": (33.7, 37.1, 34.1, 42.2, 42.1, 34.3),
    "ANLI R2": (34.1, 35.4, 34.1, 38.5, 37.9, 33.9),
    "ANLI R3": (34.7, 36.6, 34.7, 39.6, 39.7, 34.7),
    "CB": (24.6, 43.2, 38.9, 56.4, 58.5, 59.4),
    "RTE": (56.4, 67.8, 54.0, 73.4, 80.2, 71.9),
    "StoryCloze": (55.5, 90.7, 57.0, 95.0, 96.7, 93.7),
    "WSC": (43.5, 58.2, 51.0, 59.2, 58.6, 63.8),
    "WiC": (50.8, 54.7, 49.7, 53.6, 56.0, 51.9),
    "WinoGrande": (50.2, 53.4, 50.1, 56.6, 62.5, 51.7),
    "WinoGender": (54.9, 64.6, 53.9, 72.7, 83.8, 68.9),
    "CrowS-Pairs": (85.5, 22.3, 85.5, 34.4, 24.0, 57.8),
}
"""Mean accuracy over templates by task, in the order of `SYSTEMS`."""

AVERAGE = (47.6, 51.3, 49.3, 56.5, 58.2, 56.6)
"""The published averages over the eleven tasks, in the order of `SYSTEMS`."""
