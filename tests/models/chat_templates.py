# SPDX-License-Identifier: BSD-3-Clause
"""Chat templates as HuggingFace's transformers renders them, by jinja2; conversations; templates of random parts."""
import datetime
import json

from jinja2 import nodes
from jinja2.exceptions import TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

NOW = 1_700_000_000


class Generation(Extension):
    """{% generation %}: a block that is called, as the one that transformers has for training."""
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("say"), [], [], body).set_lineno(line)

    @staticmethod
    def say(caller):
        return caller()


def raise_exception(message):
    raise TemplateError(message)


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def environment():
    made = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    made.filters["tojson"] = tojson
    made.globals["raise_exception"] = raise_exception
    made.globals["strftime_now"] = datetime.datetime.fromtimestamp(NOW).strftime
    return made


TOOLS = [{"type": "function", "function": {
    "name": "weather", "description": "Weather in \"a\" town <é>", "return": {"type": "string"},
    "parameters": {"type": "object", "properties": {"town": {"type": "string"}, "days": {"type": "integer", "default": 3}},
                   "required": ["town"], "limits": [1, 2.5, True, None, []]}}}]


def message(role, content, **more):
    return {"role": role, "content": content, **more}


USER = message("user", "  What is <|im_end|> for?\n")
ANSWER = message("assistant", "\nAn end. ")
CONVERSATIONS = [
    [USER],
    [message("system", " Be brief.\n"), USER],
    [USER, ANSWER, message("user", "Grüße, 日本 👋\u00a0")],
    [message("system", "S"), USER, ANSWER, message("user", "and?"), message("assistant", "x")],
    [message("user", ""), message("assistant", "<think>\nHm.\n</think>\n\nYes."), message("user", "?"),
     message("assistant", "<think>a</think>b")],
    [USER, USER],
    [ANSWER],
    [message("robot", "beep")],
    [message("user", [{"type": "text", "text": " a "}, {"type": "image"}])],
    [USER, message("assistant", None, tool_calls=[{"id": "abcdefghi", "function": {
        "name": "weather", "arguments": {"town": "Köln", "days": 1}}}]), message("tool", "sunny"), message("tool", "{}"), ANSWER],
    [USER, message("assistant", "", tool_calls=[{"id": "short", "function": {"name": "f", "arguments": "{}"}}])],
    [USER, message("assistant", "so", reasoning_content="because"), message("user", "ok")],
    [],
]


def chats():
    """Variables for a template."""
    for number, messages in enumerate(CONVERSATIONS):
        for prompt in (False, True):
            variables = {"messages": messages, "add_generation_prompt": prompt, "bos_token": "<s>", "eos_token": "</s>",
                         "tools": TOOLS if number % 3 == 1 else None}
            if number % 2:
                variables["enable_thinking"] = bool(number % 4 == 1)
            yield variables


VALUES = {"s": "Ab c\n", "u": "é 👋 ß", "e": "", "n": 7, "m": -3, "r": 2.5, "t": True, "f": False, "z": None,
          "l": [3, "b", 1.0, None], "w": ["one", "Two", "", "three"], "d": {"a": 1, "items": 2, "b c": [1, {"x": "y"}]},
          "o": [{"k": "p", "v": 1}, {"k": "q", "v": 2, "more": {"k": "r"}}, {"v": 3}], "nothing": [], "empty": {}}


