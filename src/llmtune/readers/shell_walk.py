"""The walk over a shell text's grammar: commands in order, branches apart, functions where they are called."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from llmtune.readers.shell import Texts
from llmtune.readers.shell_branches import Fork, split_case, split_if
from llmtune.readers.shell_documents import appended_file, here_document
from llmtune.readers.shell_functions import Functions
from llmtune.readers.shell_scope import POSITIONAL, Scope
from llmtune.readers.shell_tree import Tree, is_script
from llmtune.readers.source import Excerpt
from llmtune.spec.finding import Notice
from llmtune.spec.word import Word, hole

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from llmtune.readers.shell import Command
    from llmtune.readers.shell_documents import HereDocument

SIMPLE = frozenset({"command", "declaration_command", "unset_command", "variable_assignment", "variable_assignments"})
LOOPS = frozenset({"for_statement", "while_statement", "c_style_for_statement", "select_statement"})
INSIDE = frozenset({"subshell", "command_substitution", "process_substitution"})
PASSED_OVER = frozenset({"heredoc_redirect", "comment"})
TESTS = frozenset({"test_command", "negated_command"})
TEST_PROGRAMS = ("test ", "command -v", "which ", "grep ")
MOST_COMMANDS = 5000
MOST_STEPS = 100_000  # nodes and tasks; the largest public script has 6000
DEEPEST = 8  # shells in shells, loops in loops
DEEPEST_SCRIPT = 2  # scripts in here-documents
SUBSTITUTION = re.compile(r"[`(]")
COMMENT = re.compile(r"#[^\n]*")
ASSIGNED = re.compile(r"(?<![\w$-])([A-Za-z_]\w*)\+?=")
SHIFT = re.compile(r"\bshift\b")


class Walk:
    """One script."""

    def __init__(self, excerpt: Excerpt, variables: Mapping[str, str], depth: int = 0) -> None:
        """Take a text, and what is known from outside."""
        self.excerpt = excerpt
        self.text = excerpt.text
        self.tree = Tree(excerpt.text)
        self.scope = Scope(excerpt, variables)
        self.depth = depth
        self.found: list[Command] = []
        self.ends: list[int] = []  # of the text of each command found
        self.functions = Functions(self.tree)
        self.covered = 0  # what stands before belongs to a command that was read
        self.stop = len(self.text)
        self.inside = 0
        self.documents: dict[int, HereDocument] = {}  # by their places
        self.appended: set[str] = set()  # files that here-documents are added to
        self.tasks: list[Any] = []

    def run(self) -> list[Command]:
        """All commands."""
        root = self.tree.root
        self.push(root.children if root is not None else [lambda: self.lines(0, len(self.text), [])])
        steps = 0
        while True:
            while self.tasks and len(self.found) < MOST_COMMANDS and steps < MOST_STEPS:
                task, steps = self.tasks.pop(), steps + 1
                task() if callable(task) else self.visit(task)
            name = None if self.tasks else self.functions.next_uncalled()
            if name is None:
                return self.found
            self.call(name)

    def push(self, tasks: Iterable[Any]) -> None:
        """Do these next, in this order: nodes to visit, functions to call."""
        self.tasks += reversed(list(tasks))

    def visit(self, node: Any) -> None:
        """One node of the grammar."""
        match node.type:
            case kind if kind in SIMPLE:
                self.simple(node)
            case "if_statement" | "case_statement" as kind:
                self.branches(*(split_if(node) if kind == "if_statement" else split_case(node, self.tree.written)))
            case kind if kind in LOOPS:
                self.loop(node)
            case kind if kind in INSIDE:
                self.enter(node)
            case "list":
                self.both(node)
            case "redirected_statement":
                self.push([*node.children, lambda: self.here_document(node)])
            case "function_definition":
                self.define(node)
            case "ERROR":
                self.lines(self.tree.at(node.start_byte), self.tree.at(node.end_byte), node.children)
            case kind if kind not in PASSED_OVER:
                self.push(node.children)

    def simple(self, node: Any) -> None:
        """A command, or assignments; then what stands in its substitutions."""
        start, end = self.tree.at(node.start_byte), self.tree.at(node.end_byte)
        if start >= self.covered:
            self.command(start)
        if SUBSTITUTION.search(self.text, start, end):
            self.push(child for child in node.children if child.child_count)

    def command(self, start: int) -> None:
        """The command whose text starts here."""
        raw = self.scope.lex(start, self.stop)
        while not raw.words and raw.redirects and self.text.startswith("\n", raw.end):
            raw = self.scope.lex(raw.end + 1, self.stop)  # the grammar takes ">a" and the next line for one command
        if not raw.words:
            return
        self.covered = max(self.covered, raw.end)
        command = self.scope.take(raw)
        if command is None or (command.words[0].text.startswith("-") and self.cut_off(command, start)):
            return
        self.found.append(command)
        self.ends.append(raw.end if raw.comment is None else raw.comment)
        answer = self.functions.answer(command) if self.depth < DEEPEST_SCRIPT else None
        if answer is not None:
            built = Walk(answer, {}, self.depth + 1).run()
            self.found += built
            self.ends += [self.ends[-1]] * len(built)
        if self.functions.is_walked_for(command):
            self.call(command.words[0].text, command)

    def cut_off(self, command: Command, start: int) -> bool:
        """A command that starts with a flag is the rest of the one before: a continued line broke off."""
        if not self.ends:
            return False
        before, between = self.found[-1], self.text[self.ends[-1] : start]
        if COMMENT.sub("", between).strip(" \t\r\n\\"):
            return False
        if not any(notice.name == "broken-continuation" for notice in before.notices):
            before = replace(before, notices=(*before.notices, self.lost(command.words[0], between)))
        if not before.words[-1].open:
            lost = hole("...")
            rest = Word(lost, self.excerpt.span(start, start), open=True)
            text = Excerpt(self.excerpt.source, lost, [self.excerpt.offsets[start]] * (len(lost) + 1))
            before = replace(before, words=(*before.words, rest), texts=(*before.texts, text))
        self.found[-1] = before
        self.ends[-1] = self.covered
        return True

    def lost(self, flag: Word, between: str) -> Notice:
        """Says which flag is lost, and why."""
        comment = COMMENT.search(between)
        if comment is None:
            written = flag.text.partition("=")[0]
            message = f"{written} is cut off from the command; end the line before it with '\\'"
            return Notice("broken-continuation", message, flag.span)
        message = "a comment inside a command ends it, and what follows is cut off; move it above the command"
        start = self.ends[-1] + comment.start()
        return Notice("broken-continuation", message, self.excerpt.span(start, start + len(comment.group().rstrip())))

    def define(self, node: Any) -> None:
        """A function: walked where it is called first, or at the end."""
        name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
        if name is None or body is None:
            self.push(node.children)
            return
        self.functions.define(self.tree.written(name), body)

    def call(self, name: str, command: Command | None = None) -> None:
        """Walk a function's body, for a call of it."""
        self.functions.calls[name] += 1
        self.functions.active.append(name)
        outer = {key: self.scope.variables.pop(key, None) for key in POSITIONAL}
        if command is not None and isinstance(command.texts, Texts) and self.functions.knows_arguments(name):
            self.scope.give([item for item, _ in command.texts.fields[1:]])
        covered, stop = self.covered, self.stop

        def leave() -> None:
            self.covered, self.stop = covered, stop
            self.functions.active.pop()
            for key, value in outer.items():
                self.scope.variables.pop(key, None)
                if value is not None:
                    self.scope.variables[key] = value

        self.covered, self.stop = 0, len(self.text)
        self.push([self.functions.bodies[name], leave])

    def branches(
        self, conditions: Sequence[Any], bodies: Sequence[tuple[Sequence[Any], Sequence[Any]]], complete: object
    ) -> None:
        """``if`` and ``case``: afterwards only what every branch agrees on is known."""
        fork = Fork()
        tasks: list[Any] = [*conditions, lambda: self.start(fork)]
        for condition, body in bodies:
            tasks += [*condition, *body, lambda: self.end(fork)]
        self.push([*tasks, lambda: self.join(fork, complete=bool(complete))])

    def start(self, fork: Fork) -> None:
        """Before the first branch."""
        fork.base = (self.scope.variables.copy(), dict(self.scope.exported))

    def end(self, fork: Fork) -> None:
        """After a branch: the next one starts from the same variables."""
        fork.ends.append((self.scope.variables, self.scope.exported))
        self.scope.variables, self.scope.exported = fork.base[0].copy(), dict(fork.base[1])

    def join(self, fork: Fork, *, complete: bool) -> None:
        """After the last branch."""
        self.scope.variables, self.scope.exported = fork.join(complete=complete)

    def loop(self, node: Any) -> None:
        """A loop: what its body assigns is not known when it starts again."""
        variable, body = node.child_by_field_name("variable"), node.child_by_field_name("body")
        names = {self.tree.written(variable)} if variable is not None else set()
        shifts = body is not None and bool(SHIFT.search(self.tree.written(body)))
        if body is not None and self.inside < DEEPEST:
            names |= {name for name in ASSIGNED.findall(self.tree.written(body)) if name in self.scope.variables}
        fork = Fork()

        def begin() -> None:
            self.start(fork)
            self.inside += 1
            for name in names:
                self.scope.variables.hide(name, self.scope.variables.get(name))
            if shifts:
                self.scope.give(None)

        def leave() -> None:
            self.inside -= 1
            self.end(fork)
            self.join(fork, complete=False)

        self.push([begin, *(child for child in node.children if child.child_count), leave])

    def enter(self, node: Any) -> None:
        """A shell inside the shell: what it sets is gone afterwards."""
        if self.inside >= DEEPEST:
            return
        scope, covered, stop = self.scope, self.covered, self.stop
        before = (scope.variables.copy(), dict(scope.exported))

        def leave() -> None:
            scope.variables, scope.exported = before
            self.covered, self.stop = covered, stop
            self.inside -= 1

        self.inside += 1
        end = self.tree.at(node.end_byte)
        self.covered, self.stop = self.tree.at(node.start_byte), end - self.text.endswith((")", "`"), 0, end)
        self.push([*node.children, leave])

    def both(self, node: Any) -> None:
        """``a && b`` runs b after a; ``a || b`` and ``[ a ] && b`` may not."""
        left, *rest = node.children
        either = any(child.type == "||" for child in rest)
        right = [child for child in rest if child.type not in {"&&", "||"}]
        last = left.children[-1] if left.type == "list" and left.children else left
        tests = last.type in TESTS or self.text.startswith(TEST_PROGRAMS, self.tree.at(last.start_byte))
        if either or tests:
            self.push([left, lambda: self.branches([], [([], right)], complete=False)])
        else:
            self.push([left, *right])

    def here_document(self, node: Any) -> None:
        """A here-document that is a script: written to a file, or given to a shell."""
        redirect = next((child for child in node.children if child.type == "heredoc_redirect"), None)
        parts = {part.type: part for part in redirect.children} if redirect is not None else {}
        body, marker = parts.get("heredoc_body"), parts.get("heredoc_start")
        if body is None or marker is None or self.depth >= DEEPEST_SCRIPT:
            return
        start, end = self.tree.at(body.start_byte), self.tree.at(body.end_byte)
        quoted = self.tree.written(marker)[:1] in {"'", '"', "\\"}
        header = self.text[self.tree.at(node.start_byte) : start]
        if not is_script(header, self.text[start:end]):
            self.note_document(header, start, end, quoted=quoted)
            return
        inner = self.excerpt.part(start, end) if quoted else self.scope.body(start, end)
        known = {variable.name: variable.value for variable in self.scope.exported.values()}
        found = Walk(inner, known, self.depth + 1).run()
        self.found += found
        self.ends += [end] * len(found)

    def note_document(self, header: str, start: int, end: int, *, quoted: bool) -> None:
        """A here-document that is another file."""
        file = here_document(header, start, end, quoted=quoted) if self.depth == 0 else None
        if file is not None:
            self.documents[start] = file
        elif appended := appended_file(header):
            self.appended.add(appended)

    def lines(self, start: int, end: int, nodes: Sequence[Any]) -> None:
        """What the grammar does not understand: every line that nothing else covers may be a command."""

        def read(at: int) -> None:
            if at >= self.covered and self.text[at : at + 1] != "#":
                self.command(at)

        lines = [start + match.end() for match in re.finditer(r"^[ \t]*(?=\S)", self.text[start:end], re.MULTILINE)]
        tasks: list[tuple[int, Any]] = [(at, lambda at=at: read(at)) for at in lines[:MOST_COMMANDS]]
        tasks += [(self.tree.at(child.start_byte), child) for child in nodes if child.child_count]
        self.push(task for _, task in sorted(tasks, key=lambda pair: pair[0]))
