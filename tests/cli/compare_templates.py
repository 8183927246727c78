# SPDX-License-Identifier: BSD-3-Clause
"""
compare_templates.py RENDER TEMPLATE...: what RENDER makes of chat templates equals what jinja2 makes of them, for the files
and for random ones. Prints ok and not ok lines.
"""
import copy
import json
import os
import random
import subprocess
import sys
import warnings

import chat_templates
from chat_templates import NOW, VALUES, Maker, chats

COUNT = int(os.environ.get("LWCMEM_TEMPLATES", "3000"))
# values that may be hidden behind a mistake are worth seeing by themselves
FIXED = [
    "{{ 1 }}\n", "a\r\nb\r{{ s }}\n\n", "{{ 'a' 'b' }}", "{{ '\\x41\\u00e9\\101\\q\\\\' }}", "{{ [1, 'a', none, 2.0, {'k': (1,)}] }}",
    "{{ ['it\\'s', '\"', '\\n\\t\\x00\\x7f', 'é\u00ad👋'] }}", "{{ 1e16 }} {{ 1e15 }} {{ 1e-5 }} {{ 0.0001 }} {{ -0.0 }} {{ 1/3 }} {{ 1e22 }}",
    "{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % -3 }} {{ -7 % 3 }} {{ 7.5 // -2 }} {{ -7.5 % 2 }} {{ 5.0 // 0.1 }}", "{{ -2|abs }} {{ -'1'|int }}",
    "{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ true == 1 }} {{ 1 == 1.0 }} {{ (1,) == [1] }} {{ 9007199254740993 == 9007199254740992.0 }}",
    "{{ d.items }}", "{{ d['items'] }} {{ d.nope }} {{ d.get('nope') }}", "{{ x.y }}", "{{ x.y is defined }}", "{{ x }}{{ x|default(3) }}",
    "{{ none }} {{ None }} {{ True }} {{ true }}", "{{ {'a': 1}.a }} {{ {'a': {'b': 2}}['a']['b'] }}", "{% if x %}1{% else %}0{% endif %}",
    "{{ 'a' if f }}", "{{ ('a' if f) is defined }}", "{{ raise_exception('no') }}", "{{ strftime_now('%Y-%m-%d %H:%M %A %B %j %%') }}",
    "{% for i in range(3) %}{% set x = i %}{% endfor %}{{ x }}", "{% set x = 1 %}{% for i in range(3) %}{{ x }}{% set x = i %}{% endfor %}{{ x }}",
    "{% set ns = namespace(a=1) %}{% for i in range(3) %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}", "{% set ns.a = 1 %}",
    "{% macro m(a, b=2) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}{{ m(1, b=3) }}{{ m() }}", "{% macro m(a) %}{% if a %}{{ m(a - 1) }}{% endif %}{{ a }}{% endmacro %}{{ m(5) }}",
    "{% set q = 5 %}{% macro m() %}{{ q }}{% endmacro %}{% set q = 6 %}{{ m() }}", "{{ l.append(1) }}", "{{ d.update({}) }}", "{{ s.__class__ }}",
    "{{ ''.__class__.__mro__ }}", "{{ s['__class__'] }}", "{% for a, b in [[1, 2], [3, 4]] %}{{ a }}-{{ b }},{% endfor %}", "{% for a, b in [[1]] %}{% endfor %}",
    "{% for c in 'hé👋' %}{{ c }}.{% endfor %}", "{% for k in d %}{{ k }}{% endfor %}", "{% for i in n %}{% endfor %}", "{% for i in x %}{{ i }}{% else %}none{% endfor %}",
    "  {% if t %}\n  a\n  {% endif %}\n b {%- if t %}\n  c\n  {%- endif -%}  \n d", "x {#- c -#} y\n  {# c #}\n z", "  {{ 1 }}\n  {{- 2 -}}  \n 3",
    "{% raw %}{{ x }}{% endraw %}", "a {%- raw -%}  {{ x }} {%- endraw %}\n b", "{{ '}}' }}{{ \"{% x %}\" }}", "{{ s | tojson }}{{ u|tojson(ensure_ascii=true) }}",
    "{{ d|tojson(indent=2) }}{{ d|tojson(separators=(',', ':')) }}{{ {'b': 1, 'a': 2}|tojson(sort_keys=true) }}", "{{ {1: 2, none: 3, true: 4}|tojson }}",
    "{{ 'Straße ǆ ΑΣ'|upper }} {{ 'ΑΣ İ'|lower }} {{ 'ǆx-ab (cd) it\\'s'|title }} {{ 'ǆX'|capitalize }} {{ \"it's 3rd\".title() }}",
    "{{ '\u2003 a\u00a0\x1f'.strip() }}|{{ '\u200b a'|trim }}|{{ 'xxaxx'.strip('x') }}|{{ 'abc'.lstrip('ba') }}", "{{ 'a,b,c'.split(',', 1) }} {{ ' a  b '.split() }} {{ 'a,b,c'.rsplit(',', 1) }} {{ ''.split(',') }}",
    "{{ 'aaa'.replace('a', 'b', 2) }} {{ 'ab'.replace('', '-') }} {{ ''.replace('', '-') }} {{ 'ab'|replace('', '-', 2) }}", "{{ 'ab' * 3 }} {{ [1] * 2 }} {{ 2 * 'x' }}",
    "{{ l[-1] }} {{ l[10] }} {{ l[1:][0] }} {{ s[::-1] }} {{ l[5:1:-2] }}", "{{ l.0 }} {{ o.1.k }}", "{{ w|map('upper')|join('-') }} {{ o|map(attribute='v')|join }}",
    "{{ w|map('upper') is string }}{{ (nothing|select) is sequence }}", "{{ ' 42 '|int }} {{ '42.9'|int }} {{ 'x'|int }} {{ 'x'|int(5) }} {{ none|int }} {{ '1e2'|int }} {{ 'nan'|int }} {{ '+3'|float }}",
    "{{ loop }}", "{{ loop is defined }}", "{% for i in [1, 2] %}{% for j in [3] %}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}", "{% break %}",
    "{% for i in range(100001) %}{% endfor %}", "{% include 'x' %}", "{% import 'x' as y %}", "{{ 1 is foo }}", "{{ 1|foo }}", "{{ foo() }}", "{{ (1, 2) }} {{ 1, 2 }} {{ () }} {{ (1,) }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set (a, (b, c)) = (1, (2, 3)) %}{{ a }}{{ b }}{{ c }}", "{% set x %}a{{ n }}{% endset %}{{ x|length }}", "{{ 1 if }}", "{{", "{% if %}", "{% endif %}",
    "{% if t %}", "{{ (1 }}", "{{ 1) }}", "{{ 'a }}", "{# a", "{% raw %} ", "{{ 1 +}}", "{{+ 1 }}", "{%+ if t +%}\na{% endif %}", "{{ not t }} {{ not not t }} {{ - -1 }} {{ +1 }}",
    "{{ t and s or e }} {{ e or 'x' }} {{ z and 1 }}", "{{ 'a' in 'abc' }} {{ 1 in 'abc' }}", "{{ 'b' not in ['a'] and not ('b' in 'a') }}", "{{ 'items' in d }} {{ 1 in d }} {{ [] in d }}",
    "{{ 5 is divisibleby 5 }} {{ n is odd }} {{ r is number and r is not integer }}", "{{ 'é' < 'z' }} {{ [1, 2] < [1, 3] }} {{ 1 < 'a' }}", "{{ dict(a=1) }} {{ dict({'a': 1}, b=2) }}", "{{ range(3) | list }} {{ range(1, 8, 3)|list }} {{ range(3)[1] }} {{ range(3)|length }}",
    "{{ s.nope }}{{ s.nope is defined }} {{ none.x is defined }} {{ 1.5 }} {{ n.real is defined }}", "{{ x + 1 }}", "{{ x ~ 1 }}", "{{ [x] }}", "{{ x|tojson }}", "{{ x|length }} {{ x|list }} {{ x|join }} {{ x|upper }}",
    "{{ 'line\nbreak' }}", "{{ 'a\\\nb' }}", "{% generation %}{% set x = 1 %}{{ x }}{% endgeneration %}{{ x }}", "{{ 12345678901234567890 }}", "{{ '<a>'|safe }}", "{{ '%s' % 1 }}", "{{ '{}'.format(1) }}", "{{ 'a'|center }}",
    "{{ w|first }} {{ w|last }} {{ d|first }} {{ d|last }} {{ nothing|first is defined }}", "{{ 'a\nb\n\nc'|indent }}|{{ 'a\nb'|indent(2, true) }}|{{ 'a\n\nb'|indent(2, blank=true) }}|{{ 'a\nb\n'|indent('> ') }}",
    "{{ 1.0 }} {{ 100000000000000000000.0 }} {{ 1.5e300 * 1e300 }} {{ 123456.789e3 }} {{ 5e-324 }}", "{{ t + t }} {{ -t }} {{ t * 2.5 }}", "{{ [true, 1]|select('true')|list }} {{ 1 is true }} {{ none is sameas none }}",
    "{% for m in [1, 2, 3] if m != 2 %}{{ loop.length }}{{ loop.previtem }}{{ m }}{% endfor %}", "{{ cycler }}", "{{ cycler is defined }}", "{% for i in w recursive %}{% endfor %}", "{% set loop = 1 %}", "{% filter upper %}a{% endfilter %}",
    "{{ caller is defined }}", "{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}", "{{ 2 ** 3 }}", "{{ f(*l) }}", "{{ namespace }}", "{{ d.items()|length }} {{ d.keys() }}", "{{ [1]|reverse }}",
]