class Maker:
    """
    Expressions of a kind (text, number, truth, list, any), and templates of them; now and then of a wrong kind. They set no
    name of VALUES: in a scope that sets one, jinja2 hides it from loops before that.
    """

    def __init__(self, random):
        self.random = random
        self.pick = random.choice

    def expression(self, kind, depth):
        if self.random.random() < 0.04:
            kind = self.pick(["text", "number", "truth", "list", "any"])
        return getattr(self, kind)(depth - 1)

    def text(self, depth):
        if depth <= 0:
            return self.pick(["s", "u", "e", "'a,b'", '"it\'s"', "'x\\n'", "'\\u00e9'", "d['b c'][1].x", "w[1]", "o[0].k"])
        t, n, a = (lambda kind=kind: self.expression(kind, depth) for kind in ("text", "number", "any"))
        return self.pick([
            lambda: f"({t()} + {t()})", lambda: f"{a()} ~ {a()}", lambda: f"({t()} * {self.pick('0123')})",
            lambda: f"{t()}|{self.pick(['trim', 'upper', 'lower', 'title', 'capitalize', 'string', 'reverse', 'first', 'last'])}",
            lambda: f"({t()}){self.pick(['.strip()', '.lstrip()', '.rstrip()', '.upper()', '.lower()', '.title()', '.capitalize()'])}",
            lambda: f"({t()}).{self.pick(['strip', 'lstrip', 'rstrip', 'removeprefix', 'removesuffix'])}({t()})",
            lambda: f"({t()}).replace({t()}, {t()})", lambda: f"{t()}|replace({t()}, {t()})",
            lambda: f"({t()})[{n()}]", lambda: f"({t()})[{n()}:]", lambda: f"({t()})[:{n()}]", lambda: f"({t()})[::{n()}]",
            lambda: f"{self.expression('list', depth)}|join({t()})", lambda: f"({t()}).split({t()})[{self.pick(['0', '-1', '1'])}]",
            lambda: f"{a()}|tojson", lambda: f"{a()}|tojson(indent={self.pick(['2', '4', '0', 'none'])})",
            lambda: f"({t()} if {self.expression('truth', depth)} else {t()})", lambda: f"{t()}|indent({self.pick('0124')})",
            lambda: f"{a()}|string", lambda: f"{a()}|default({t()}, {self.pick(['true', 'false'])})",
            lambda: f"({t()}).join(w)",
        ])()

    def number(self, depth):
        if depth <= 0:
            return self.pick(["0", "1", "2", "-1", "7", "2.5", "1e3", "n", "m", "r", "d.a", "l|length", "o[1].v", "1_000"])
        n = lambda: self.expression("number", depth)  # noqa: E731
        return self.pick([
            lambda: f"({n()} {self.pick(['+', '-', '*', '/', '//', '%'])} {n()})", lambda: f"-{n()}", lambda: f"{n()}|abs",
            lambda: f"{self.expression('list', depth)}|length", lambda: f"{self.expression('text', depth)}|length",
            lambda: f"{self.expression('text', depth)}|int", lambda: f"{n()}|int", lambda: f"{n()}|float",
            lambda: f"{self.expression('text', depth)}|float", lambda: f"({self.expression('text', depth)}).find({self.expression('text', depth)})",
        ])()

    def truth(self, depth):
        if depth <= 0:
            return self.pick(["t", "f", "true", "False", "not t", "x is defined", "z is none", "s in u", "n > m"])
        e = lambda kind="any": self.expression(kind, depth)  # noqa: E731
        kind = self.pick(["text", "number", "list"])
        return self.pick([
            lambda: f"({e()} {self.pick(['==', '!='])} {e()})", lambda: f"({e(kind)} {self.pick(['<', '<=', '>', '>='])} {e(kind)})",
            lambda: f"({e('number')} < {e('number')} <= {e('number')})", lambda: f"({e('truth')} {self.pick(['and', 'or'])} {e()})",
            lambda: f"(not {e()})", lambda: f"{e()} is {self.pick(['', 'not '])}" + self.pick([
                "defined", "undefined", "none", "string", "mapping", "iterable", "sequence", "number", "boolean", "true", "false",
                "integer", "float", "callable"]),
            lambda: f"{e('number')} is {self.pick(['odd', 'even', 'divisibleby 2', 'divisibleby(3)'])}",
            lambda: f"{e()} is {self.pick(['eq', 'ne', 'equalto', 'in'])}({e('list')})",
            lambda: f"({e()} {self.pick(['in', 'not in'])} {e('list')})", lambda: f"({e('text')} in {e('text')})",
            lambda: f"({e('text')}).{self.pick(['startswith', 'endswith'])}({e('text')})",
            lambda: f"({e()} in {self.pick(['d', 'empty', 'd.keys()', 'd.values()'])})",
        ])()

    def list(self, depth):
        if depth <= 0:
            return self.pick(["l", "w", "nothing", "[1, 2]", "(1, 'a')", "[n, s]", "range(4)", "[]", "()", "(s,)"])
        e = lambda kind="any": self.expression(kind, depth)  # noqa: E731
        return self.pick([
            lambda: f"[{e()}, {e()}]", lambda: f"({e()}, {e()})", lambda: f"({e('list')} + {e('list')})",
            lambda: f"({e('list')})[{e('number')}:{e('number')}]", lambda: f"({e('list')})[::{self.pick(['-1', '2', '-2'])}]",
            lambda: f"({e('text')}).split({self.pick(['', 'none, 1', repr(' ')])})", lambda: f"({e('text')}).splitlines()",
            lambda: f"{e('list')}|list", lambda: f"{e('text')}|list", lambda: f"{e('list')}|reverse|list",
            lambda: "o|map(attribute='k')|list", lambda: "o|map(attribute='more.k', default='-')|list",
            lambda: f"w|map('{self.pick(['upper', 'trim', 'length', 'list', 'tojson'])}')|list",
            lambda: f"o|{self.pick(['selectattr', 'rejectattr'])}('{self.pick(['k', 'v', 'more'])}')|list",
            lambda: f"o|{self.pick(['selectattr', 'rejectattr'])}('k', 'equalto', {e('text')})|list",
            lambda: f"o|{self.pick(['selectattr', 'rejectattr'])}('more', '{self.pick(['defined', 'none', 'mapping'])}')|list",
            lambda: f"{e('list')}|{self.pick(['select', 'reject'])}('string')|list", lambda: f"{e('list')}|select|list",
            lambda: "d.items()|list", lambda: "d|items|list", lambda: "d.keys()|list", lambda: "d.values()|list",
            lambda: f"({e('list')} * {self.pick(['0', '2'])})", lambda: f"range({e('number')})|list",
        ])()

    def any(self, depth):
        if depth <= 0:
            return self.pick(["x", "z", "d", "o", "empty", "d.b", "d.x", "d['items']", "s[99]", "{'a': 1, 2: (3,)}", "l[0]", "d.get('a')",
                              "d.get('q', n)", "w|first", "nothing|first", "l|last"])
        return self.expression(self.pick(["text", "number", "truth", "list", "any"]), depth)

    def space(self, text):
        return text + self.pick(["", "", " ", "\n", "\n  ", "  \n\n", "x", "\t"])

    def tag(self, inside):
        return self.space("{%" + self.pick(["", "", "-", "+"]) + f" {inside} " + self.pick(["", "", "-", "+"]) + "%}")

    def block(self, depth):
        if depth <= 0 or self.random.random() < 0.4:
            return self.space("{{" + self.pick(["", "", "-"]) + f" {self.expression('any', 3)} " + self.pick(["", "", "-"]) + "}}")
        e, b = (lambda kind="any": self.expression(kind, 2)), (lambda: self.body(depth - 1))
        return self.pick([
            lambda: self.tag(f"if {e()}") + b() + self.tag("endif"),
            lambda: self.tag(f"if {e('truth')}") + b() + self.tag(f"elif {e()}") + b() + self.tag("else") + b() + self.tag("endif"),
            lambda: self.tag(f"for y in {e('list')}") + self.loop_text() + b() + self.tag("endfor"),
            lambda: self.tag(f"for y in {e('list')} if {self.pick(['y', 'y is string', 'y != n'])}") + "{{ y }}" + self.loop_text() + b()
            + self.tag("else") + b() + self.tag("endfor"),
            lambda: self.tag("for a, b in d.items()") + "{{ a }}={{ b }}" + self.loop_text() + self.tag("endfor"),
            lambda: self.tag(f"for y in {e('list')}") + self.tag(f"if {e('truth')}") + self.tag(self.pick(["break", "continue"]))
            + self.tag("endif") + "{{ y }}" + self.tag("endfor"),
            lambda: self.tag(f"set x = {e()}"), lambda: self.tag(f"set y, q = {e()}, {e('text')}"),
            lambda: self.tag("set x") + b() + self.tag("endset") + "{{ x }}",
            lambda: self.tag(f"set ns = namespace(v={e()})") + self.tag("for y in w") + self.tag("set ns.v = ns.v ~ y") + self.tag("endfor")
            + "{{ ns.v }}",
            lambda: self.tag(f"macro g(a, b={e()})") + "{{ a }}{{ b }}" + b() + self.tag("endmacro") + f"{{{{ g({e()}) ~ g({e()}, b={e()}) }}}}",
            lambda: self.tag("generation") + b() + self.tag("endgeneration"),
            lambda: self.tag(f"with x = {e()}, q = x") + "{{ q }}" + b() + self.tag("endwith"),
            lambda: self.space("{#" + self.pick(["", "-", "+"]) + " no {{ }} " + self.pick(["", "-", "+"]) + "#}"),
            lambda: self.tag("raw") + "{{ x }}{% if %}" + self.tag("endraw"),
        ])()

    def loop_text(self):
        return "{{ loop." + self.pick(["index", "index0", "first", "last", "length", "revindex", "previtem", "nextitem"]) + " }}"

    def body(self, depth):
        return "".join(self.block(depth) for _ in range(self.random.randrange(1, 4)))

    def template(self):
        return self.space("") + self.body(3)
