# `rangefinder data`, and every way in which a data set can be wrong; `find` gives the same answers.

data_describes_the_digits() {
    succeeds data digits
    prints 1,797
    prints 8x8
    succeeds data digits --json
    tr -d ' \n' <"$logs/out" | grep -q '"images":1797,"channels":1,"height":8,"width":8' || fail "the JSON"
}

data_reads_folders_idx_and_synthetic() {
    two_classes set
    succeeds data set
    prints cats
    prints dogs
    idx_images 6 4 4 >train-images-idx3-ubyte
    idx_labels 6 >train-labels-idx1-ubyte
    succeeds data train-images-idx3-ubyte,train-labels-idx1-ubyte
    prints 4x4
    mkdir idx
    gzip -c train-images-idx3-ubyte >idx/train-images-idx3-ubyte.gz
    gzip -c train-labels-idx1-ubyte >idx/train-labels-idx1-ubyte.gz
    succeeds data idx
    prints 4x4
    succeeds data synthetic:3x16x12,5,40
    prints 16x12
}

data_lists_bad_files() {
    two_classes set
    echo 'not an image' >set/cats/9.png
    : >set/dogs/empty.jpg
    rf data set
    [ "$code" -eq 0 ] || fail "bad files are listed"
    prints 9.png
    prints empty.jpg
}

data_finds_what_lies_further_down_and_says_so() {
    two_classes photos/train
    two_classes photos/val
    succeeds data photos
    prints "data     photos/train"
    prints "not photos/val, which can be named as --data, or as --val-data of 'train'; --validation N"
    succeeds data photos/
    prints "photos/train is read, not photos/val, which"
    succeeds data photos --json
    grep -q '"notes": \["photos/train is read' "$logs/out" || tr -d '\n' <"$logs/out" | grep -q '"notes": *\[ *"photos/train is read' || fail "the JSON"
    rf find --data photos --batch 2 --iterations 3 --quiet
    says "photos/train is read, not photos/val"
    mkdir -p digits/a digits/b
    pnm digits/a/1.pgm 4 4
    pnm digits/b/1.pgm 4 4
    succeeds data digits
    prints 4x4
    prints "'digits' is read from the file system"
    succeeds data digits:
    prints 1,797
    rf find --batch 2 --iterations 3
    prints "digits: 1797 images"
}

options_of_the_labels_and_of_the_pixels_order_work() {
    for i in 0 1 2; do printf "$(octal $i)$(octal $((i + 90)))"; head -c 3072 /dev/zero; done >train.bin
    succeeds data train.bin
    prints "100 classes"
    succeeds data train.bin --labels coarse
    prints "20 classes"
    refuses 2 "coarse" data digits --labels coarse
    idx_images 6 4 5 >emnist-letters-train-images-idx3-ubyte
    idx_labels 6 >emnist-letters-train-labels-idx1-ubyte
    succeeds data emnist-letters-train-images-idx3-ubyte
    prints "--transpose"
    succeeds data . --transpose
    prints 5x4
}

files_of_other_kinds_are_named() {
    printf 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n' >pointer
    refuses 3 "a Git LFS pointer" find --weights pointer
    refuses 3 "a Git LFS pointer" find --model ./pointer
    refuses 3 "a Git LFS pointer" suggest pointer
    refuses 3 "a Git LFS pointer" data pointer
    printf 'PK\003\004archive/data.pkl' >model.pth
    refuses 3 "from safetensors.torch import save_file" find --weights model.pth
    refuses 3 "from safetensors.torch import save_file" model model.pth
    mkdir cifar-10-batches-py
    printf '\200\002}q\001(U\013batch_label' >cifar-10-batches-py/data_batch_1
    refuses 3 "binary version" data cifar-10-batches-py
}

missing_and_empty_folders_are_refused() {
    refuses 3 "nosuch" data nosuch
    refuses 3 "nosuch" find --data nosuch
    mkdir empty
    refuses 3 "empty" data empty
    mkdir -p one/only
    pnm one/only/1.pgm 4 4
    refuses 3 "one" data one
    mkdir -p hollow/a hollow/b
    refuses 3 "hollow" data hollow
    mkdir loose
    echo text >loose/file.txt
    refuses 3 "loose" data loose
}

unreadable_files_are_refused() {
    [ "$(id -u)" -ne 0 ] || {
        # Root reads everything; a folder in the place of a file is what it cannot read.
        mkdir folder
        refuses 3 "folder" data folder,folder
        return 0
    }
    two_classes set
    chmod 0 set/cats/1.pgm
    refuses 3 "1.pgm" find --data set --batch 2
}

unknown_specs_are_refused() {
    for spec in synthetic: synthetic:3x8 synthetic:0x8x8 synthetic:-1x8x8 synthetic:1x8x8,0 synthetic:1x8x8,2,0 \
        synthetic:1x8x8,2,4x synthetic:99999999999x8x8 synthetic:60000x60000x60000; do
        rf data "$spec"
        [ "$code" -eq 2 ] || [ "$code" -eq 3 ] || fail "$spec"
        refuses "$code" synthetic data "$spec"
    done
}

# bad_image FILE: in an otherwise good folder, it is refused by its name.
bad_image() {
    refuses 3 "$(basename "$1")" find --data set --batch 2
    rm "$1"
}

