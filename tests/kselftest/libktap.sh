# SPDX-License-Identifier: BSD-3-Clause
# Sourced by the scripts here: numbered results of cases. The script ends with `exit $bad`.
number=0 bad=0

# result WHY NAME: good if WHY is empty
result() {
	number=$((number + 1))
	if [ -z "$1" ]; then echo "ok $number $2"; return; fi
	echo "not ok $number $2 # $1"; bad=1
}
# verdict NAME: good if the command before was; if not, the files in $said have why
verdict() {
	if [ $? = 0 ]; then result "" "$1"; return; fi
	# shellcheck disable=SC2086
	result "failed: $(cat $said | tr '\n' ' ')" "$1"
}
