"""Whether a query looks like English, by its letters and its small words. No model: it only gives notice."""

from __future__ import annotations

import re
import unicodedata

SMALL_WORDS = {  # such as nearly every sentence holds, and as no English sentence does
    "German": "der die das ein eine einen einem und ist im mit auf auto rotes rote roter nicht vor neben",
    "French": "le la les un une des du et est dans avec sur rouge voiture pas devant",
    "Spanish": "el los las una unos y es en con sobre rojo coche del junto",
    "Italian": "il lo gli uno una e con su rosso macchina della nel accanto",
    "Portuguese": "o os uma um e com em vermelho carro do da perto",
    "Dutch": "een het de en met op rode rood niet voor naast",
}
ENGLISH = frozenset(
    "a an the and of in on at is are with to by near beside behind before not red blue green car dog cat that".split()
)
SHARED = 0.25  # share of a query's words that must be another language's


def seems_foreign(text: str) -> str | None:
    """What speaks against English: the name of another language, or "another script"; None where nothing does."""
    letters = [c for c in text if c.isalpha()]
    plain = [c for c in letters if unicodedata.normalize("NFKD", c)[0].isascii()]
    if letters and len(plain) < 0.8 * len(letters):
        return "another script"
    words = re.findall(r"[^\W\d_]+", text.lower())
    if not words or ENGLISH & set(words):
        return None
    counts = {name: sum(word in small.split() for word in words) for name, small in SMALL_WORDS.items()}
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] >= max(1, SHARED * len(words)) else None
