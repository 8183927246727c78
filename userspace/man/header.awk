# SPDX-License-Identifier: BSD-3-Clause
# A part of the public header as that of a manual page: awk -v part=overview|types|functions -f header.awk HEADER. The first
# long comment is the overview. Then a comment and the declarations below it belong together, up to an empty line or the next
# comment; those of functions end with ");".
function escape(text) {
	gsub(/\\/, "\\e", text); gsub(/-/, "\\-", text); gsub(/\047/, "\\(aq", text)
	sub(/^\./, "\\\\\\&.", text)
	return text
}
# Lines of a comment: indented ones begin with a word that they explain, or go on with it.
function prose(text,  lines, count, i, entry) {
	count = split(text, lines, "\n")
	for (i = 1; i <= count; i++) {
		if (lines[i] == "") { print ".PP"; entry = 0 }
		else if (match(lines[i], /^  [^ ]+  +/)) {
			print ".TP\n.B " escape(substr(lines[i], 3, index(substr(lines[i], 3), " ") - 1))
			print escape(substr(lines[i], RLENGTH + 1))
			entry = 1
		} else {
			if (entry && lines[i] ~ /^[^ ]/) { print ".PP"; entry = 0 }
			sub(/^ +/, "", lines[i])
			print escape(lines[i])
		}
	}
}
# Code in bold, comments beside it not.
function declarations(text,  lines, count, i, at) {
	print ".PP\n.nf"
	count = split(text, lines, "\n")
	for (i = 1; i <= count; i++) {
		at = comment_at(lines[i])
		print "\\fB" escape(substr(lines[i], 1, at - 1)) "\\fR" escape(substr(lines[i], at))
	}
	print ".fi"
}
# where the comment of a line of code begins, also of one that the line before began
function comment_at(line,  at) {
	at = in_code_comment ? 1 : index(line, "/*")
	in_code_comment = at && line !~ /\*\/$/
	return at ? at : length(line) + 1
}
function flush(  kind) {
	kind = code ~ /\);/ ? "functions" : "types"
	if (code != "" && kind == part) {
		declarations(code)
		if (comment != "") { print ".RS 4"; prose(comment); print ".RE" }
	}
	comment = code = ""
}

/^\/\* SPDX/ { next }
/^#(if|ifn|end|include)/ || /^extern "C"/ || /^#define LWCMEM_LWCMEM_H/ { next }
/^\}$/ { next }
depth == 0 && /^\/\*/ { flush(); in_comment = 1; sub(/^\/\* ?/, " * ") }
in_comment {
	ends = sub(/ *\*\/$/, "")
	sub(/^ \* ?/, "")
	if ($0 != "" || comment != "" && !ends) comment = comment (comment == "" ? "" : "\n") $0
	if (ends) in_comment = 0
	if (ends && !overview++) { if (part == "overview") prose(comment); comment = "" }
	next
}
/^$/ { flush(); next }
{
	depth += gsub(/{/, "{") - gsub(/}/, "}")
	code = code (code == "" ? "" : "\n") $0
}
END { flush() }
