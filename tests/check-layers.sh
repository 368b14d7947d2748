#!/bin/sh
# check-layers.sh -- the folders of src/ are layers, and includes go one way:
#
#     base <- net <- io <- server | bench <- report <- programs
#
#     client: base and net      hdr: base, and report has it, too
#
# SPDX-License-Identifier: MIT
set -eu
cd "$(dirname "$0")/.."

# shellcheck disable=SC2016 # the dollars are awk's
find src -name '*.[ch]' | sort | xargs awk '
BEGIN {
    may["base"] = " base "
    may["net"] = " base net "
    may["io"] = " base net io "
    may["server"] = " base net io server "
    may["bench"] = " base net io bench "
    may["hdr"] = " base hdr "
    may["report"] = " base net hdr bench report "
    may["client"] = " base net client "
}

# The layer a file of src/ is in; "" for the programs, which stand right in src/.
function layer_of(path)
{
    return index(path, "/") ? substr(path, 1, index(path, "/") - 1) : ""
}

/^[ \t]*#[ \t]*include[ \t]*"/ {
    split($0, part, "\"")
    includes++
    own = layer_of(substr(FILENAME, 5))
    target = part[2]
    climbs = sub(/^\.\.\//, "", target)
    to = climbs ? layer_of(target) : own == "" ? layer_of(target) : own
    wrong = ""
    if (own != "" && !(own in may))
        wrong = "has no place among the layers: give it one here"
    else if (target ~ /\.\.\// || (own != "" && !climbs && target ~ /\//))
        wrong = "is not written as \"../LAYER/FILE.h\" or \"FILE.h\""
    else if (own != "" && to == "")
        wrong = "is a part of the programs"
    else if (own != "" && !index(may[own], " " to " "))
        wrong = "is in a layer that " own " may not use"
    if (wrong != "") {
        printf "%s:%d: \"%s\" %s\n", FILENAME, FNR, part[2], wrong
        bad++
    }
}

END {
    if (!includes)
        print "no include was seen at all"
    exit bad || !includes
}'
