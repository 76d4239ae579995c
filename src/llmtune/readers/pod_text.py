"""What Kubernetes does to the texts of a container before it starts: ``$(X)`` is the variable X, ``$$`` is a dollar.

As in kubernetes/third_party/forked/golang/expansion/expand.go: a variable that is not set stays as it is written. No
``${X}`` and no ``$X`` is expanded; outside a shell such a text is a hole, because the file may be filled in by envsubst
before Kubernetes gets it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmtune.readers.filling import Filler
from llmtune.spec.word import END, HOLE, Word, hole, is_unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmtune.readers.source import Excerpt
    from llmtune.readers.yaml_tree import Yaml

REFERENCE = re.compile(r"\$\$|\$\(([^)]*)\)")
PLACEHOLDER = r"__[A-Z][A-Z0-9_]*__"
HIDDEN = re.compile(rf"{HOLE}[^{END}]*{END}|(\$\{{[^{{}}]*\}}|\$[A-Za-z_]\w*|\$\([^)]*\)|{PLACEHOLDER}|<[\w. -]+>)")
REPLACED = re.compile(rf"\$\$|\$\(([^)]*)\)|{PLACEHOLDER}")
NOT_HERE = hole("")  # what a Secret or the pod itself gives a variable
# Set by Kubernetes, its controllers, or the device plug-in.
INJECTED = re.compile(
    r"KUBERNETES_|LWS_|RAY_|NVIDIA_|TPU_|MEGASCALE_|JOB_COMPLETION_INDEX$|HOSTNAME$|PATH$|HOME$|KSERVE_|JOBSET_"
    r"|\w+_SERVICE_(HOST|PORT)|\w+_PORT(_\d+)?$"
)


def expand(excerpt: Excerpt, known: Mapping[str, str]) -> Excerpt:
    """A text with every ``$(X)`` whose X is known written out; what others fill in is a hole."""
    if "$" not in excerpt.text and "__" not in excerpt.text:
        return excerpt
    filler, at = Filler(excerpt), 0
    for match in REPLACED.finditer(excerpt.text):
        filler.copy(at, match.start())
        at = match.end()
        if match.group() == "$$":
            filler.copy(match.start() + 1, at)
        elif known.get(match[1] or "", NOT_HERE) != NOT_HERE:
            filler.replace(match.start(), at, known[match[1]])
        elif match[1] is None or match[1] in known or INJECTED.match(match[1]):
            filler.hide(match.start(), at)
        else:
            filler.copy(match.start(), at)
    filler.copy(at, len(excerpt.text))
    return filler.done()


def hidden(text: str) -> str:
    """A text in which everything that somebody has to fill in is a hole."""
    return HIDDEN.sub(lambda match: match[0] if match[1] is None else hole(match[0]), text)


def argument(item: Yaml, known: Mapping[str, str]) -> tuple[Word, Excerpt]:
    """An item of ``command:`` or ``args:`` as a word, and its text, which may be a script."""
    script = expand(item.excerpt, known)
    if not item.is_text:
        return Word(hole(item.source.slice(item.span).strip()), item.span, open=True), script
    word, text = item.word(), hidden(script.text)
    if text != word.text or is_unknown(text):
        word = Word(text, word.span, word.extent, open=text.startswith(HOLE))
    return word, script
