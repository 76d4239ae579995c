"""Words of shell texts: what they say, where they stand, what is not known."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmtune.readers import ReadError
from llmtune.readers.shell import Command, commands
from llmtune.readers.source import Source
from llmtune.spec.word import shown


def read(text: str, known: dict[str, str] | None = None) -> list[Command]:
    return commands(Source(text, "x.sh").whole(), known)


def texts(text: str, known: dict[str, str] | None = None) -> list[list[str]]:
    """Every command's words as a message shows them; those that may be many have a star."""
    return [[shown(word.text) + "*" * word.open for word in command.words] for command in read(text, known)]


def words(text: str) -> list[str]:
    """The words of the command that is called c, or the last one's."""
    found = texts(text)
    return next((command for command in reversed(found) if command[0] == "c"), found[-1])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b  c\td", ["a", "b", "c", "d"]),
        ("a 'b c' \"d e\" f\\ g", ["a", "b c", "d e", "f g"]),
        ("a b'c'\"d\"e", ["a", "bcde"]),
        ("a '' \"\" b", ["a", "", "", "b"]),
        ("a \\\n  b \\\r\n c", ["a", "b", "c"]),
        ("a\\\nb c", ["ab", "c"]),
        ("a # b\n", ["a"]),
        ("a b#c '#d'", ["a", "b#c", "#d"]),
        ("a >out 2>&1 b <in &>>log c 2>/dev/null", ["a", "b", "c"]),
        ("a > >(tee log) b", ["a", "b"]),
        ("a <<< word b", ["a", "b"]),
        (r'a "x\$y\"z\\w\q" "\`"', ["a", 'x$y"z\\w\\q', "`"]),
        (r"a $'b\nc\x41\'' $", ["a", "b\ncA'", "$"]),
        ('a --x \'{"b": 1}\' {"c":2}', ["a", "--x", '{"b": 1}', "{c:2}"]),
        ("a [1,2] *.x ~/y {p,q}", ["a", "[1,2]", "*.x", "~/y", "{p,q}"]),
        ("a é 'ü' — b", ["a", "é", "ü", "—", "b"]),
        ("a 2 3>x 4", ["a", "2", "4"]),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert texts(text)[0] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a; b", "ab"),
        ("a & b", "ab"),
        ("a && b || c", "abc"),
        ("a | b |& c", "abc"),
        ("if a; then b; elif c; then d; else e; fi", "abcde"),
        ("for x in 1 2; do a; b; done", "ab"),
        ("while a; do b; done < file", "ab"),
        ("until a; do b; done", "ab"),
        ("case $x in y) a;; *) b;; esac", "ab"),
        ("select x in 1 2; do a; done", "a"),
        ("(a; b)", "ab"),
        ("{ a; b; }", "ab"),
        ("! a", "a"),
        ("z() { b; }; a", "ab"),
        ("function z { a; }", "a"),
        ("a $(b) `c`", "abc"),
        ('a "$(b; c)"', "abc"),
        ("a <(b) > >(c)", "abc"),
        ("a <<E\ntext\nE\nb", "ab"),
        ("a\n\n# comment\nb", "ab"),
        ("[[ -n $x ]] && a", "a"),
        ("((x++)); a", "a"),
        ("time a", "t"),
        (">x >y\na\n>z\nb", "ab"),
    ],
)
def test_every_simple_command(text: str, expected: str) -> None:
    assert [word[0][0] for word in texts(text)] == list(expected)


def slices(text: str, at: int = -1) -> list[str]:
    """What the file has at the places of a command's words."""
    source = Source(text, "x.sh")
    return [source.slice(word.span) for word in commands(source.whole())[at].words if word.span is not None]


def test_places_are_exact() -> None:
    text = "#!/bin/sh\n# Ümläut — €\nécho 'a b' \\\n   --p=\"$X\" --port 80\n"
    assert slices(text) == ["écho", "'a b'", '--p="$X"', "--port", "80"]
    port = read(text)[0].words[-1]
    assert port.span is not None
    assert (port.span.line, port.span.column, port.span.end_column) == (4, 20, 22)


