#!/usr/bin/env bash
# Counts instructions per operation under callgrind and compares them with benches/instructions.budget.
#
#   benches/instructions.sh            fails if an operation takes more than 3 % above its budget
#   benches/instructions.sh --quick    the same for sessions of 250 bytes alone
#   benches/instructions.sh --write    writes what it measured as the new budget of this kind of machine
#
# The difference of two runs of different length is the cost of the operations alone. "Own" is what the library adds to HMAC,
# AES-GCM, base64url and JSON: callgrind does not know the processor's SHA instructions, so that SHA-256 runs in software there
# and makes most of the total. A count depends on the compiler, the C
# library and the kind of processor, by which that library chooses how to copy. The budget has a part for each kind of machine;
# on another kind nothing is judged.
set -euo pipefail
cd "$(dirname "$0")/.."

budget=benches/instructions.budget
short=100 long=300
operations=()
sizes=(60 250 1024 2980)
[ "${1:-}" = --quick ] && sizes=(250)
for size in "${sizes[@]}"; do # a cookie holds at most 2995 bytes
  operations+=("open/$size" "open-with-activity/$size" "open-seen/$size" "reject-flipped-bit/$size")
  operations+=("reject-unknown-key/$size" "reject-expired/$size" "untouched/$size" "start/$size" "update/$size")
done

command -v valgrind >/dev/null || { echo "valgrind is missing; install it (Debian: apt-get install valgrind)" >&2; exit 2; }
binary=$(cargo bench --no-run -p benches --bench instructions --message-format=json 2>/dev/null |
  grep -o '"executable":"[^"]*instructions-[^"]*"' | tail -n 1 | cut -d '"' -f 4)

count() { # operation, repetitions -> instructions
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$binary" "$1" "$2" 2>&1 | awk '/Collected/ {print $4}'
}

kind="$(rustc --version | cut -d ' ' -f 1-2), $(ldd --version | head -n 1), $(awk -F ': ' '/vendor_id/ {print $2; exit}' /proc/cpuinfo)"

each() { # operation -> instructions of one
  local first second
  first=$(count "$1" "$short")
  second=$(count "$1" "$long")
  echo $(((second - first) / (long - short)))
}

own() { # a line of $measured -> what the library adds
  local bare
  bare=$(each "bare-$1")
  echo $(($2 - bare))
}

# The lines of the budget for this kind of machine, or with `!=` for all others.
part() {
  awk -v kind="# $kind" "/^# rustc/ { inside = \$0 ${1:-==} kind } inside" "$budget"
}

if [ "${1:-}" != --write ] && [ -z "$(part)" ]; then
  echo "not judged: there is no budget for $kind; \`benches/instructions.sh --write\` makes one"
  exit 0
fi

failed=0
measured=$(for operation in "${operations[@]}"; do echo "$operation $(each "$operation")"; done)
# A program that ends early counts the same for both numbers of repetitions.
if grep -vE ' [1-9][0-9]*$' <<<"$measured"; then
  echo "these operations did not run" >&2
  exit 1
fi

if [ "${1:-}" = --write ]; then
  others=$(part !=)
  { head -n 1 "$budget"; [ -z "$others" ] || echo "$others"; echo "# $kind"; echo "$measured"; } >"$budget.new"
  mv "$budget.new" "$budget"
  echo "$measured"
  exit 0
fi

while read -r operation instructions; do
  allowed=$(awk -v operation="$operation" '$1 == operation {print $2}' <(part))
  verdict=ok
  if [ -z "$allowed" ]; then verdict="no budget"; failed=1; fi
  if [ -n "$allowed" ] && [ $((instructions * 100)) -gt $((allowed * 103)) ]; then verdict="above budget"; failed=1; fi
  printf '%-28s %8d  own %6d  budget %8s  %s\n' "$operation" "$instructions" "$(own "$operation" "$instructions")" \
    "${allowed:-none}" "$verdict"
done <<<"$measured"
exit "$failed"
