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

# An NVIDIA GPU without its driver, as the kernel shows it, in a name space of its own, and no OpenCL.
fake_gpu() {
    for options in -m -rm; do # root needs no users of its own
        [ -z "${RF_NAME_SPACE:-}" ] && unshare $options true 2>/dev/null || continue
        exec env RF_NAME_SPACE=1 unshare $options "$here/run" "$test_file" "$test"
    done
    [ -n "${RF_NAME_SPACE:-}" ] || fail "there are no name spaces here"
    mount -t tmpfs none /sys
    mkdir -p /sys/class/drm/renderD143/device no_drivers
    echo 0x10de >/sys/class/drm/renderD143/device/vendor
    unset RANGEFINDER_DEVICE
    export OCL_ICD_VENDORS="$PWD/no_drivers"
}

gpu_without_its_driver_is_told_of_by_devices_and_errors() {
    fake_gpu
    succeeds devices
    prints 'an NVIDIA GPU is here without its OpenCL driver: install '
    succeeds devices --json
    prints 'an NVIDIA GPU is here without its OpenCL driver: install '
    refuses 4 'an NVIDIA GPU is here without its OpenCL driver: install ' find --device gpu
    rm -r /sys/class/drm
    succeeds devices
    ! grep -q 'GPU is here' "$logs/out" || fail "there is no GPU"
}
