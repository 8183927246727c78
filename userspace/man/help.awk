# SPDX-License-Identifier: BSD-3-Clause
# What `lwcmem COMMAND --help` prints, as the section of a manual page. The first paragraph is the usage, the second the
# summary. A line of the others that has text at the column where its paragraph's descriptions begin is an entry.
function escape(text) {
	gsub(/\\/, "\\e", text); gsub(/-/, "\\-", text); gsub(/\047/, "\\(aq", text)
	sub(/^\./, "\\\\\\&.", text)
	return text
}
function trim(text) { gsub(/^ +| +$/, "", text); gsub(/  +/, " ", text); return text }

/^usage: / { usage = 1; print ".SS " escape(section); print ".nf"; sub(/^usage: /, "") }
/^$/ {
	if (usage) print ".fi"
	usage = column = entry = 0
	gap = 1
	next
}
usage { print "\\fB" escape(usage++ > 1 ? "    " trim($0) : $0) "\\fR"; next }
gap {
	print ".PP"
	gap = 0
	if (match($0, /^[^ ].*[^ ]  +[^ ]/) && match($0, /  +[^ ]/)) column = RSTART + RLENGTH - 1
}
column && /^[^ ]/ && substr($0, column - 1, 1) == " " && substr($0, column, 1) != " " {
	print ".TP"
	print "\\fB" escape(trim(substr($0, 1, column - 1))) "\\fR"
	print escape(substr($0, column))
	next
}
{ print escape(trim($0)) }
