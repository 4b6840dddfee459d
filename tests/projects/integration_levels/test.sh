#!/bin/sh
# The whole of the project, from its outside. MODE says what this run is to be.
case ${MODE:-passes} in
passes) python -c 'import measures; print(measures.__doc__)' ;;
environment) env | sort | grep ^NOXLIB_ ;;
arguments) printf '<%s>\n' "$@" ;;
fails) echo "measured nothing" && exit 5 ;;
tap) printf '1..3\nok 1 - deploy\nnot ok 2 - invoke\nok 3 - clean up # SKIP no network\n' && exit 1 ;;
forgets) printf '1..2\nok 1 - deploy\nnot ok 2 - invoke\n' ;;
lines) printf 'ok\nPASS: deploy\nFAIL: invoke twice\nSKIP: clean up\nFAILED: no line of ours\n' ;;
hangs) [ -z "${LATER:-}" ] || touch "$LATER" && sleep 600 ;;
leaves) sleep 600 & echo "left one behind" ;;
dies) kill -9 0 ;;
writes) echo new >written.txt ;;
esac
