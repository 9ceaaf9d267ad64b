"""Published results of boosting FLAN-T5 on BIG-Bench's 45 generative tasks: average Rouge-L, in percent.

Source: README of the repository tanyuqian/cappy (commit c6793d6), the authors' own reproduction of the paper's results
on A10G GPUs (Tan et al., 2023, section 4.2; it differs from the paper by at most 0.8).
"""

from __future__ import annotations

MODELS = ("FLAN-T5 small", "FLAN-T5 base", "FLAN-T5 large", "FLAN-T5 XL", "FLAN-T5 XXL")
RESULTS = {
    "beam": (16.4025, 19.8594, 23.4802, 26.1177, 29.6608),
    "sampling": (11.4317, 15.7909, 19.6248, 23.2191, 25.7273),
    "temp": (12.0126, 17.0571, 20.0481, 24.2702, 27.0985),
    "topk": (11.5157, 15.7481, 19.7634, 22.6692, 25.8226),
    "topp": (11.9171, 16.6174, 20.1986, 24.1654, 26.9036),
    "self-sum": (15.0806, 20.711, 24.1224, 28.4665, 32.0156),
    "self-mean": (16.4223, 20.1317, 23.7828, 26.7694, 30.246),
    "cappy-adapted": (23.6543, 27.6178, 30.3802, 33.2775, 37.1678),
}
"""Results by the names of our table; Cappy is the 360M-parameter one, adapted to each task."""
