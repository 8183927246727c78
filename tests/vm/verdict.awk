# SPDX-License-Identifier: BSD-3-Clause
# Turns the records of a guest (see init.sh) into the lines that tests/run.sh counts: "ok RIG: PROGRAM: NAME",
# "not ok ...", "skip RIG: PROGRAM: NAME: REASON", details indented before the failure that they belong to.
# Variables: rig, programs (all that must have run), limit, planted ("PROGRAM=PATTERN|PROGRAM=PATTERN": what the kernel's
# log must say because of the program; of all others it must be silent). Status 1: something failed; 2: the guest died.

function fail(text) {
	print "not ok " rig ": " text
	failures++
	bad++
}

function show(list, count, from) {
	from = count > 60 ? count - 59 : 1
	for (; from <= count; from++)
		print "    " list[from]
}

function result(line, good, reason) {
	results++
	sub(/^(not )?ok */, "", line)
	sub(/^[0-9]+ */, "", line)
	sub(/^- */, "", line)
	if (good && match(line, /# *[Ss][Kk][Ii][Pp]:? */)) {
		reason = substr(line, RSTART + RLENGTH)
		line = substr(line, 1, RSTART - 1)
		sub(/ *$/, "", line)
		skipped++
		print "skip " rig ": " name ": " line ": " reason
	} else if (good) {
		print "ok " rig ": " name ": " line
	} else {
		show(notes, note_count)
		fail(name ": " line)
	}
	note_count = 0
}

function output(line) {
	if (line ~ /^1\.\.[0-9]+/) {
		plans++
		planned = substr(line, 4) + 0
		if (match(line, /# *[Ss][Kk][Ii][Pp]:? */))
			skip_reason = substr(line, RSTART + RLENGTH)
	} else if (line ~ /^ok( |$)/)
		result(line, 1)
	else if (line ~ /^not ok( |$)/)
		result(line, 0)
	else
		notes[++note_count] = line
}

function kernel_says(pattern, i) {
	for (i = 1; i <= kernel_count; i++)
		if (kernel[i] ~ pattern)
			return 1
	return 0
}

# The slowest ten, the slowest first.
function show_times(   i, slowest, text) {
	for (i = 0; i < 10; i++) {
		slowest = ""
		for (name in seconds)
			if (seconds[name] > 0 && (slowest == "" || seconds[name] > seconds[slowest]))
				slowest = name
		if (slowest == "")
			break
		text = text (text == "" ? "" : ", ") slowest " " seconds[slowest]
		delete seconds[slowest]
	}
	print "# " rig ": seconds: " text
}

# What a program's end says besides its results.
function end(status, timed_out, before) {
	before = bad
	if (load != "")
		fail(name ": " load)
	else if (timed_out)
		fail(name ": timed out after " limit " s" (stuck ? " and cannot be killed" : ""))
	else if (status > 128 && status < 193)
		fail(name ": died by signal " status - 128)
	else if (!plans)
		fail(name ": printed no plan")
	else if (plans > 1)
		fail(name ": printed " plans " plans")
	else if (results != planned)
		fail(name ": planned " planned " results, gave " results)
	else if (status != 0 && status != 4 && !bad)
		fail(name ": exit status " status)
	else if (planned == 0 && skip_reason != "")
		print "skip " rig ": " name ": " skip_reason
	else if (planned == 0)
		fail(name ": an empty plan")
	if (bad > before)
		show(notes, note_count)
	if (bad && error_count) {
		print "    stderr of " name ":"
		show(errors, error_count)
	}
	if (name in mistake && !skipped) {
		if (kernel_says(mistake[name]))
			print "ok " rig ": " name ": the kernel says \"" mistake[name] "\""
		else {
			show(kernel, kernel_count)
			fail(name ": the kernel does not say \"" mistake[name] "\"")
		}
	} else if (kernel_count) {
		show(kernel, kernel_count)
		fail(name ": kernel log")
	}
	ended[name] = 1
	name = ""
}

BEGIN {
	count = split(planted, list, "|")
	for (i = 1; i <= count; i++)
		mistake[substr(list[i], 1, index(list[i], "=") - 1)] = substr(list[i], index(list[i], "=") + 1)
}
{
	sub(/\r+$/, "")
	rest = $0
	sub(/^[A-Z]+ ?/, "", rest)
}
$1 == "BEGIN" {
	name = $2
	plans = planned = results = bad = stuck = note_count = error_count = kernel_count = skipped = 0
	load = skip_reason = ""
}
$1 == "O" { output(rest) }
$1 == "E" { errors[++error_count] = rest }
$1 == "K" { kernel[++kernel_count] = rest }
$1 == "LOAD" { load = rest }
$1 == "STUCK" { stuck = 1 }
$1 == "END" {
	seconds[$2] = $5
	end($3, $4)
}
$1 == "FATAL" { fail(rest) }
$1 == "DONE" { done = 1 }

END {
	if (name != "") {
		show(notes, note_count)
		fail(name ": the guest died")
	}
	count = split(programs, list, " ")
	missing = ""
	for (i = 1; i <= count; i++)
		if (!(list[i] in ended) && list[i] != name)
			missing = missing " " list[i]
	if (missing != "")
		fail("not run:" missing)
	show_times()
	if (!done)
		exit 2
	exit failures > 0
}
