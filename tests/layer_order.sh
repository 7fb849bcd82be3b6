# The folders of src/ from the lowest layer up.  A folder may use itself and those of lines above its own.
layers="base
device curve dist
launch
op
verify
graph
model data
optim augment
train
tune finder
report"

layer() { echo "$layers" | awk -v name="$1" '{ for (i = 1; i <= NF; i++) if ($i == name) print NR }'; }