bad_images_are_refused_by_name() {
    two_classes set
    : >set/cats/9.png
    bad_image set/cats/9.png
    echo 'not an image' >set/cats/9.jpg
    bad_image set/cats/9.jpg
    printf 'P5\n8 8\n255\nxx' >set/cats/9.pgm
    bad_image set/cats/9.pgm
    { printf '\211PNG\r\n\032\n'; be32 13; printf IHDR; be32 60000; be32 60000; printf '\010\002\000\000\000'
      be32 0; be32 0; printf 'IDAT'; } >set/cats/9.png
    bad_image set/cats/9.png
    printf '\377\330\377\340\000\020JFIF' >set/dogs/9.jpeg
    bad_image set/dogs/9.jpeg
    printf 'BM\001\000' >set/dogs/9.bmp
    bad_image set/dogs/9.bmp
}

what_is_converted_or_left_out_is_said() {
    two_classes set
    pnm set/cats/8.pgm 16 24
    { printf 'P6\n4 4\n255\n'; head -c 48 /dev/zero; } >set/cats/9.ppm
    echo picture >set/dogs/1.tiff
    echo picture >set/dogs/2.tif
    succeeds data set
    prints '8x8 (height x width)'
    prints '3 channels'
    prints 'note     2 of 8 images: resized to 8x8'
    prints 'note     1 of 8 images: cut to their middle'
    prints 'note     7 of 8 images: grey, but read as colour; --channels 1'
    prints '.tif 1'
    prints '.tiff 1'
    succeeds data set --image-size 6x10 --resize pad --channels 1 --json
    prints '"notes"'
    prints '1 of 8 images: in colour, but read as grey'
    prints '8 of 8 images: given black bars'
    rf find --data set --batch 2 --iterations 10 --json found.json
    says 'rangefinder: 2 of 8 images: resized to 8x8'
    says '.tif 1'
    grep -q '1 of 8 images: cut to their middle' found.json || fail "the notes in the JSON"
    [ "$(grep -c 'cut to their middle' "$logs/err")" -eq 1 ] || fail "said once"
    refuses 2 channels data set --channels 2
    refuses 2 resize data set --resize stretch
}

photos_stand_as_exif_says_unless_that_is_ignored() {
    mkdir -p set/a set/b
    cp "$RF_TEST_DATA/images/exif-6.jpg" set/a
    cp "$RF_TEST_DATA/images/exif-6.jpg" set/b
    succeeds data set
    prints '18x13 (height x width)'
    prints 'note     2 of 2 images: turned upright, as EXIF says; --no-exif'
    succeeds data set --no-exif
    prints '13x18 (height x width)'
    ! grep -q note "$logs/out" || fail "nothing was turned"
}

long_class_names_keep_their_end() {
    mkdir set
    long=$(printf 'x%.0s' $(seq 100))
    mkdir "set/${long}a" "set/${long}b"
    pnm "set/${long}a/1.pgm" 4 4
    pnm "set/${long}b/1.pgm" 4 4
    succeeds data set
    prints "${long}b"
    succeeds data set --json
    prints "\"${long}b\""
}

bad_image_in_find_names_the_option() {
    two_classes set
    head -c 40 set/cats/1.pgm >set/cats/4.pgm
    refuses 3 'set/cats/4.pgm: the file is cut off' find --data set --batch 2
    says '--skip-bad'
    printf 'P5\n9000 9000\n255\n' >set/cats/4.pgm
    refuses 3 'cut off' find --data set --batch 2
}

# bad_idx TEXT: the pair ./i and ./l is refused.
bad_idx() { refuses 3 "$1" data i,l; }

bad_idx_files_are_refused() {
    idx_images 6 4 4 >images
    idx_labels 6 >labels
    cp labels l
    { be32 1234; tail -c +5 images; } >i
    bad_idx i
    idx_images 5 4 4 >i
    bad_idx 5
    head -c 50 images >i
    bad_idx i
    head -c 7 images >i
    bad_idx i
    : >i
    bad_idx i
    { be32 2051; be32 -1; be32 -1; be32 -1; } >i
    bad_idx i
    { be32 2051; be32 2147483647; be32 65535; be32 65535; head -c 100 /dev/zero; } >i
    bad_idx i
    { be32 2051; be32 6; be32 0; be32 4; } >i
    bad_idx i
    gzip -c images | head -c 30 >i
    bad_idx i
    { gzip -c images | head -c 20; head -c 40 /dev/urandom; } >i
    bad_idx i
    cp images i
    cp images l
    bad_idx l
    { be32 2049; be32 6; printf '\0\0\0\0\0\0'; } >l
    rf data i,l
    [ "$code" -eq 3 ] || fail "one class only"
    refuses 3 "nosuch" data i,nosuch
    refuses 3 "nosuch" data nosuch,l
}

bad_cifar_files_are_refused() {
    head -c 3000 /dev/zero >data_batch_1.bin
    refuses 3 "data_batch_1.bin" data data_batch_1.bin
    { printf '\377'; head -c 3072 /dev/zero; printf '\001'; head -c 3072 /dev/zero; } >data_batch_1.bin
    refuses 3 "data_batch_1.bin" data data_batch_1.bin
    : >data_batch_1.bin
    refuses 3 "data_batch_1.bin" data data_batch_1.bin
}
