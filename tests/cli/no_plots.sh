# A build without cairo.

plotting_is_refused_with_what_to_do() {
    good_curve >curve.csv
    for file in out.svg out.png -; do
        refuses 2 "draws no plots" suggest curve.csv --plot $file
        refuses 2 "RF_PLOTS=ON" find --plot $file
    done
}