def expected(environment, request):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return environment.from_string(request["template"]).render(**copy.deepcopy(request["variables"]))
    except Exception as problem:  # noqa: BLE001  whatever it is: jinja2 has no text of it
        return problem


def judge(reference, ours):
    """What is wrong, or None, with what RENDER says where jinja2 says something."""
    if isinstance(reference, Exception):
        return None if "error" in ours else f"a text, where jinja2 has an error, {reference!r}"
    if "error" not in ours:
        return None if ours["text"] == reference else f"it differs from {reference!r}"
    refused = "support" in ours["error"] or "|list" in ours["error"] or "cannot be" in ours["error"]
    return None if refused else f"an error, where jinja2 has {reference!r}"


def compare(render, name, requests, refused_most):
    given = "".join(json.dumps({**request, "now": NOW}) + "\n" for request in requests)
    run = subprocess.run([render], input=given, capture_output=True, text=True)
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    if run.returncode or len(answers) != len(requests):
        print(f"not ok {name}: {len(answers)} answers to {len(requests)}, {run.stderr[-2000:]}")
        return
    environment = chat_templates.environment()
    bad, texts, refused = 0, 0, 0
    for request, ours in zip(requests, answers):
        reference = expected(environment, request)
        problem = judge(reference, ours)
        texts += problem is None and "text" in ours
        refused += "error" in ours and not isinstance(reference, Exception)
        if problem:
            bad += 1
            if bad <= 10:
                print(f"# {request['template']!r}: {ours!r}: {problem}")
    what = f"{name}: {texts} equal texts of {len(requests)}, {refused} refused that jinja2 takes"
    print("ok" if not bad and texts and refused <= refused_most else "not ok", what)


def main(render, *paths):
    for path in paths:
        with open(path, newline="") as file:
            text = file.read()
        name = os.path.basename(path).removesuffix(".jinja")
        compare(render, f"template {name} as by jinja2", [{"template": text, "variables": one} for one in chats()], 0)
    compare(render, "parts of templates as by jinja2", [{"template": text, "variables": VALUES} for text in FIXED], 25)
    maker = Maker(random.Random(7))
    made = [{"template": maker.template(), "variables": VALUES} for _ in range(COUNT)]
    compare(render, "random templates as by jinja2", made, COUNT // 20)


main(*sys.argv[1:])
