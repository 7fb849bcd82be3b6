# The images that are trained with: classes of unequal size balanced, files decoded when they are used.

# three_classes FOLDER: 8x8 pictures, 12 of cats, 6 of dogs, 3 of emus.
three_classes() {
    mkdir -p "$1/cats" "$1/dogs" "$1/emus"
    for i in $(seq 12); do pnm "$1/cats/$i.pgm" 8 8 "$(printf "\\$(printf %o $((48 + i)))")"; done
    for i in $(seq 6); do pnm "$1/dogs/$i.pgm" 8 8 "$(printf "\\$(printf %o $((96 + i)))")"; done
    for i in $(seq 3); do pnm "$1/emus/$i.pgm" 8 8 "$(printf "\\$(printf %o $((110 + i)))")"; done
}

# find_on FOLDER OPTIONS...: a short range test of a small network.
printf 'flatten\nfc: linear classes\n' >small.net
find_on() {
    folder=$1
    shift
    rf find --data "$folder" --model small.net --batch 4 --iterations 30 --diverge never --quiet "$@"
    [ "$code" -eq 0 ] || [ "$code" -eq 1 ] || fail "find $*"
}

balance_says_the_counts_before_and_after() {
    three_classes set
    find_on set --balance undersample --json -
    says 'classes balanced (undersample): cats 12, dogs 6, emus 3; 21 images became 9: 3 in each class'
    prints 'classes balanced (undersample): cats 12, dogs 6, emus 3; 21 images became 9: 3 in each class'
    find_on set --balance oversample
    says '21 images became 36: 12 in each class'
    find_on set --balance weights
    says 'cats 12, dogs 6, emus 3; weights 0.5833, 1.167, 2.333'
    find_on set --balance effective
    says 'cats 12, dogs 6, emus 3; weights 0.4287, 0.8572, 1.714'
}

balanced_weights_are_class_weights() {
    three_classes set
    find_on set --balance weights --csv a.csv
    find_on set --class-weights 0.58333333333,1.16666666667,2.33333333333 --csv b.csv
    find_on set --csv c.csv
    cmp a.csv b.csv || fail "21 / (3 * 12), 21 / (3 * 6), 21 / (3 * 3)"
    ! cmp -s a.csv c.csv || fail "the weights have no effect"
}

what_cannot_be_balanced_is_refused() {
    three_classes set
    refuses 2 'leaves 9 of 21 images to train with, fewer than a batch of 10' find --data set --batch 10 --balance undersample
    refuses 2 'copies of the same images' find --data set --batch 4 --validation 4 --balance oversample
    refuses 2 'give one of them' find --data set --balance weights --class-weights 1,1,1
    refuses 2 'has no effect with --loss mse' find --data set --batch 4 --loss mse --balance effective
    refuses 2 "there is no 'oversampl'; did you mean 'oversample'" find --balance oversampl
}

images_decoded_when_used_give_the_same_bits() {
    three_classes set
    find_on set --csv a.csv
    for size in 0.1K 0.001M 1G; do
        find_on set --cache-images "$size" --csv b.csv
        says 'images are decoded when they are'
        cmp a.csv b.csv || fail "--cache-images $size"
    done
    find_on set --balance oversample --csv a.csv
    find_on set --balance oversample --cache-images 0.2K --csv b.csv
    cmp a.csv b.csv || fail "balanced"
    succeeds data set --cache-images 1K
    prints 'at most 16 of 21'
    for size in 4 4Q G -1G 4GG 1e3K 0.0001K; do
        refuses 2 "is not an amount of memory like 512M or 4G" data set --cache-images=$size
    done
}

bad_file_in_the_middle_is_named_or_replaced() {
    three_classes set
    printf 'P5\n8 8\n255\n' >set/dogs/6.pgm # a header, and no pixels
    rf find --data set --model small.net --batch 4 --iterations 30 --cache-images 0.1K
    [ "$code" -eq 3 ] || fail "a bad file ends the run"
    says 'set/dogs/6.pgm: '
    says '--skip-bad takes another image of its class'
    find_on set --cache-images 0.1K --skip-bad
    says '1 file could not be decoded, and another image of its class was read instead'
}

interrupt_ends_the_threads_that_decode() {
    three_classes set
    for seconds in 0.5 2; do
        code=0
        timeout --preserve-status -s INT $seconds "$RANGEFINDER" find --data set --model small.net --batch 4 \
            --iterations 100000 --diverge never --cache-images 0.1K >"$logs/out" 2>"$logs/err" || code=$?
        [ "$code" -eq 130 ] || fail "interrupted after $seconds s: the exit code should be 130"
    done
}
