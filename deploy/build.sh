# Building with a view of how far it is; sourced by the scripts that build.
#
#   build_preset PRESET [TARGET...]
#       Configures and builds a preset of CMakePresets.json. Everything the tools print is in
#       build/PRESET.log; shown is how far it is, and the log's end when it fails. Returns 1 then.

# Reads ninja's output. At a terminal one line that is written anew, elsewhere a line a minute.
show_build_progress() {
  local line piece="" did=0 of=0 began=$SECONDS shown=$SECONDS terminal=false code
  if [ -t 1 ]; then terminal=true; fi
  while true; do
    code=0
    IFS= read -r -t 1 line || code=$?
    if [ "$code" -gt 128 ]; then
      piece+=$line  # the rest of the line is yet to come
    elif [ "$code" -ne 0 ]; then
      break
    else
      line=$piece$line
      piece=""
      if [[ $line =~ ^\[([0-9]+)/([0-9]+)\] ]]; then
        did=${BASH_REMATCH[1]}
        of=${BASH_REMATCH[2]}
      fi
    fi
    if $terminal; then
      printf '\r  [%d/%d]%s\e[K' "$did" "$of" "$(build_time_left "$did" "$of" $((SECONDS - began)))"
    elif [ $((SECONDS - shown)) -ge 60 ]; then
      shown=$SECONDS
      printf '  [%d/%d]%s\n' "$did" "$of" "$(build_time_left "$did" "$of" $((SECONDS - began)))"
    fi
  done
  if $terminal; then printf '\r\e[K'; fi
}

# build_time_left DID OF SECONDS: in words, once enough is done to tell.
build_time_left() {
  local left
  [ "$1" -gt 0 ] && [ "$3" -ge 10 ] || return 0
  left=$(($3 * ($2 - $1) / $1))
  if [ "$left" -ge 90 ]; then
    printf ', about %d minutes left' $(((left + 30) / 60))
  elif [ "$left" -ge 45 ]; then
    printf ', about a minute left'
  else
    printf ', less than a minute left'
  fi
}

build_preset() {
  local preset=$1 log target arguments=()
  shift
  log="build/$preset.log"
  mkdir -p build
  for target in "$@"; do arguments+=(--target "$target"); done
  if ! cmake --preset "$preset" >"$log" 2>&1 ||
    ! (set -o pipefail
       cmake --build --preset "$preset" "${arguments[@]}" 2>&1 | tee -a "$log" |
         show_build_progress); then
    # What is wrong stands before what ninja says of it, often far before.
    if ! grep -E -A 6 '(error|Error)[: ]' "$log" | grep -v '^FAILED\|^env ' | head -n 40 >&2; then
      tail -n 20 "$log" >&2
    fi
    echo "The build failed; everything it printed is in $PWD/$log" >&2
    return 1
  fi
}
