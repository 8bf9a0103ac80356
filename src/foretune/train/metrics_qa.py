"""When is an answer right? Exact match and token F1 as SQuAD v1.1's official script takes them.

Source: Rajpurkar et al. (2016), ``evaluate-v1.1.py``: lower-cased, without punctuation, articles
and extra white space. The one deviation: values are fractions in [0, 1], not per cent.
"""

from __future__ import annotations

import re
import string
from collections import Counter

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalise(answer: str) -> str:
    """The answer as it is compared.

    >>> normalise("The  Denver Broncos!")
    'denver broncos'
    """
    return " ".join(_ARTICLES.sub(" ", answer.lower().translate(_PUNCTUATION)).split())


def exact_match(prediction: str, truth: str) -> float:
    """1.0 if the two are the same once normalised.

    >>> exact_match("the Broncos", "Broncos.")
    1.0
    """
    return float(normalise(prediction) == normalise(truth))


def f1(prediction: str, truth: str) -> float:
    """F1 of the two bags of words, once normalised; 0.0 where they share none.

    >>> f1("Denver Broncos of Colorado", "the Denver Broncos")
    0.6666666666666666
    """
    predicted, wanted = normalise(prediction).split(), normalise(truth).split()
    shared = (Counter(predicted) & Counter(wanted)).total()
    if shared == 0:
        return 0.0
    precision, recall = shared / len(predicted), shared / len(wanted)
    return 2 * precision * recall / (precision + recall)
