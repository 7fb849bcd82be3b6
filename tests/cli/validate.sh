# `rangefinder validate`: the kernels of the device against the reference.

validate_is_clean_and_prints_a_table() {
    succeeds validate --quick --all
    prints conv
    prints forward
}

validate_of_one_op_and_as_json() {
    succeeds validate --quick --op relu
    prints relu
    succeeds validate --quick --op relu --half
    prints relu
    succeeds validate --quick --op relu --json
    tr -d ' \n' <"$logs/out" | grep -q '"op":"relu"' || fail "the JSON"
}

unknown_op_is_refused_with_the_nearest() {
    refuses 2 "did you mean 'conv'" validate --op cnov
}
