# SPDX-License-Identifier: BSD-3-Clause
"""
chat.py small TOOL MODEL DIR | real TOOL GGUF RENDER: conversations by `run --chat` and `--interactive`: with a model without a
template, MODEL, to which templates are added in DIR, or with the template in GGUF. Prints ok and not ok lines.
"""
import json
import os
import signal
import subprocess
import sys
import time

GOLDEN = "tests/models/real/smollm2.json"


def report(name, good, *what):
    print("ok" if good else "not ok", name)
    for line in () if good else what:
        print("#", repr(line))


class Tool:
    def __init__(self, tool, model):
        self.tool, self.model = tool, model

    def run(self, *options, text=None):
        return subprocess.run([self.tool, "run", self.model, "-j", "2", *options], input=text, capture_output=True, text=True)

    def json(self, *options):
        made = self.run("--json", *options)
        return json.loads(made.stdout) if made.returncode == 0 else made.stderr

    def start(self, *options):
        return subprocess.Popen([self.tool, "run", self.model, "-j", "2", *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)


def refused(name, run, says, status=1):
    report(name, run.returncode == status and says in run.stderr, run.returncode, run.stdout, run.stderr)


def with_files(source, directory, **files):
    """The model in another directory, with more files."""
    os.makedirs(directory)
    for name in os.listdir(source):
        if name.replace(".", "_") not in files:
            os.symlink(os.path.abspath(os.path.join(source, name)), os.path.join(directory, name))
    for name, content in files.items():
        path = os.path.join(directory, name.replace("_json", ".json").replace("_jinja", ".jinja"))
        with open(path, "w") as file:
            file.write(content if isinstance(content, str) else json.dumps(content))
    return directory


def without_template(plain):
    refused("--chat without a template", plain.run("--chat", "-p", "a"), "no chat template")
    refused("--system without a template", plain.run("--interactive", "--system", "a"), "no chat template")
    refused("--interactive with -p", plain.run("--interactive", "-p", "a"), "--interactive takes", 2)
    refused("--system without --chat", plain.run("-p", "a", "--system", "b"), "--system is for", 2)
    refused("neither -p nor --interactive", plain.run(), "or --interactive", 2)
    made = plain.run("--interactive", "-n", "9", text="Once upon a time\n")
    alone = plain.run("-p", "Once upon a time", "-n", "9")
    report("without a template, texts are continued", made.returncode == 0 and made.stdout.strip() == alone.stdout.strip()
           and "no chat template" in made.stderr, made.stdout, made.stderr, alone.stdout)
    made = plain.run("--interactive", "-n", "9", "-c", "30", text="Once upon a time\n" * 4 + "/reset\nOnce upon a time\n")
    lines = made.stdout.splitlines()
    report("a text as long as the context is refused until /reset", "is full; /reset" in made.stderr and lines[0] == lines[-1],
           made.stdout, made.stderr)


def templates(tool, model, work):
    """The same answers as without a template, where it gives the same text."""
    begin = "{{ bos_token }}{{ messages[0].content ~ '|' if messages[0].role == 'system' }}{{ messages[-1].content }}"
    config = {"bos_token": {"content": "<s>"}, "eos_token": "</s>", "chat_template": "wrong"}
    alone = Tool(tool, model).json("-p", "Lily said", "-n", "12")
    told = Tool(tool, model).json("-p", "Be.|Lily said", "-n", "12")

    def answers(name, expected, *options, **files):
        made = Tool(tool, with_files(model, os.path.join(work, name), **files)).json("--chat", "-p", "Lily said", "-n", "12", *options)
        report(f"a template in {name}", isinstance(made, dict) and made["token_ids"] == expected["token_ids"], made, expected)
        return made

    made = answers("chat_template.jinja", alone, chat_template_jinja=begin + "\n", tokenizer_config_json=config)
    report("the answer's text is that of its tokens", made["text"].strip() == alone["text"].strip(), made["text"], alone["text"])
    answers("tokenizer_config", alone, tokenizer_config_json={**config, "chat_template": begin})
    answers("a list", alone, tokenizer_config_json={**config, "chat_template": [{"name": "tools", "template": "no"},
                                                                            {"name": "default", "template": begin}]})
    answers("a system message", told, "--system", "Be.", tokenizer_config_json={**config, "chat_template": begin})
    stop = alone["token_ids"][6]
    first = alone["token_ids"].index(stop)
    answers("generation_config", {"token_ids": alone["token_ids"][:first + 1]}, generation_config_json={"eos_token_id": [stop, 2]},
            tokenizer_config_json={**config, "chat_template": begin})

    def refuses(name, says, **files):
        refused(name, Tool(tool, with_files(model, os.path.join(work, name), **files)).run("--chat", "-p", "a"), says)

    refuses("what a template refuses is said", "the chat template refuses: no such role",
            chat_template_jinja="\n{{ raise_exception('no such role') }}")
    refuses("what is not supported is named with its line", "line 2: the tag {% include %} is not supported",
            chat_template_jinja="\n{% include 'a' %}")
    refuses("a configuration that is no JSON", "tokenizer_config.json: not an object", tokenizer_config_json="{")
    refuses("a template that is no string", "chat_template is no string", tokenizer_config_json={"chat_template": 1})
    refuses("only other templates", "no chat template", tokenizer_config_json={"chat_template": [{"name": "x", "template": ""}]})

    turns = "{{ bos_token }}{% for m in messages %}{{ m.content }} {% endfor %}"
    talk = Tool(tool, with_files(model, os.path.join(work, "turns"), chat_template_jinja=turns, tokenizer_config_json=config))
    made = talk.run("--interactive", "-n", "8", "-c", "40", text="Lily had a dog\n" * 5 + "/exit\nno\n")
    report("the oldest turns go where the context is full", made.returncode == 0 and len(made.stdout.splitlines()) == 5
           and "oldest turns are forgotten" in made.stderr, made.stdout, made.stderr)
    made = talk.run("--interactive", "-n", "8", "-c", "40", text="Lily had a dog. " * 20 + "\nLily\n")
    report("a message longer than the context is no end", made.returncode == 0 and "shorten it" in made.stderr
           and made.stdout.strip().count("\n") == 0, made.stdout, made.stderr)
    made = talk.run("--interactive", "-n", "8", "--temp", "1", "--seed", "3", text="Lily\n/reset\nLily")
    lines = made.stdout.splitlines()
    report("/reset begins anew", len(lines) == 2 and lines[0] == lines[1], made.stdout, made.stderr)
    changing_start(Tool(tool, model), Tool(tool, with_files(
        model, os.path.join(work, "counted"), tokenizer_config_json=config,
        chat_template_jinja="{{ bos_token }}{{ messages|length }} {% for m in messages %}{{ m.content }} {% endfor %}")))
    packed = os.path.join(work, "turns.lwc")
    subprocess.run([tool, "pack", talk.model, "-o", packed], check=True, capture_output=True)
    interruptions(Tool(tool, packed))


def changing_start(plain, counted):
    """What the sequence has is used only as far as the conversation still begins with it."""
    said, asked = [], ["Lily had a dog", "The dog", "It was red"]
    out = counted.run("--interactive", "-n", "10", text="\n".join(asked)).stdout
    for line in asked:
        said.append(line)
        said.append(plain.json("-p", f"{len(said)} " + "".join(part + " " for part in said), "-n", "10")["text"])
        if not out.startswith(said[-1].lstrip() + "\n"):
            report("a conversation whose beginning changes", False, said, out)
            return
        out = out[len(said[-1].lstrip()) + 1:]
        said[-1] = said[-1].lstrip()
    report("a conversation whose beginning changes", not out, said, out)


def read_some(process):
    return os.read(process.stdout.fileno(), 1)


def drain(process):
    """What is said until nothing is for a while: the answer has ended."""
    os.set_blocking(process.stdout.fileno(), False)
    quiet = 0
    while quiet < 5:
        time.sleep(0.1)
        try:
            quiet = 0 if os.read(process.stdout.fileno(), 1 << 20) else 5
        except BlockingIOError:
            quiet += 1
    os.set_blocking(process.stdout.fileno(), True)


def finish(process, text=b""):
    out, err = process.communicate(text, timeout=120)
    return process.returncode, out.decode(), err.decode()


def interruptions(tool):
    # the layers that are left are skipped in the ring of the backend user, too: several times, for it may be in the head
    process = tool.start("--interactive", "-n", "100000", "--backend", "user")
    for _ in range(5):
        if process.poll() is not None:
            break
        process.stdin.write(b"Once upon a time\n")
        process.stdin.flush()
        if read_some(process):
            process.send_signal(signal.SIGINT)
        drain(process)
    code, out, err = finish(process, b"/exit\n")
    report("Ctrl-C ends answers, not the conversation", code == 0 and not err, code, out, err)

    process = tool.start("--interactive", "-n", "4")
    process.stdin.write(b"Once\n")
    process.stdin.flush()
    while read_some(process) != b"\n":
        pass
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    process.wait(60)
    report("Ctrl-C at the prompt ends the conversation", process.returncode == 0, process.returncode)
    process.communicate()

    for number, name in ((signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")):
        options = ("-p", "Once upon a time", "--chat") if number == signal.SIGINT else ("--interactive",)
        process = tool.start("-n", "100000", *options)
        if number == signal.SIGTERM:
            process.stdin.write(b"Once upon a time\n")
            process.stdin.flush()
        read_some(process)
        process.send_signal(number)
        code, out, err = finish(process)
        report(f"{name} ends the program", code == 1 and "interrupted" in err, code, out[-200:], err)


def real(tool, model, render):
    run = Tool(tool, model)
    with open(GOLDEN) as file:
        golden = [text for text in json.load(file) if "messages" in text]
    for text in golden:
        messages = text["messages"]
        options = ["--system", messages[0]["content"]] if messages[0]["role"] == "system" else []
        if [message["role"] for message in messages[len(options) // 2:]] != ["user"]:
            continue
        made = run.json("--chat", "-p", messages[-1]["content"], "-n", str(len(text["token_ids"])), *options)
        report(f"a chat of {len(text['prompt_token_ids'])} tokens, like transformers",
               isinstance(made, dict) and made["token_ids"] == text["token_ids"], made, text)
    template = gguf_template(model)

    def rendered(messages):
        request = {"template": template, "variables": {"messages": messages, "add_generation_prompt": True, "tools": None}}
        return json.loads(subprocess.run([render], input=json.dumps(request), capture_output=True, text=True).stdout)["text"]

    report("its template, like transformers", golden and all(rendered(text["messages"]) == text["prompt"] for text in golden))
    asked = ["Hi, who are you?", "What is 2 + 2?", "Thanks — grüß Gott! 👋"]
    made = run.run("--interactive", "-n", "24", text="\n".join(asked) + "\n")
    answers, messages = made.stdout, []
    for number, question in enumerate(asked):
        messages.append({"role": "user", "content": question})
        alone = run.json("-p", rendered(messages), "-n", "24")["text"]
        report(f"turn {number + 1} as if its conversation were one text", answers.startswith(alone + "\n"), alone, answers)
        answers = answers[len(alone) + 1:]
        messages.append({"role": "assistant", "content": alone})
    report("nothing else is said", made.returncode == 0 and not answers, answers, made.stderr)


def gguf_template(path):
    import gguf
    with open(path, "rb") as file:
        return gguf.Reader(file.read()).metadata["tokenizer.chat_template"]


def main(kind, tool, model, other):
    if kind == "real":
        sys.path.append("tests/bench/redundancy")
        import interpreter  # noqa: F401  before anything is done: it may start another Python
        real(tool, model, other)
        return
    without_template(Tool(tool, model))
    templates(tool, model, other)


main(*sys.argv[1:])
