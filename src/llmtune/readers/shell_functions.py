"""Functions of a shell text: which there are, for which of their calls they are walked, and what they hand back."""

from __future__ import annotations

import re
from collections import Counter, deque
from functools import cached_property
from typing import TYPE_CHECKING, Any

from llmtune.readers.source import joined
from llmtune.spec.word import is_unknown

if TYPE_CHECKING:
    from llmtune.readers.shell import Command
    from llmtune.readers.shell_tree import Tree
    from llmtune.readers.source import Excerpt

NAMES = re.compile(r"[\w./-]+")
MOST_CALLS = 32  # of one function
DEFINITION_AND_CALL = 2
SAYS = frozenset({"echo", "printf"})
SAYS_HOW = re.compile(r"-[neE]+|--|(?:%[sq]\s?(?:\\n)?)+")  # options of echo, formats that say each word
STARTS = re.compile(r"\s*(?:exec\s+)?(?:\S*/)?(?:vllm\s+serve\s|python[\d.]*\s+-m\s+vllm\.)")


class Functions:
    """The functions that are known so far.

    One that starts servers is walked for every call that says something, so that its arguments are known; any other is
    walked once, and its arguments are known where only one call is written.
    """

    def __init__(self, tree: Tree) -> None:
        """Take the text's grammar."""
        self.tree = tree
        self.bodies: dict[str, Any] = {}
        self.uncalled: deque[str] = deque()
        self.calls: Counter[str] = Counter()
        self.active: list[str] = []  # those that are being walked
        self.serving: dict[str, bool] = {}
        self.asked: dict[str, bool] = {}

    @cached_property
    def names(self) -> Counter[str]:
        """How often every word stands in the text: a function's name at its definition and at each call."""
        return Counter(NAMES.findall(self.tree.text))

    def define(self, name: str, body: Any) -> None:
        """Note a function; the first of several with one name counts."""
        if name not in self.bodies:
            self.bodies[name] = body
            self.uncalled.append(name)

    def next_uncalled(self) -> str | None:
        """A function that no command has called."""
        while self.uncalled:
            name = self.uncalled.popleft()
            if not self.calls[name]:
                return name
        return None

    def is_walked_for(self, command: Command) -> bool:
        """Whether a command is a call for which its function is walked."""
        name = command.words[0].text
        if name not in self.bodies or not self.calls[name]:
            return name in self.bodies
        says = any(not is_unknown(word.text) for word in command.words[1:])
        return says and name not in self.active and self.calls[name] < MOST_CALLS and self.serves(name)

    def knows_arguments(self, name: str) -> bool:
        """Whether the arguments of a call are those that the walk through the function sees."""
        return self.names[name] <= DEFINITION_AND_CALL or self.serves(name)

    def answer(self, command: Command) -> Excerpt | None:
        """A command that a function builds for its caller: what it says, where ``$(name ...)`` takes that.

        ``build() { echo "vllm serve $1"; }`` with ``$(build m)`` or ``cmd=$(build m)``.
        """
        words = command.words
        if not self.active or words[0].text not in SAYS or not self.is_asked(self.active[-1]):
            return None
        start = next((at for at in range(1, len(words)) if not SAYS_HOW.fullmatch(words[at].text)), len(words))
        said = joined(command.texts[start:])
        return said if said is not None and STARTS.match(said.text) else None

    def is_asked(self, name: str) -> bool:
        """Whether a substitution runs a function."""
        if name not in self.asked:
            self.asked[name] = re.search(rf"(?:\$\(|`)\s*{re.escape(name)}(?![\w-])", self.tree.text) is not None
        return self.asked[name]

    def serves(self, name: str) -> bool:
        """Whether vLLM stands in a function, or in one that it calls."""
        if name not in self.serving:
            body = self.tree.written(self.bodies[name])
            inner = {word for word in NAMES.findall(body) if word in self.bodies}
            self.serving[name] = any("vllm" in self.tree.written(self.bodies[word]) for word in {name, *inner})
        return self.serving[name]
