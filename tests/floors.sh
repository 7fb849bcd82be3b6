# The folders of src/ from the lowest floor up.  A folder may use itself and those of lines above its own.
floors="base
device curve
launch
op
verify
graph
model data
optim
train
tune finder
report"

floor() { echo "$floors" | awk -v name="$1" '{ for (i = 1; i <= NF; i++) if ($i == name) print NR }'; }