def test_places_of_values() -> None:
    text = 'MODEL="org/m"\nARGS="--a 1 --b"\nLIST=(--c "d e")\nvllm serve $MODEL $ARGS "${LIST[@]}" "x$MODEL" ${Y:-7}\n'
    assert slices(text) == ["vllm", "serve", "org/m", "--a", "1", "--b", "--c", "d e", '"x$MODEL"', "7"]


def extents(text: str) -> list[str | None]:
    source = Source(text, "x.sh")
    found = commands(source.whole())[-1].words
    return [source.slice(word.extent) if word.extent is not None else None for word in found]


def test_what_goes_with_a_word() -> None:
    assert extents("a --b \\\n   'c'\t$D") == ["a", " --b", " \\\n   'c'", "\t$D"]
    assert extents('X="--a 1"\nb $X') == ["b", "--a", " 1"]
    assert extents('X="--a 1"\nb $X $X') == ["b", None, None, None, None]  # it would go twice
    assert extents("X=(--a 'b c')\nd \"${X[@]}\"") == ["d", "--a", " 'b c'"]


def test_plain_words_can_be_edited() -> None:
    text = "ARGS='--b=1'\nvllm --a=1 'q' $ARGS \\\n --c"
    source = Source(text, "x.sh")
    command = commands(source.whole())[-1]
    assert [word.plain for word in command.words] == [True, True, False, True, True]
    for word in command.words:
        if word.plain:
            assert word.span is not None
            assert source.slice(word.span) == word.text
            edit = word.edit(0, 3, "x")
            assert edit is not None
            assert source.slice(edit.span) == word.text[:3]


