# `rangefinder devices` and the choice of a device.

devices_lists_the_reference_at_least() {
    succeeds devices
    prints reference
    prints auto
    prints CLBlast
    succeeds devices --json
    tr -d ' \n' <"$logs/out" | grep -q '"devices":\[{"selector":' || fail "the JSON"
    grep -q '"auto"' "$logs/out" || fail "the JSON says what auto takes"
}

named_device_that_is_missing_is_an_error_with_the_list() {
    refuses 4 "reference" find --device nosuch
    refuses 4 "reference" validate --device 99:0
    export RANGEFINDER_DEVICE=nosuch
    refuses 4 "reference" find
    refuses 2 "value is empty" find --device ''
}
