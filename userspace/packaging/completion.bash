# SPDX-License-Identifier: BSD-3-Clause
# bash completion of lwcmem: commands and options are what --help says.
_lwcmem() {
	local word=${COMP_WORDS[COMP_CWORD]} words
	if [ "$COMP_CWORD" = 1 ]; then
		words=$("$1" --help 2> /dev/null | sed -n 's/^  \([a-z]\{1,\}\) .*/\1/p')
	elif [[ $word == -* ]]; then
		words=$("$1" "${COMP_WORDS[1]}" --help 2> /dev/null | grep -oE -- '--?[a-z][a-z-]*' | sort -u)
	else
		compopt -o default
		return
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _lwcmem lwcmem