def test_a_value_used_twice_is_not_edited() -> None:
    found = read("P=80\ncurl :$P\nvllm --port $P")[-1].words
    assert [word.text for word in found] == ["vllm", "--port", "80"]
    assert [word.plain for word in found] == [True, True, False]
    assert read('P=80\necho "port $P"\nvllm --port $P')[-1].words[-1].plain  # a message may change with it


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("X=a; c $X", ["c", "a"]),
        ("X=a; c ${X}b '$X' \"$X\"", ["c", "ab", "$X", "a"]),
        ("X='a b'; c $X \"$X\"", ["c", "a", "b", "a b"]),
        ('X=; c $X "$X" ${X:-d} ${X-e}', ["c", "", "d"]),
        ("c ${X:-d e} \"${X:-f g}\" ${X:-'h i'}", ["c", "d", "e", "f g", "h i"]),
        ("c ${X:-${Y:-${Z-z}}}", ["c", "z"]),
        ("Y=y; c ${X:-$Y/m}", ["c", "y/m"]),
        (": ${X:=d}; c $X", ["c", "d"]),
        ("X=a; c ${X:-b} ${X:+--flag v} ${X:?no}", ["c", "a", "--flag", "v", "a"]),
        ("X=; c ${X:+--flag v}", ["c"]),
        ("export X=a; c $X", ["c", "a"]),
        ("declare -r X=a Y=b; c $X$Y", ["c", "ab"]),
        ("f() { local X=a; c $X; }; f", ["c", "a"]),
        ("X=a; X+=b; c $X", ["c", "ab"]),
        ('X=a; X="$X b"; c $X', ["c", "a", "b"]),
        ('X=(a \'b c\'); c ${X[@]} "${X[@]}" ${X[0]} "${X[1]}" $X', ["c", *"abc", "a", "b c", "a", "b c", "a"]),
        ('X=(a\n # no\n b)\nX+=(c d); z "${X[@]}"', ["z", "a", "b", "c", "d"]),
        ('X=(a b); z "${X[*]}" x"${X[@]}"y', ["z", "a b", "xa", "by"]),
        ('X=(); c "${X[@]}" d', ["c", "d"]),
        ("set -- a 'b c'; d \"$@\" $2", ["d", "a", "b c", "$2"]),
        ('f() { c $1 "$@"; }; f a b', ["c", "a", "a", "b"]),
        ("X=a; if x; then X=a; fi; c $X", ["c", "a"]),
        ("if x; then X=a; else X=a; fi; c $X", ["c", "a"]),
        ("X=a; (X=b; d); c $X", ["c", "a"]),
        ("X=a; y=$(X=b; d); c $X", ["c", "a"]),
        ("X=a && c $X", ["c", "a"]),
        ("MODEL=a/b; M=${MODEL}; c $M", ["c", "a/b"]),
    ],
)
def test_known_variables(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('c $X "$Y" $1', ["c", "$X*", "$Y", "$1"]),
        (
            'c $MODEL --port $PORT --x $FOO $EXTRA_ARGS "$ARGS"',
            ["c", "$MODEL", "--port", "$PORT", "--x", "$FOO", "$EXTRA_ARGS*", "$ARGS"],
        ),
        ("c $TP_SIZE ${MAX_LEN} $HF_TOKEN $MODEL_PATH", ["c", "$TP_SIZE", "${MAX_LEN}", "$HF_TOKEN", "$MODEL_PATH"]),
        ('c "$@" $* ${ARGS[@]} "${ARGS[@]}"', ["c", "$@*", "$**", "${ARGS[@]}*", "${ARGS[@]}*"]),
        ('c $(d e) --x $(f) "$(g)" `h` $((1 + 2))', ["c", "$(d e)*", "--x", "$(f)", "$(g)", "`h`*", "$((1 + 2))"]),
        ('c ${X:+--flag v} "${X:+y}"', ["c", "${X:+--flag v}*", "${X:+y}"]),
        ("c ${X##*/} ${#X} ${X/a/b} ${!X}", ["c", "${X##*/}*", "${#X}*", "${X/a/b}*", "${!X}*"]),
        ('c ${X:-} "${X:-}"', ["c", "${X:-}*", "${X:-}"]),
        ("X=a; if x; then X=b; fi; c $X", ["c", "$X"]),
        ("X=a; if x; then X=b; fi; c ${X:-z}", ["c", "$X"]),
        ("if x; then X=--a; fi; c $X", ["c", "$X*"]),
        ("X=; if x; then X='--a 1'; fi; c $X", ["c", "$X*"]),
        ('X=a; [ -n "$Y" ] && X=b; c $X', ["c", "$X"]),
        ("X=a; [[ $Y ]] && X=b; c $X", ["c", "$X"]),
        ("X=a; y || X=b; c $X", ["c", "$X"]),
        ("X=a; case $1 in x) X=b;; esac; c $X", ["c", "$X"]),
        ("X='--a 1'; if y; then X=\"$X --b\"; fi; c $X", ["c", "--a", "1", "$X*"]),
        ('X=(a); if y; then X+=(b); fi; X+=(d); c "${X[@]}"', ["c", "a", "${X[@]}*", "d"]),
        ('X=(a b); if y; then X=(a d e); fi; c "${X[@]}"', ["c", "a", "${X[@]}*"]),
        ("for X in 1 2; do c $X; done", ["c", "$X*"]),
        ("X=1; while a; do c $X; X=2; done", ["c", "$X"]),
        ("X=1; while a; do X=2; done; c $X", ["c", "$X"]),
        ("X=1; read X; c $X", ["c", "$X*"]),
        ("X=1; unset X; c $X", ["c", "$X*"]),
        ('X=(1); mapfile -t X < f; c "${X[@]}"', ["c", "${X[@]}*"]),
        ('set -- a; shift; c "$@"', ["c"]),
        ('X[1]=a; c "${X[1]}"', ["c", "${X[1]}"]),
        ("f() { c $1; }; f a; f b", ["c", "$1"]),
        ("X=$(a); c $X --p=$X", ["c", "$(a)*", "--p=$(a)"]),
        ('X="http://$H:80"; c $X', ["c", "http://$H:80"]),
    ],
)
def test_unknown_variables(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_a_branch_knows_what_it_sets() -> None:
    text = "if a; then X=1; c $X; else X=2; c $X; fi; c $X"
    assert [found for found in texts(text) if found[0] == "c"] == [["c", "1"], ["c", "2"], ["c", "$X"]]


def test_variables_from_outside() -> None:
    assert texts('c $X ${Y:-d} "$Z"', {"X": "a b", "Z": "z z"}) == [["c", "a", "b", "d", "z z"]]


def test_exported_variables() -> None:
    text = "A=0\nexport B=1 C='2 3'\nD=4\nexport D\nE=5 F=$B cmd\nunset C\nlast\nset -a\nG=6\nend"
    found = {command.words[0].text: command for command in read(text)}
    values = {name: [(item.name, item.value) for item in command.variables] for name, command in found.items()}
    assert values["cmd"] == [("B", "1"), ("C", "2 3"), ("D", "4"), ("E", "5"), ("F", "1")]
    assert values["last"] == [("B", "1"), ("D", "4")]
    assert values["end"] == [("B", "1"), ("D", "4"), ("G", "6")]


@pytest.mark.parametrize(
    ("line", "names"), [("source .env", [""]), (". ./x.sh", [""]), ("source venv/bin/activate", [])]
)
def test_variables_of_a_file_that_is_sourced(line: str, names: list[str]) -> None:
    assert [item.name for item in read(f"{line}\nc")[-1].variables] == names


def test_extents_of_variables() -> None:
    source = Source("export A=1  # why\n  B=2 cmd\n", "x.sh")
    first, second = commands(source.whole())[-1].variables
    assert first.word.extent is not None
    assert second.word.extent is not None
    assert source.slice(first.word.extent) == "export A=1  # why\n"
    assert source.slice(second.word.extent) == "B=2 "


def test_a_variable_of_one_branch_has_no_known_value() -> None:
    command = read("if a; then export A=1; fi\nc")[-1]
    assert [(item.name, shown(item.value)) for item in command.variables] == [("A", "$A")]


def test_functions_are_read_where_they_are_called() -> None:
    text = "f() { c $X; }\nX=1\nf\nX=2\n"
    assert texts(text) == [["f"], ["c", "1"]]
    assert texts("f() { c $X; }\nX=1\n") == [["c", "1"]]  # never called: as the script ends
    assert texts("a() { b; }\nb() { a; c; }\na") == [["a"], ["b"], ["a"], ["c"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("M=m\ncat > run.sh <<EOF\nvllm serve $M \\$P\nEOF\n", ["vllm", "serve", "m", "$P*"]),
        ("M=m\ncat > run.sh <<'EOF'\nvllm serve $M\nEOF\n", ["vllm", "serve", "$M*"]),
        ("tee run <<EOF\n#!/bin/bash\nvllm serve m\nEOF\n", ["vllm", "serve", "m"]),
        ("sudo bash -s <<EOF\nvllm serve m\nEOF\n", ["vllm", "serve", "m"]),
        ("cat <<-EOF >> a.sh\n\tvllm serve m\n\tEOF\n", ["vllm", "serve", "m"]),
        ("cat <<EOF > a.sh\r\nvllm serve m\r\nEOF\r\n", ["vllm", "serve", "m"]),
    ],
)
def test_scripts_in_here_documents(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize("target", ["> a.yaml", "> config", "", "| kubectl apply -f -", "> readme.md"])
def test_other_here_documents_are_no_commands(target: str) -> None:
    assert "vllm" not in [found[0] for found in texts(f"cat <<EOF {target}\nvllm serve m\nEOF\n")]


@pytest.mark.parametrize(
    ("text", "name", "marked"),
    [
        ("vllm serve m \\ \n --port 1", "broken-continuation", "\\ "),
        ("vllm serve m \\\t \n --port 1", "broken-continuation", "\\\t "),
        ("vllm serve m \\ # tp\n --port 1", "broken-continuation", "\\ "),
        ("vllm serve m\n --port 1", "broken-continuation", "--port"),
        ("vllm serve m \\\n\n --port 1", "broken-continuation", "--port"),
        ("vllm serve m \\\n # --seed 1 \\\n --port 1", "broken-continuation", "# --seed 1 \\"),
        ("vllm serve 'm", "open-quote", "'"),
        ('vllm serve "m', "open-quote", '"'),
        ("vllm serve m\\", "open-quote", "\\"),
        ("vllm serve $(m", "open-quote", "$"),
    ],
)
def test_mistakes(text: str, name: str, marked: str) -> None:
    source = Source(text, "x.sh")
    (command,) = [command for command in commands(source.whole()) if command.notices]
    (notice,) = command.notices
    assert notice.name == name
    assert notice.span is not None
    assert source.slice(notice.span) == marked
    assert [word.text for word in command.words[:2]] == ["vllm", "serve"]
    if name == "broken-continuation":
        assert command.words[-1].open  # what is cut off is not known


def test_blanks_behind_a_backslash_are_deleted() -> None:
    source = Source("a \\  \n --b", "x.sh")
    (notice,) = commands(source.whole())[0].notices
    assert notice.fix is not None
    (edit,) = notice.fix.edits
    assert (source.slice(edit.span), edit.text, notice.fix.safe) == ("  ", "", True)


@pytest.mark.parametrize("text", ["a &\n-b", "a; -b", "a | -b", "X=1\n-b", "a > x\nb\n-c"])
def test_flags_that_are_not_cut_off(text: str) -> None:
    assert [len(command.notices) for command in read(text)][:1] == [0]


@pytest.mark.parametrize(
    "text", ["if a; then\nvllm serve m --p 1\n", "vllm serve m --p 1\n)\n}\nfi", "a (b\nvllm serve m --p 1"]
)
def test_behind_a_syntax_error(text: str) -> None:
    assert ["vllm", "serve", "m", "--p", "1"] in texts(text)


WORD = st.text("ab \t\"'\\\n#=-.é", min_size=1)


@given(st.lists(WORD, min_size=1))
def test_words_equal_shlex(given_words: list[str]) -> None:
    line = shlex.join(["x", *given_words])
    assert texts(line) == [["x", *given_words]] == [shlex.split(line)]


@given(st.text("ab '\"\t-=/.,:"))
def test_plain_lines_equal_shlex(text: str) -> None:
    try:
        expected = shlex.split(f"x {text}")
    except ValueError:
        return
    assert texts(f"x {text}") == [expected]


PIECES = [
    "a",
    " ",
    "\n",
    "'",
    '"',
    "\\",
    "$",
    "$X",
    "${X:-",
    "}",
    "$(",
    ")",
    "`",
    "(",
    ";",
    "&",
    "|",
    "<",
    ">",
    "#",
    "=",
    "X=",
    "--b",
]
PIECES += [
    "X=(",
    "X+=(",
    "<<E\n",
    "E\n",
    "if ",
    "then ",
    "else ",
    "fi\n",
    "do ",
    "done\n",
    "for X in ",
    "case ",
    "esac\n",
    "é",
    "\r\n",
]
PIECES += [
    "f() { ",
    "f ",
    "export ",
    "vllm serve m ",
    "\ue000x\ue001",
    "set -- ",
    '"$@" ',
    "[[ ",
    " ]] && ",
    "$((",
    "))",
    "$'",
    "\t",
]


@settings(max_examples=400)
@given(st.lists(st.sampled_from(PIECES), max_size=30))
def test_any_text_is_read(pieces: list[str]) -> None:
    source = Source("".join(pieces), "x.sh")
    for command in commands(source.whole(), {"X": "y z"}):
        for word, text in zip(command.words, command.texts, strict=True):
            if word.span is not None and not word.span.file:
                raise AssertionError
            if word.plain:
                assert word.span is not None
                assert source.slice(word.span) == word.text
            assert text.text == word.text or word.span is None
            for span in (word.span, word.extent):
                if span is not None:
                    assert (1, 1) <= (span.line, span.column) <= (span.end_line, span.end_column)


@pytest.mark.parametrize(
    "unit",
    [
        *(
            "$(",
            "$(a ",
            "(",
            "(a)",
            "{ ",
            '"',
            '"$(',
            "'a ",
            "\\",
            "if a; then ",
            "for i in 1; do ",
            "case a in b) ",
            "`",
        ),
        *("f() { ", "a|", "a&&", "a||", "${A:-", "cat <<E\n", "A=(", "A+=(x)\n", "A=$A$A\n", "$A", "--x y\n", ">a "),
        *("[`<~", "a?", "A=([", ")", "cat > x.sh <<E\nvllm serve a\nE\n", "export A=1\n", "a \\\n", "\\ \n", "é=ü\n"),
        *("[[ )~|-\\", "\ue000", "\ue001", "#", "{{ x ", "<A B", "x=(y=(", "$'", '$"', "a b c d e f g h\n"),
    ],
)
def test_hostile_texts_end(unit: str) -> None:
    text = "vllm serve m\n" + unit * ((1 << 16) // len(unit)) + "\nvllm serve n\n"
    try:
        found = read(text)
    except ReadError:
        return
    assert [word.text for word in found[0].words[:3]] == ["vllm", "serve", "m"]
